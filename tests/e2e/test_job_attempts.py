"""Attempts and secrets of jobs, through a real Prefect server and worker, on real nodes."""

import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client

from blocks.cluster import Cluster
from blocks.job import Cause, JobRecord, JobState
from flows.cluster_life import delete_cluster
from flows.local_clusters import create_local_cluster
from tasks import records
from tasks.home import cluster_folder, home
from tests.worlds import flow_runs
from tests.worlds.flow_runs import block, require_completed, wait_until
from tests.worlds.git_server import GitServer
from tests.worlds.prefect_server import PrefectServer
from tests.worlds.programs import FILES
from tests.worlds.secrecy import files_showing

RUN_JOB = "run-job/on-demand"
CLUSTER = block("cluster", "attempts")
CANARY = "gws-51ce-canary"

# Fails until it was started as often as its argument says; leaves what it knows in its output folder.
THIRD_TIME = """
import os, sys
number = int(os.environ["GROUNDWORK_ATTEMPT"])
if os.environ["PMI_RANK"] == "0":
    with open(sys.argv[2] + "/starts", "a") as file:
        file.write("%d\\n" % number)
    with open(os.environ["GROUNDWORK_OUTPUT"] + "/number.txt", "w") as file:
        file.write("%d" % number)
    print("token", os.environ.get("TOKEN"), "in attempt", number, flush=True)
if number < int(sys.argv[1]):
    raise ValueError("not yet: %s" % os.environ.get("TOKEN"))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with GitServer(tmp_path_factory.mktemp("git")) as server:
        server.repository("ada/open").commit(FILES | {"third.py": THIRD_TIME})
        yield server.url("ada/open")


@pytest.fixture(scope="module")
def cluster(house: PrefectServer) -> Iterator[Cluster]:
    create_local_cluster(name="attempts", node_count=2, slots_per_node=2)
    made = records.read("attempts")
    yield made
    delete_cluster(cluster=made)


def folder_of(run: UUID, name: str) -> Path:
    return home() / "jobs" / f"{name}-{str(run)[:8]}"


def record_of(run: UUID, name: str) -> JobRecord:
    return JobRecord.model_validate_json((folder_of(run, name) / "job.json").read_text())


def test_a_program_that_fails_twice_is_tried_a_third_time(
    house: PrefectServer, cluster: Cluster, source: str, tmp_path: Path
) -> None:
    """JOB-13, JOB-20, JOB-22, SEC-02: each attempt's output and results are kept; its secret is shown nowhere."""
    Secret(value=CANARY).save("job-token", overwrite=True)
    wish = {
        "source": source,
        "command": f"third.py 3 {tmp_path}",
        "cluster": CLUSTER,
        "secrets": {"TOKEN": "job-token"},
    }
    run = require_completed(flow_runs.run(RUN_JOB, name="third", retries=4, retry_delay="1s", **wish))
    job = record_of(run.id, "third")
    assert [attempt.number for attempt in job.attempts] == [1, 2, 3]
    endings = [attempt.ending for attempt in job.attempts if attempt.ending]
    assert [ending.state for ending in endings] == [JobState.FAILED, JobState.FAILED, JobState.FINISHED]
    assert [ending.cause for ending in endings] == [Cause.PROGRAM, Cause.PROGRAM, None]
    assert "ValueError: not yet: ***" in endings[0].last_lines
    starts = [attempt.started_at for attempt in job.attempts if attempt.started_at]
    assert all((later - earlier).total_seconds() >= 1 for earlier, later in pairwise(starts))
    for number in (1, 2, 3):
        kept = folder_of(run.id, "third") / f"attempt-{number}"
        assert (kept / "output" / "number.txt").read_text() == str(number)
        assert (kept / "stdout.log").read_text() == f"token *** in attempt {number}\n"
    assert (tmp_path / "starts").read_text() == "1\n2\n3\n"
    log = wait_until(lambda: "in attempt 2" in (said := flow_runs.log(run.id)) and said, what="the run's log")
    assert "token *** in attempt 2" in log
    shown = str([artifact.data for artifact in flow_runs.artifacts(run.id)])
    assert "attempt 2" in shown
    assert CANARY not in log + shown + str(flow_runs.read(run.id).parameters)
    assert files_showing(CANARY, home()) == []


