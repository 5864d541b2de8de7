"""Which processes belong to a cluster whose nodes share this machine's process list, and ending them to the last.

A process belongs to a node if its environment says so (``LOCAL_NODE``), if it writes its errors into the node's log
(sshd overwrites its environment), or if it descends from the node's first process.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from blocks.errors import TimedOut

_MARK = b"LOCAL_NODE="
_LIMIT_S = 60
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 # where the C library keeps it


def end(pids: Collection[int]) -> None:
    """Kill processes and return when they are gone.

    The first process of a process namespace is gone when all others in it are.

    Raises:
        TimedOut: One of them does not end.
    """
    with ExitStack() as stack:
        handles = []
        for pid in pids:
            with suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                stack.callback(os.close, handle)
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                handles.append(handle)
        poller = select.poll()
        for handle in handles:
            poller.register(handle, select.POLLIN)
        _wait_for_all(poller, len(handles))


def _wait_for_all(poller: select.poll, count: int) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while count:
        ended = poller.poll(max(deadline - time.monotonic(), 0) * 1000)
        if not ended:
            raise TimedOut(f"{count} processes do not end", where="this machine")
        for handle, _ in ended:
            poller.unregister(handle)
            count -= 1


def end_nodes(firsts: Collection[int], belongs: Callable[[str], bool], logs: Collection[Path] = ()) -> None:
    """Kill everything of some nodes and return when it is gone.

    Args:
        firsts: The nodes' first processes, which adopt the orphans among their descendants. They go last: without
            them nobody could tell whose the others are.
        belongs: Tells whether a ``LOCAL_NODE`` is one of these nodes.
        logs: Their logs.
    """
    for pid in firsts:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)  # It must start no more.
    _end_until_none(lambda: (_descendants(firsts) | set(_found(belongs, logs))) - set(firsts))
    end(firsts)
    _end_until_none(lambda: set(_found(belongs, logs)))


def _end_until_none(find: Callable[[], set[int]]) -> None:
    """Repeat, for a process may fork while we look."""
    deadline = time.monotonic() + _LIMIT_S
    while pids := find():
        end(pids)
        if time.monotonic() > deadline:
            raise TimedOut(f"processes {sorted(pids)} come back", where="this machine")


def _found(belongs: Callable[[str], bool], logs: Collection[Path]) -> Iterator[int]:
    wanted = {str(log) for log in logs}
    for pid in _own():
        with suppress(OSError):  # It ended meanwhile, or hides.
            if str(Path(f"/proc/{pid}/fd/2").readlink()) in wanted or belongs(_mark(pid)):
                yield pid


def _mark(pid: int) -> str:
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next((variable[len(_MARK) :].decode() for variable in variables if variable.startswith(_MARK)), "")


def _own() -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if entry.stat().st_uid == os.getuid():
                    yield int(entry.name)


def _descendants(firsts: Collection[int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid in (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal()):
        stat = _stat(pid)
        if stat and stat[0] != "Z":
            children.setdefault(int(stat[1]), []).append(pid)
    found: set[int] = set()
    todo = list(firsts)
    while todo:
        new = children.get(todo.pop(), [])
        found.update(new)
        todo += new
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of a process's ``stat`` from its state on; none where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def living(written: Path) -> int | None:
    """Return the process that wrote its identity (see ``layout.identity``) into a file, where it still lives."""
    try:
        pid, started = written.read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return None
    stat = _stat(int(pid))
    return int(pid) if stat and stat[0] != "Z" and stat[19] == started else None


def listening() -> set[tuple[str, int]]:
    """Return the IPv4 addresses and ports at which somebody listens on this machine."""
    found = set()
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        if state == "0A":
            address, port = local.split(":")
            parts = bytes.fromhex(address)[::-1]
            found.add((".".join(map(str, parts)), int(port, 16)))
    return found


def delete_shared_memory(since: float) -> None:
    """Delete what MPI jobs of ours that were killed left in shared memory: made since then, used by no process."""
    left = [path for path in _SHARED_MEMORY.glob("mpich_shm_*") if _is_ours(path, since)]
    used = _used(path.name for path in left) if left else set()
    for path in left:
        if path.name not in used:
            path.unlink(missing_ok=True)


def _is_ours(path: Path, since: float) -> bool:
    with suppress(FileNotFoundError):
        stat = path.stat()
        return stat.st_uid == os.getuid() and stat.st_ctime >= since
    return False


def _used(names: Iterator[str]) -> set[str]:
    wanted, used = set(names), set()
    for pid in _own():
        with suppress(OSError):
            maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
            used |= {name for name in wanted if f"/{name}" in maps}
    return used
