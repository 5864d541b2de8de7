"""Whoever dies while a job is on its way: after a retry it comes to its true end, started once (JOB-16)."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import ValidationError

from blocks.cluster import Cluster
from blocks.job import JobRecord, JobState
from flows.cluster_life import delete_cluster
from flows.local_clusters import create_local_cluster
from tasks import records
from tasks.home import home
from tests.worlds import flow_runs
from tests.worlds.flow_runs import block, require_completed, wait_until
from tests.worlds.git_server import GitServer
from tests.worlds.prefect_server import PrefectServer

# Notes its start; runs for some seconds; leaves so much that bringing it home takes a moment.
COUNTS = """
import os, sys, time
from mpi4py import MPI
comm, starts = MPI.COMM_WORLD, sys.argv[1]
if comm.rank == 0:
    with open(starts, "a") as file:
        file.write("start\\n")
    for number in range(300):
        with open(os.environ["GROUNDWORK_OUTPUT"] + "/part-%d" % number, "wb") as file:
            file.write(b"%03d" % number * 30_000)
comm.Barrier()
print("rank", comm.rank, "is at work", flush=True)
time.sleep(4)
comm.Barrier()
print("rank", comm.rank, "is done", flush=True)
"""

MOMENTS: dict[str, Callable[[JobRecord], bool]] = {
    "claim": lambda job: True,
    "checkout": lambda job: job.state is JobState.CHECKOUT,
    "start": lambda job: bool(job.attempts),
    "run": lambda job: bool(job.attempts) and "at work" in text_of(job),
    "upload": lambda job: job.state is JobState.COLLECTING,
}
"""What a job's record tells at the moment of death."""


def text_of(job: JobRecord) -> str:
    log = home() / "jobs" / job.attempt_id / "stdout.log"
    return log.read_text() if log.exists() else ""


def record_of(run: UUID, name: str) -> JobRecord | None:
    with suppress(FileNotFoundError, ValidationError):
        return JobRecord.model_validate_json((home() / "jobs" / f"{name}-{str(run)[:8]}" / "job.json").read_text())
    return None


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with GitServer(tmp_path_factory.mktemp("git")) as server:
        server.repository("ada/open").commit({"counts.py": COUNTS})
        yield server.url("ada/open")


@pytest.fixture(scope="module")
def cluster(house: PrefectServer) -> Iterator[Cluster]:
    create_local_cluster(name="kills", node_count=2, slots_per_node=2)
    made = records.read("kills")
    yield made
    delete_cluster(cluster=made)


def started(moment: str, source: str, folder: Path) -> UUID:
    command = f"counts.py {folder / moment}"
    return flow_runs.start(
        "run-job/on-demand", name=moment, source=source, command=command, cluster=block("cluster", "kills")
    )


def require_true_end(run: UUID, moment: str, folder: Path) -> None:
    """Finished, its output and results whole, its program started once."""
    require_completed(flow_runs.wait_for_end(run))
    job = record_of(run, moment)
    assert job is not None
    assert (job.state, len(job.attempts)) == (JobState.FINISHED, 1), job
    assert (folder / moment).read_text() == "start\n", moment
    assert sorted(text_of(job).splitlines()) == sorted(
        f"rank {rank} is {what}" for rank in range(4) for what in ("at work", "done")
    )
    output = home() / "jobs" / job.attempt_id / "output"
    assert {path.name: path.read_bytes() for path in output.iterdir()} == {
        f"part-{number}": b"%03d" % number * 30_000 for number in range(300)
    }


def test_a_flow_s_process_is_killed_at_each_step(
    house: PrefectServer, cluster: Cluster, source: str, tmp_path: Path
) -> None:
    """JOB-16, OPS-09: kill -9, at the claim, in checkout, at the start, while it runs, and while results come home."""
    runs: dict[str, UUID] = {}
    for moment, has_come in MOMENTS.items():
        run = runs[moment] = started(moment, source, tmp_path)

        def is_there(run: UUID = run, moment: str = moment, has_come: Callable[[JobRecord], bool] = has_come) -> bool:
            job = record_of(run, moment)
            return job is not None and has_come(job)

        wait_until(is_there, what=f"the moment of {moment}", pause_s=0.002)
        flow_runs.kill_process_of(run)
    for moment, run in runs.items():
        flow_runs.wait_for_crash(run)
        job = record_of(run, moment)
        assert job is not None
        assert job.ending is None, "it was over before it was killed"
        house.cli("flow-run", "retry", str(run))
    for moment, run in runs.items():
        require_true_end(run, moment, tmp_path)
