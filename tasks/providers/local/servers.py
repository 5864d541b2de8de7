"""The process that keeps the SSH servers of a cluster's nodes. Run by ``embedded`` in a process of its own."""

import asyncio
import sys
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from socket import socket
from typing import Self

import asyncssh

from tasks.providers.local import kernel
from tasks.providers.local.control import Keeper, Request
from tasks.providers.local.detached import leave_caller, raise_file_limit, say_ready
from tasks.providers.local.layout import Place
from tasks.providers.local.served import serve


class _Entrance(asyncssh.SSHServer):
    """One connection to a node; kept in the node's list while it stands."""

    def __init__(self, node: "Server") -> None:
        self._node = node

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._node.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._node.connections.discard(self._connection)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:  # noqa: ARG002
        return True  # Ports are forwarded, as sshd does.


class Server:
    """The SSH server of one node."""

    def __init__(self) -> None:
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._acceptor: asyncssh.SSHAcceptor | None = None

    async def open(self, place: Place, index: int) -> Self:
        """Begin to accept."""
        folder = place.node(index)
        self._acceptor = await asyncssh.listen(
            place.loopback(index),
            place.port,
            server_factory=partial(_Entrance, self),
            server_host_keys=[str(folder / "host_key")],
            authorized_client_keys=str(folder / "authorized_keys"),
            process_factory=partial(serve, place, index),
            sftp_factory=True,
            encoding=None,
            line_editor=False,
            keepalive_interval=15,
            login_timeout=60,
            backlog=512,
        )
        return self

    def close(self) -> None:
        """Refuse new connections and end those that stand."""
        if self._acceptor is not None:
            self._acceptor.close()
        for connection in list(self.connections):
            connection.abort()


class Servers:
    """The servers of one cluster, by index."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._open: dict[int, Server] = {}

    async def act(self, request: Request, _: Sequence[socket]) -> set[int]:
        """Do what was asked and return the indexes that are up afterwards."""
        if request.verb == "start":
            for index in set(request.indexes) - self._open.keys():
                self._open[index] = await Server().open(self._place, index)
        elif request.verb == "kill":
            self._close(request.indexes)
        return set(self._open)

    def _close(self, indexes: Collection[int]) -> None:
        for index in self._open.keys() & set(indexes):
            self._open.pop(index).close()


def main(folder: str) -> None:
    """Stand the servers up: called in a process of its own (``detached``)."""
    place = Place.read(Path(folder))
    if place is None:
        sys.exit("there is no such cluster")
    leave_caller()
    raise_file_limit()
    kernel.adopt_orphans()
    asyncio.run(_keep(place))


async def _keep(place: Place) -> None:
    Keeper(place.control, Servers(place).act).listen()
    say_ready()
    await asyncio.Event().wait()
