"""Which processes belong to a cluster, and ending them to the last."""

import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from blocks.errors import TimedOut

_LIMIT_S = 60
MARK = "LOCAL_NODE"


def end(pid: int) -> None:
    """Kill a process and return when it is gone.

    The first of a process namespace is gone when all others in the namespace are.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        if not select.select([handle], [], [], _LIMIT_S)[0]:
            raise TimedOut(f"process {pid} does not end", where="this machine")
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def end_marked(mark: str) -> None:
    """Kill every process of ours whose ``LOCAL_NODE`` begins with ``mark``; return when none is left.

    A process may fork while we look, hence the repetition.
    """
    deadline = time.monotonic() + _LIMIT_S
    while found := list(marked(mark)):
        for pid in found:
            end(pid)
        if time.monotonic() > deadline:
            raise TimedOut(f"processes {found} do not end", where="this machine")


def marked(mark: str) -> Iterator[int]:
    """Find the processes of ours whose ``LOCAL_NODE`` begins with ``mark``."""
    wanted = f"{MARK}={mark}".encode()
    for pid in own():
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue  # It ended meanwhile, or hides.
        if any(variable.startswith(wanted) for variable in variables):
            yield pid


def own() -> Iterator[int]:
    """Find all processes of ours but this one."""
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            if entry.stat().st_uid == os.getuid():
                yield int(entry.name)
        except OSError:
            continue
