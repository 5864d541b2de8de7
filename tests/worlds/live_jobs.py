"""Jobs on a cluster of real nodes, and what is left of them anywhere."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

from blocks.job import Ending
from tasks import mpi
from tasks.runner import Launch, Runner
from tests.worlds.live_cluster import LiveCluster

LIMIT_S = 60
RANKS = 8

WORLD = """
import os, signal, subprocess, sys, time
from mpi4py import MPI
world = MPI.COMM_WORLD
rank = world.rank
"""
LASTING = WORLD + "print('up', flush=True)\ntime.sleep(600)\n"
STUBBORN = (
    "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    + WORLD
    + "subprocess.Popen(['sleep', '600'])\nprint('up', flush=True)\ntime.sleep(600)\n"
)


class Kept:
    """Keeps output as a run's log does, and how it came."""

    def __init__(self) -> None:
        self.bytes = {"stdout": b"", "stderr": b""}
        self.pieces: list[bytes] = []

    def offset(self, stream: str) -> int:
        return len(self.bytes[stream])

    def take(self, stream: str, data: bytes) -> None:
        self.bytes[stream] += data
        self.pieces.append(data)

    def flush(self) -> None:
        pass


class LiveJobs:
    """A cluster with a runner, and short ways to run a program on it."""

    def __init__(self, live: LiveCluster, runner: Runner) -> None:
        self.live, self.runner = live, runner
        self._numbers = count(1)

    def launch(self, text: str, *, command: str = "ex.py", raw: bool = False, **more: object) -> Launch:
        job_id = f"job-{next(self._numbers)}-{os.getpid()}"
        source = self.live.shared / "jobs" / job_id / "source"
        source.mkdir(parents=True)
        (source / "ex.py").write_text(text)
        ground = self.live.cluster.require_ground()
        workdir = f"{ground.shared}/jobs/{job_id}/source"
        argv = mpi.program(command, raw=raw)
        return Launch.model_validate(
            {"job_id": job_id, "argv": argv, "workdir": workdir, "ranks": RANKS, "timeout_s": 300, "grace_s": 2} | more
        )

    def start(self, text: str, *, upto: int = RANKS, **more: object) -> Launch:
        """Start a program and wait until this many ranks said that they are up."""
        launch = self.launch(text, **more)
        assert self.runner.submit(launch).state == "running"
        said = self.folder(launch) / "stdout.log"
        wait_until(lambda: said.exists() and said.read_bytes().count(b"up\n") == upto, "all ranks up")
        return launch

    def run(self, text: str, **more: object) -> tuple[Ending, Kept, Launch]:
        launch = self.launch(text, **more)
        self.runner.submit(launch)
        return *self.follow(launch), launch

    def follow(self, launch: Launch) -> tuple[Ending, Kept]:
        kept = Kept()
        ending = self.runner.follow(launch.job_id, kept)
        assert marked(launch.job_id) == []
        return ending, kept

    def copies(self, launch: Launch, stream: str) -> list[bytes]:
        """What each rank wrote, by the copies that were asked for."""
        return [(self.folder(launch) / "ranks" / f"{rank}.{stream}.log").read_bytes() for rank in range(RANKS)]

    def folder(self, launch: Launch) -> Path:
        return self.live.shared / "jobs" / launch.job_id


def wait_until(look: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not look():
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:g} s"
        time.sleep(0.05)


def marked(job_id: str, name: str = "") -> list[int]:
    """Processes of a job on all nodes, as this machine sees them: namespaces hide nothing from outside."""
    mark = f"GROUNDWORK_JOB={job_id}".encode()
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            is_marked = process.name.isdigit() and mark in (process / "environ").read_bytes().split(b"\0")
            if is_marked and name in (process / "comm").read_text():
                found.append(int(process.name))
    return found
