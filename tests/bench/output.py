"""A job's output on its way home: from the cluster into the store, beside ``ssh head cat`` into a file."""

import subprocess
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

from blocks.job import JobState
from tasks import mpi
from tasks.bootstrap import Furniture
from tasks.runner import STREAMS, Launch, Runner
from tasks.stores.base import JobStore
from tasks.stores.folder import FolderStores
from tests.bench.report import Goal, Row
from tests.worlds.flow_runs import wait_until
from tests.worlds.live_cluster import LiveCluster, live_cluster

OURS, PLAIN = "ours", "ssh head cat > file"
LEAST_SHARE = 0.8
"""Of the OpenSSH client's throughput, what we must reach."""
SIZE = 200_000_000
LINE = b"%09d 0123456789abcdefghijklmnopqrstuvwxyz 0123456789abcdefghijklmnopqrstuvwxyz 0123456789\n"


class Kept:
    """Keeps output in a store, as a run's log does."""

    def __init__(self, store: JobStore) -> None:
        self.store = store

    def offset(self, stream: str) -> int:
        return self.store.size(f"{stream}.log")

    def take(self, stream: str, data: bytes) -> None:
        self.store.append(f"{stream}.log", data)

    def flush(self) -> None:
        self.store.flush()


def measure(rounds: int, size: int = SIZE) -> Row:
    """Bring so much output of a job that has ended home: by us, and by the OpenSSH client."""
    row = Row(f"{size // 1_000_000} MB of output", 1)
    with tempfile.TemporaryDirectory() as folder, live_cluster(1, slots=1, name="bench-output") as live:
        (live.shared / "big").write_bytes(b"".join(LINE % number for number in range(size // len(LINE % 0))))
        with Runner(live.head, live.cluster) as runner:
            ways = {OURS: _ours(live, runner, Path(folder)), PLAIN: _plain(live, Path(folder))}
            row.take_turns(rounds, ways)
    return row


def goals(row: Row) -> list[Goal]:
    return [Goal(f"{row.what}, {OURS} / {PLAIN}", row.median_s(OURS) / row.median_s(PLAIN), 1 / LEAST_SHARE)]


def _ours(live: LiveCluster, runner: Runner, folder: Path) -> Callable[[], None]:
    """Follow a job that has ended: all of its output is there, and nothing else takes time."""
    shared = live.cluster.require_ground().shared
    stores, job_id = FolderStores(folder / "jobs"), "bench-output"
    argv = mpi.program(f"cat {shared}/big", raw=True)
    runner.submit(Launch(job_id=job_id, argv=argv, workdir=shared, ranks=1, timeout_s=600))
    wait_until(lambda: runner.status(job_id).ending, what="the end of the program")
    numbers, size = count(1), (live.shared / "big").stat().st_size

    def bring() -> None:
        store = stores.of(f"{job_id}-{next(numbers)}")
        assert runner.follow(job_id, Kept(store)).state is JobState.FINISHED
        for stream in STREAMS:
            store.finish(f"{stream}.log")
        assert store.size("stdout.log") == size

    return bring


def _plain(live: LiveCluster, folder: Path) -> Callable[[], None]:
    head, ground = live.cluster.head, live.cluster.require_ground()
    key, known = folder / "key", folder / "known_hosts"
    key.touch(mode=0o600)
    key.write_text(live.key.private_key.get_secret_value())
    known.write_text(f"[{head.ssh_host}]:{head.ssh_port} {head.host_key}\n")
    options = ("BatchMode=yes", f"UserKnownHostsFile={known}", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes")
    words = ["ssh", "-F", "none", "-i", str(key), "-p", str(head.ssh_port), *(f"-o{option}" for option in options)]
    words += [f"{ground.user}@{head.ssh_host}", f"cat {Furniture(ground.shared).job('bench-output')}/stdout.log"]

    def bring() -> None:
        with (folder / "plain").open("wb") as file:
            subprocess.run(words, stdin=subprocess.DEVNULL, stdout=file, check=True)
        assert (folder / "plain").stat().st_size == (live.shared / "big").stat().st_size

    return bring
