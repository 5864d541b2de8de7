"""Which processes are a node's, and that all of them end. On real processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from tasks.providers.local import layout, processes

TELL = "import os, sys; sys.path.insert(0, sys.argv[1]); from tasks.providers.local import layout; "
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def started() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(stack: ExitStack, argv: list[str], *, mark: str = "", **more: object) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(argv, env={**os.environ, "LOCAL_NODE": mark}, **more)
    stack.enter_context(child)
    stack.callback(child.kill)
    return child


def is_marked(child: subprocess.Popen[bytes], mark: str) -> bool:
    return f"LOCAL_NODE={mark}".encode() in Path(f"/proc/{child.pid}/environ").read_bytes()


def wait_until_marked(child: subprocess.Popen[bytes], mark: str) -> None:
    deadline = time.monotonic() + 30
    while not is_marked(child, mark):  # Until it has become another program it shows our environment.
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_node_is_ended_and_no_other(started: ExitStack) -> None:
    uuid = uuid4()
    one, ten = (start(started, ["sleep", "1000"], mark=f"{uuid}/node{index}") for index in (1, 10))
    wait_until_marked(one, f"{uuid}/node1")
    wait_until_marked(ten, f"{uuid}/node10")
    processes.end_nodes((), f"{uuid}/node1".__eq__)
    assert one.wait(30) == -signal.SIGKILL
    assert ten.poll() is None
    processes.end_nodes((), lambda mark: mark.startswith(f"{uuid}/"))
    assert ten.wait(30) == -signal.SIGKILL


def test_who_writes_into_a_nodes_log_is_its_own(started: ExitStack, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        child = start(started, ["sleep", "1000"], stderr=log)
    processes.end_nodes((), lambda _: False, [tmp_path / "log"])
    assert child.wait(30) == -signal.SIGKILL


def test_descendants_end_though_they_hide(started: ExitStack) -> None:
    """One that left its session and emptied its environment still descends from the node's first process."""
    adopt = "from tasks.providers.local import kernel; kernel.adopt_orphans(); "
    hide = "import subprocess; print(os.getpid(), flush=True); "
    hide += "subprocess.run(['setsid', '-f', 'env', '-i', 'sh', '-c', 'echo $$; exec sleep 1000']); "
    wait = "import signal; signal.pause()"
    first = start(started, [sys.executable, "-c", TELL + adopt + hide + wait, ROOT], stdout=subprocess.PIPE)
    assert first.stdout is not None
    pids = [int(first.stdout.readline()) for _ in range(2)]
    assert pids[0] == first.pid
    processes.end_nodes([first.pid], lambda _: False)
    assert first.wait(30) == -signal.SIGKILL
    assert not Path(f"/proc/{pids[1]}").exists() or _is_zombie(pids[1])


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_ending_what_ended_is_fine(started: ExitStack) -> None:
    child = start(started, ["true"])
    child.wait(30)
    processes.end([child.pid])


def test_an_identity_is_one_life(started: ExitStack, tmp_path: Path) -> None:
    written = tmp_path / "pid"
    assert processes.living(written) is None
    code = TELL + "print(layout.identity(), flush=True); sys.stdin.read()"
    child = start(started, [sys.executable, "-c", code, ROOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    written.write_bytes(child.stdout.readline())
    assert processes.living(written) == child.pid
    child.communicate()
    assert processes.living(written) is None
    written.write_text(f"{os.getpid()} 1")  # Our number, another life.
    assert processes.living(written) is None
    written.write_text(layout.identity())
    assert processes.living(written) == os.getpid()


def test_listeners_are_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        assert address in processes.listening()
    assert address not in processes.listening()


def test_shared_memory_that_nobody_uses_is_deleted(started: ExitStack) -> None:
    ours, used, others = (Path(f"/dev/shm/{kind}_{uuid4().hex}") for kind in ("mpich_shm", "mpich_shm", "my"))
    for path in (ours, used, others):
        started.callback(path.unlink, missing_ok=True)
        path.write_bytes(bytes(4096))
    hold = (
        "import mmap, sys; f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 0); "
        "print(1, flush=True); sys.stdin.read()"
    )
    child = start(started, [sys.executable, "-c", hold, str(used)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    # From our file on only: what others left there before is not ours to delete.
    processes.delete_shared_memory(ours.stat().st_ctime)
    assert (ours.exists(), used.exists(), others.exists()) == (False, True, True)
    child.communicate()