def test_a_program_that_always_fails_is_tried_as_often_as_was_said(
    house: PrefectServer, cluster: Cluster, source: str, tmp_path: Path
) -> None:
    """JOB-13: not more; and the run tells the last attempt's end."""
    run = flow_runs.run(
        RUN_JOB, name="always", source=source, command=f"third.py 99 {tmp_path}", cluster=CLUSTER,
        retries=1, retry_delay="0s",
    )  # fmt: skip
    assert run.state is not None
    assert run.state.is_failed()
    assert (tmp_path / "starts").read_text() == "1\n2\n"
    assert record_of(run.id, "always").seed_state == "FAILED"


def supervisor_of(job: JobRecord, cluster: Cluster) -> int:
    claim = cluster_folder(cluster.uuid) / "shared" / "jobs" / job.attempt_id / "claim"
    mark = f"GROUNDWORK_JOB={job.attempt_id}".encode()
    assert claim.read_bytes().strip().isdigit()
    # Its number on the head is another one here: it is the parent of the job's mpiexec.
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                is_mpiexec = (process / "comm").read_text() == "mpiexec.hydra\n" or b"mpiexec" in (
                    process / "cmdline"
                ).read_bytes().split(b"\0")[0]
                if is_mpiexec and mark in (process / "environ").read_bytes().split(b"\0"):
                    return int((process / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    raise LookupError(job.attempt_id)


def start_lasting(source: str, name: str, folder: Path, **asked: object) -> UUID:
    run = flow_runs.start(
        RUN_JOB, name=name, source=source, folder="deep", command=f"lasts.py {folder}", cluster=CLUSTER, **asked
    )
    at_work(run, name, 1)
    return run


def at_work(run: UUID, name: str, number: int) -> None:
    log = folder_of(run, name) / f"attempt-{number}" / "stdout.log"
    wait_until(lambda: log.exists() and log.read_text().count("at work") == 4, what="four ranks at work")


def test_what_is_not_the_program_s_fault_is_told_apart_and_tried_again(
    house: PrefectServer, cluster: Cluster, source: str, tmp_path: Path
) -> None:
    """JOB-14: the job's supervisor on the head is killed, as by a kernel short of memory; no rank of it lives on."""
    run = start_lasting(source, "lost", tmp_path, retries=1, retry_delay="0s", retry_on=["infrastructure"])
    os.kill(supervisor_of(record_of(run, "lost"), cluster), signal.SIGKILL)
    at_work(run, "lost", 2)
    first = record_of(run, "lost").attempts[0].ending
    assert first is not None
    assert first.cause is Cause.INFRASTRUCTURE
    (tmp_path / "finish").touch()
    require_completed(flow_runs.wait_for_end(run))
    assert len((tmp_path / "starts").read_text().splitlines()) == 2


def test_a_run_killed_between_two_attempts_goes_on_with_the_second(
    house: PrefectServer, cluster: Cluster, source: str, tmp_path: Path
) -> None:
    """JOB-13, JOB-16: the pause is not begun anew, and no attempt is made twice."""
    wish = {"source": source, "command": f"third.py 2 {tmp_path}", "cluster": CLUSTER}
    run = flow_runs.start(RUN_JOB, name="between", retries=1, retry_delay="30s", **wish)
    wait_until(lambda: "begins 30s after" in flow_runs.log(run), what="the pause between attempts")
    flow_runs.kill_process_of(run)
    flow_runs.wait_for_crash(run)
    house.cli("flow-run", "retry", str(run))
    require_completed(flow_runs.wait_for_end(run))
    assert (tmp_path / "starts").read_text() == "1\n2\n"
    job = record_of(run, "between")
    assert [attempt.number for attempt in job.attempts] == [1, 2]


def test_a_secret_that_is_not_there_is_refused_before_anything_is_made(
    house: PrefectServer, cluster: Cluster, source: str
) -> None:
    """JOB-22: with the field and the block."""
    run = flow_runs.run(
        RUN_JOB, name="nosecret", source=source, command="hello.py", cluster=CLUSTER, secrets={"TOKEN": "nobodys"}
    )
    assert run.state is not None
    assert run.state.is_failed()
    assert "secrets TOKEN: there is no Secret block nobodys" in str(run.state.message)
    assert not folder_of(run.id, "nosecret").exists()


def test_no_block_shows_a_secret(house: PrefectServer, cluster: Cluster) -> None:
    """SEC-02: asked for as anybody may ask."""
    Secret(value=CANARY).save("job-token", overwrite=True)
    with get_client(sync_client=True) as client:
        shown = client.read_block_document_by_name("job-token", "secret", include_secrets=False)
    assert CANARY not in str(shown.data)
