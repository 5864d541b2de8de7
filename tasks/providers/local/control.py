"""The channel to the process that keeps a cluster's nodes: one request, one answer. Standard library only.

Messages are JSON over a Unix socket in the cluster's folder, so only the folder's owner can speak. That somebody
listens there is also how we know that the process lives: the kernel ends the socket with it.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

AT_ONCE = 16
"""Nodes in one request: the keeper answers nobody else while it serves one."""

_LONGEST = 65_536
_ANSWER_LIMIT_S = 60


@dataclass(frozen=True)
class Request:
    """What the keeper is asked: ``start``, ``kill``, ``cut``, ``mend`` or ``up``, for which nodes."""

    verb: str
    indexes: Sequence[int] = ()


class Refused(Exception):
    """The keeper could not do it; the message says why."""


def ask(path: Path, request: Request, *, listeners: Sequence[socket.socket] = ()) -> set[int]:
    """Ask the keeper and return the indexes of the nodes that are up afterwards.

    Raises:
        Refused: With the reason.
        ConnectionError, FileNotFoundError: No keeper lives.
    """
    with _connected(path) as channel:
        message = json.dumps(asdict(request)).encode()
        socket.send_fds(channel, [message], [listener.fileno() for listener in listeners])
        answer = channel.recv(_LONGEST)
    if not answer:
        raise ConnectionResetError("the process that keeps the nodes ended")
    told = json.loads(answer)
    if told["error"]:
        raise Refused(told["error"])
    return set(told["up"])


def keeper_pid(path: Path) -> int | None:
    """Return the process id of the keeper, as the kernel tells it; none where none lives."""
    try:
        with _connected(path) as channel:
            credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except (ConnectionError, FileNotFoundError):
        return None
    return int.from_bytes(credentials[:4], "little") or None


@contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        channel.settimeout(_ANSWER_LIMIT_S)
        with _short(path) as name:
            channel.connect(name)
        yield channel


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Name a socket by its folder's descriptor: a socket's path has room for 107 bytes only."""
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)


Act = Callable[[Request, list[socket.socket]], Awaitable[set[int]]]


class Keeper:
    """The keeper's end: hands requests one after the other to ``act``."""

    def __init__(self, path: Path, act: Act) -> None:
        self._path, self._act = path, act
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self) -> None:
        """Take requests from now on, in the running loop."""
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with _short(self._path) as name:
            self._listener.bind(name)
        self._listener.listen(64)
        self._listener.setblocking(False)  # noqa: FBT003 # the standard library's own signature
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            channel, _ = self._listener.accept()
        except OSError:
            return
        task = asyncio.get_running_loop().create_task(self._serve(channel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, channel: socket.socket) -> None:
        with channel:
            async with self._turn:
                channel.settimeout(5)
                try:
                    message, handles, _, _ = socket.recv_fds(channel, _LONGEST, 253)
                    if message:
                        answer = await self._answer(message, [socket.socket(fileno=handle) for handle in handles])
                        channel.send(json.dumps(answer).encode())
                except (OSError, TimeoutError):
                    return  # The asker went away; what was asked is done all the same.

    async def _answer(self, message: bytes, listeners: list[socket.socket]) -> dict[str, object]:
        try:
            return {"error": "", "up": sorted(await self._act(Request(**json.loads(message)), listeners))}
        except (OSError, Refused) as error:
            return {"error": str(error), "up": []}
