"""Carries SSH connections from this machine's loopback into a cluster's own network. Standard library only.

It works because a socket stays in the network it was made in: the listeners come from outside, the connections to
the nodes are made inside.
"""

import asyncio
import socket

_CHUNK = 262_144
_DEAD_AFTER_MS = 10_000
_CONNECT_LIMIT_S = 5


class Relay:
    """What listens for one node and carries its connections."""

    def __init__(self, listener: socket.socket, address: str) -> None:
        self._listener, self._address = listener, address
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._closed = False

    async def open(self) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(self._carry, sock=self._listener, limit=_CHUNK, backlog=512)
        if self._closed:
            self._server.close()

    def close(self) -> None:
        """Refuse new connections and end those that stand."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        _at_once(writer.get_extra_info("socket"))
        ends = [writer]
        try:
            far_reader, far_writer = await _connect(self._address)
            ends.append(far_writer)
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        except OSError:
            for end in ends:
                end.transport.abort()  # The node is gone or cut, and the caller must see just that.
        finally:
            self._open.discard(writer)
            for end in ends:
                end.close()


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = socket.socket()
    try:
        sock.setblocking(False)  # noqa: FBT003 # the standard library's own signature
        _notice_death(sock)
        _at_once(sock)
        async with asyncio.timeout(_CONNECT_LIMIT_S):
            await asyncio.get_running_loop().sock_connect(sock, (address, 22))
    except BaseException:
        sock.close()
        raise
    return await asyncio.open_connection(sock=sock, limit=_CHUNK)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()


def _at_once(sock: socket.socket) -> None:
    """Send small pieces at once. asyncio does so by itself for sockets made with their protocol's number only."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _notice_death(sock: socket.socket) -> None:
    """Learn within ten seconds that a link is cut, so that the caller learns it through us (as in ``tasks.ssh``)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER_MS)
    for option, value in ((socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
