"""One command or shell that a client runs on a node of ``servers``."""

import asyncio
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from tasks.providers.local import layout
from tasks.providers.local.layout import Place

_CHUNK = 65_536
_GRACE_S = 2
_SHELL = "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"

Process = asyncssh.SSHServerProcess[bytes]


@dataclass
class _Plumbing:
    """The descriptors between a child and its client: the child's three, where we write, what we read to whom."""

    child: tuple[int, int, int]
    sink: int
    sources: Sequence[tuple[int, asyncssh.SSHWriter[bytes]]]

    def __post_init__(self) -> None:
        self._open = {self.sink, *(source for source, _ in self.sources)}

    def give_to_child(self) -> None:
        """Let go of the child's ends; ours must not block the loop."""
        for descriptor in set(self.child):
            os.close(descriptor)
        for descriptor in self._open:
            os.set_blocking(descriptor, False)

    def close(self, *descriptors: int) -> None:
        """Close these of ours, or all: each once, for its number is soon another's."""
        for descriptor in self._open & set(descriptors or self._open):
            self._open.discard(descriptor)
            os.close(descriptor)


async def serve(place: Place, index: int, process: Process) -> None:
    """Run what the client asked for, to its end or the client's."""
    plumbing = _terminal(process) if _wants_terminal(process) else _pipes(process)
    try:
        try:
            child = await asyncio.create_subprocess_exec(
                *([_SHELL, "-c", process.command] if process.command else [_SHELL, "-l"]),
                stdin=plumbing.child[0],
                stdout=plumbing.child[1],
                stderr=plumbing.child[2],
                env=_environment(place, index, process),
                cwd=place.home,
                start_new_session=True,
                preexec_fn=_take_terminal if _wants_terminal(process) else None,
            )
        finally:
            plumbing.give_to_child()
        await _attend(process, child, plumbing)
    finally:
        plumbing.close()


async def _attend(process: Process, child: asyncio.subprocess.Process, plumbing: _Plumbing) -> None:
    """Carry input and output until both child and output have ended, or the client went away."""
    feed = asyncio.create_task(_feed(process, child, plumbing))
    work = asyncio.create_task(_carry(child, plumbing))
    gone = asyncio.create_task(process.wait_closed())
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if work.done() and work.exception() is None:
            _tell_end(process, child)
    finally:
        for task in (feed, work, gone):
            task.cancel()
        await asyncio.gather(feed, work, gone, return_exceptions=True)
        await _end(child)


async def _carry(child: asyncio.subprocess.Process, plumbing: _Plumbing) -> None:
    await asyncio.gather(*(_drain(*source) for source in plumbing.sources))
    await child.wait()


async def _drain(source: int, writer: asyncssh.SSHWriter[bytes]) -> None:
    while chunk := await _read(source):
        writer.write(chunk)
        await writer.drain()


async def _feed(process: Process, child: asyncio.subprocess.Process, plumbing: _Plumbing) -> None:
    """Hand the client's input, signals and window sizes to the child."""
    while True:
        try:
            chunk = await process.stdin.read(_CHUNK)
        except asyncssh.SignalReceived as received:
            _signal(child, getattr(signal, f"SIG{received.signal}", signal.SIGTERM))
            continue
        except asyncssh.TerminalSizeChanged:
            _resize(plumbing.sink, process)
            continue
        except asyncssh.BreakReceived:
            continue
        if not chunk:
            break
        while chunk:
            chunk = chunk[await _write(plumbing.sink, chunk) :]
    if not _wants_terminal(process):
        plumbing.close(plumbing.sink)


async def _read(source: int) -> bytes:
    while True:
        try:
            return os.read(source, _CHUNK)
        except BlockingIOError:
            loop = asyncio.get_running_loop()
            await _ready(source, loop.add_reader, loop.remove_reader)
        except OSError:
            return b""  # A terminal whose last process has gone says so by an error.


async def _write(sink: int, chunk: bytes) -> int:
    while True:
        try:
            return os.write(sink, chunk)
        except BlockingIOError:
            loop = asyncio.get_running_loop()
            await _ready(sink, loop.add_writer, loop.remove_writer)


async def _ready(descriptor: int, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
    event = asyncio.Event()
    add(descriptor, event.set)
    try:
        await event.wait()
    finally:
        remove(descriptor)


def _tell_end(process: Process, child: asyncio.subprocess.Process) -> None:
    code = child.returncode or 0
    if code < 0:
        process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        process.exit(code)


async def _end(child: asyncio.subprocess.Process) -> None:
    """End what is left of the child's session, as a closed terminal does, and for good a moment later."""
    if child.returncode is None:
        _signal(child, signal.SIGHUP)
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), _GRACE_S)
            return
        _signal(child, signal.SIGKILL)
        await child.wait()


def _signal(child: asyncio.subprocess.Process, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _wants_terminal(process: Process) -> bool:
    return process.term_type is not None  # Empty, when the client has no TERM itself.


def _pipes(process: Process) -> _Plumbing:
    (stdin, sink), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
    return _Plumbing((stdin, stdout, stderr), sink, ((out, process.stdout), (err, process.stderr)))


def _terminal(process: Process) -> _Plumbing:
    leader, follower = os.openpty()
    _resize(leader, process)
    return _Plumbing((follower, follower, follower), leader, ((leader, process.stdout),))


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _resize(leader: int, process: Process) -> None:
    columns, rows, width, height = process.term_size
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))


def _environment(place: Place, index: int, process: Process) -> dict[str, str]:
    here, there = process.get_extra_info("sockname"), process.get_extra_info("peername")
    return {
        **layout.environment(place, index),
        "USER": place.user,
        "LOGNAME": place.user,
        "SHELL": _SHELL,
        "SSH_CONNECTION": f"{there[0]} {there[1]} {here[0]} {here[1]}",
        **({"TERM": process.term_type} if process.term_type else {}),
    }
