"""A job's launch: from the submit to the end of a program that only says where it runs."""

from collections.abc import Callable
from itertools import count

from blocks.job import JobState
from tasks import mpi
from tasks.bootstrap import Furniture, mpiexec
from tasks.runner import Launch, Runner
from tests.bench.report import Goal, Row
from tests.worlds.live_cluster import LiveCluster, live_cluster

OURS, WARM, COLD = "ours", "by hand, warm SSH", "by hand, cold SSH"
MOST = 1.10
PROGRAM = "import os\nprint(os.uname().nodename)\n"
CLEAN = ("env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8")


class NoLog:
    """Keeps nothing but the number of bytes."""

    def __init__(self) -> None:
        self.sizes = {"stdout": 0, "stderr": 0}

    def offset(self, stream: str) -> int:
        return self.sizes[stream]

    def take(self, stream: str, data: bytes) -> None:
        self.sizes[stream] += len(data)

    def flush(self) -> None:
        pass


def measure(nodes: int, rounds: int) -> Row:
    """Launch over this many nodes with one slot each: by us, and as typed into an open shell on the head."""
    row = Row("launch to end", nodes)
    with live_cluster(nodes, slots=1, name=f"bench-{nodes}") as live, Runner(live.head, live.cluster) as runner:
        (live.shared / "where.py").write_text(PROGRAM)
        ways = {OURS: _ours(live, runner), WARM: _by_hand(live, _warm(live)), COLD: _by_hand(live, _cold(live))}
        ways[OURS]()
        row.take_turns(rounds, ways)
    return row


def goals(row: Row) -> list[Goal]:
    return [Goal(f"launch on {row.nodes} nodes, {OURS} / {WARM}", row.median_s(OURS) / row.median_s(WARM), MOST)]


def _ours(live: LiveCluster, runner: Runner) -> Callable[[], None]:
    numbers = count(1)
    shared = live.cluster.require_ground().shared

    def launch() -> None:
        job_id = f"bench-{next(numbers)}"
        argv = mpi.program("where.py", raw=False)
        ranks = len(live.cluster.nodes)
        log = NoLog()
        runner.submit(Launch(job_id=job_id, argv=argv, workdir=shared, ranks=ranks, timeout_s=600))
        ending = runner.follow(job_id, log)
        assert ending.state is JobState.FINISHED, ending
        assert log.sizes["stdout"] >= ranks

    return launch


def _by_hand(live: LiveCluster, sshx: str) -> Callable[[], None]:
    ground = live.cluster.require_ground()
    start = mpiexec(live.cluster, len(live.cluster.nodes))
    start[start.index("-launcher-exec") + 1] = sshx
    words = [*CLEAN, *start, ground.python, "-m", "mpi4py", f"{ground.shared}/where.py"]

    def launch() -> None:
        finished = live.head.run(words, stdin=None, timeout_s=600)
        assert finished.stdout.count(b"\n") == len(live.cluster.nodes)

    return launch


def _warm(live: LiveCluster) -> str:
    return Furniture(live.cluster.require_ground().shared).sshx


def _cold(live: LiveCluster) -> str:
    """A launcher that logs in anew for every node, as SSH does where nobody has set it up otherwise."""
    place = Furniture(live.cluster.require_ground().shared)
    path = f"{place.base}/sshx-cold"
    text = f'#!/bin/sh\ncd {place.ssh} && exec ssh -F ssh_config -o ControlPath=none "$@"\n'
    live.head.write(path, text.encode(), mode=0o700)
    return path
