"""run-job through a real Prefect server and worker, on real nodes, with a program from a real git server."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from pydantic import SecretStr

from blocks.cluster import Cluster
from blocks.git_credentials import GitCredentials
from blocks.job import JobRecord, JobState
from flows.cluster_life import delete_cluster
from flows.local_clusters import create_local_cluster
from tasks import records
from tasks.home import home
from tests.worlds import flow_runs
from tests.worlds.flow_runs import block, require_completed, wait_until
from tests.worlds.git_server import GitServer
from tests.worlds.prefect_server import PrefectServer
from tests.worlds.programs import FILES
from tests.worlds.secrecy import files_showing, processes_watched

RUN_JOB = "run-job/on-demand"
TOKEN = "gwt-4f1d8c2b7a9e"
CLUSTER = block("cluster", "jobs")


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with GitServer(tmp_path_factory.mktemp("git")) as server:
        yield server


@pytest.fixture(scope="module")
def commit(git: GitServer) -> str:
    """The commit of the public repository; the same files are in the private one."""
    git.repository("ada/secret", login=("ada", TOKEN)).commit(FILES)
    return git.repository("ada/open").commit(FILES)


@pytest.fixture(scope="module")
def cluster(house: PrefectServer) -> Iterator[Cluster]:
    create_local_cluster(name="jobs", node_count=2, slots_per_node=2)
    made = records.read("jobs")
    yield made
    delete_cluster(cluster=made)


def record_of(run: UUID, name: str) -> JobRecord:
    return JobRecord.model_validate_json((folder_of(run, name) / "job.json").read_text())


def folder_of(run: UUID, name: str) -> Path:
    return home() / "jobs" / f"{name}-{str(run)[:8]}"


def attempt_folder(run: UUID, name: str, number: int = 1) -> Path:
    return folder_of(run, name) / f"attempt-{number}"


def ranks_of(job: str) -> list[str]:
    """Every process on any node that was started for a job: nodes' processes are seen from here too."""
    mark = f"GROUNDWORK_JOB={job}/attempt-".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if any(field.startswith(mark) for field in (folder / "environ").read_bytes().split(b"\0")):
                    found.append(folder.name)
            except OSError:
                continue
    return found


def failed_with(run: FlowRun, *words: str) -> None:
    assert run.state is not None
    assert run.state.is_failed(), run.state
    message = str(run.state.message)
    assert "Traceback" not in message
    for word in words:
        assert word in message


def test_a_private_program_by_the_command_line_leaves_its_token_nowhere(
    house: PrefectServer, cluster: Cluster, git: GitServer, commit: str
) -> None:
    """OPS-08, JOB-01, JOB-02, JOB-03, JOB-04, JOB-06, JOB-22."""
    GitCredentials(username="ada", token=SecretStr(TOKEN)).save("ada", overwrite=True)
    with processes_watched(TOKEN) as holders:
        house.run_cli(
            "run-job",
            *("-p", "name=private"),
            *("-p", f"source={git.url('ada/secret')}"),
            *("-p", "command=hello.py 1 'a b'"),
            *("-p", f"cluster={json.dumps(CLUSTER)}"),
            *("-p", f"credentials={json.dumps(block('git-credentials', 'ada'))}"),
            *("-p", 'environment={"WISH": "x = y; $(touch nothing)"}'),
        )
    assert holders == set()
    run = flow_runs.latest("run-private")
    job = record_of(run.id, "private")
    assert (job.state, job.seed_state, job.attempt.ranks, job.attempt.nodes) == (JobState.FINISHED, "FINISHED", 4, 2)
    assert re.fullmatch("[0-9a-f]{40}", job.commit)
    assert job.node_hashes == {"node1": job.tree_hash, "node2": job.tree_hash}
    lines = (attempt_folder(run.id, "private") / "stdout.log").read_text().splitlines()
    assert sorted(lines) == [f"rank {rank} of 4 says ['1', 'a b']" for rank in range(4)]
    assert (attempt_folder(run.id, "private") / "output" / "answer.txt").read_text() == "4 x = y; $(touch nothing)"
    assert "rank 3 of 4" in flow_runs.log(run.id)
    shown = [artifact for artifact in flow_runs.artifacts(run.id) if artifact.key == f"job-{job.id}"]
    assert f"{attempt_folder(run.id, 'private').as_uri()}/stdout.log" in str(shown[0].data)
    require_token_nowhere(house, git)


def require_token_nowhere(house: PrefectServer, git: GitServer) -> None:
    """In no file of ours (database, logs, checkouts, jobs, clusters), in no answer of the API."""
    assert files_showing(TOKEN, home()) == []
    with get_client(sync_client=True) as client:
        shown = client.read_block_document_by_name("ada", "git-credentials", include_secrets=False)
        assert TOKEN not in str(shown.data)


def test_a_program_that_fails(house: PrefectServer, cluster: Cluster, git: GitServer, commit: str) -> None:
    """JOB-10: the run fails with rank, node and code; what the program left is kept; the log has its last words."""
    job = {"source": git.url("ada/open"), "command": "fails.py", "cluster": CLUSTER}
    run = flow_runs.run(RUN_JOB, name="fails", **job)
    failed_with(run, "ProgramFailed", "rank 1", "node1", "code 7")
    kept = record_of(run.id, "fails")
    assert (kept.seed_state, kept.commit) == ("FAILED", commit)
    assert kept.ending is not None
    assert (kept.ending.rank, kept.ending.rank_code, kept.ending.node) == (1, 7, "node1")
    assert "the stove is cold" in kept.ending.last_lines
    assert (attempt_folder(run.id, "fails") / "output" / "partial.txt").read_text() == "half"
    assert ranks_of(kept.id) == []


def test_sources_that_cannot_be_had(house: PrefectServer, cluster: Cluster, git: GitServer, commit: str) -> None:
    """JOB-03: a wrong token, a reference or repository that is not there: the run says which, and nothing ran."""
    GitCredentials(username="ada", token=SecretStr("wrong")).save("stranger", overwrite=True)
    wishes = {
        "token": {"source": git.url("ada/secret"), "credentials": block("git-credentials", "stranger")},
        "reference": {"source": git.url("ada/open"), "reference": "no-such-branch"},
        "repository": {"source": git.url("ada/nothing")},
    }
    runs = {
        what: flow_runs.start(RUN_JOB, name=f"no-{what}", command="hello.py", cluster=CLUSTER, **wish)
        for what, wish in wishes.items()
    }
    for what, run in runs.items():
        failed_with(flow_runs.wait_for_end(run), "SourceRefused")
        assert record_of(run, f"no-{what}").attempts == []
    assert "no-such-branch" in str(flow_runs.read(runs["reference"]).state)


BAD = [
    ("name", {"name": "../up"}),
    ("nodes", {"nodes": 10_000}),
    ("nodes", {"nodes": -1}),
    ("command", {"command": "a\0b"}),
    ("environment", {"environment": {"A=B": "x"}}),
    ("environment", {"environment": {"A\0B": "x"}}),
    ("environment", {"environment": {"A": "x\0y"}}),
    ("timeout", {"timeout": "60"}),
    ("reference", {"reference": "--upload-pack=x"}),
    ("folder", {"folder": "../.."}),
    ("source", {"source": "https://ada:token@example.org/o/r"}),
    ("ranks", {"ranks": "many"}),
]


@pytest.mark.parametrize(("field", "wrong"), BAD)
def test_bad_input_is_refused_when_it_is_submitted(house: PrefectServer, field: str, wrong: dict[str, object]) -> None:
    """PRJ-20, SEC-08, JOB-01: by the API's own validation, with the field named; no run is made."""
    good = {"name": "bad", "source": "https://example.org/o/r", "command": "ex.py", "nodes": 1}
    status, answer = house.submit(RUN_JOB, {**good, **wrong})
    assert status in (409, 422), answer
    assert field in answer
    assert "Traceback" not in answer


def test_bad_clusters_are_refused_when_they_are_submitted(house: PrefectServer) -> None:
    """PRJ-20: a count of 0, of 10 000, a name that is a path."""
    for field, wrong in (("node_count", 0), ("node_count", 10_000), ("name", "../up"), ("slots_per_node", -1)):
        status, answer = house.submit("create-local-cluster/on-demand", {"name": "bad", field: wrong})
        assert status in (409, 422), answer
        assert field in answer
    assert records.find("bad") is None


def test_what_only_the_run_can_refuse(house: PrefectServer, cluster: Cluster, git: GitServer) -> None:
    """JOB-02, SEC-08: refused before anything is made, with the field named."""
    source = git.url("ada/open")
    wishes = {
        "cluster": {"command": "ex.py", "cluster": block("cluster", "nobody")},
        "command": {"command": "python ex.py", "cluster": CLUSTER},
        "inside": {"command": "../../bin/ex.py", "cluster": CLUSTER},
        "neither": {"command": "ex.py"},
        "ranks": {"command": "ex.py", "cluster": CLUSTER, "ranks": 5},
    }
    runs = {what: flow_runs.start(RUN_JOB, name="refused", source=source, **wish) for what, wish in wishes.items()}
    ended = {what: flow_runs.wait_for_end(run) for what, run in runs.items()}
    failed_with(ended["cluster"], "cluster: there is no such block")
    failed_with(ended["command"], "command:", "Type: ex.py")
    failed_with(ended["inside"], "command:", "outside the source")
    failed_with(ended["neither"], "cluster: give either")
    failed_with(ended["ranks"], "ranks: 5 is more than the 4 slots")
    assert not [run for run in runs.values() if folder_exists(run, "refused")]


def folder_exists(run: UUID, name: str) -> bool:
    return (home() / "jobs" / f"{name}-{str(run)[:8]}").exists()


def start_lasting(git: GitServer, name: str, folder: Path) -> UUID:
    """Start a job that lasts until it is told to finish, and wait until all its ranks are at work."""
    run = flow_runs.start(
        RUN_JOB, name=name, source=git.url("ada/open/tree/main/deep"), command=f"lasts.py {folder}", cluster=CLUSTER
    )
    log = home() / "jobs" / f"{name}-{str(run)[:8]}" / "attempt-1" / "stdout.log"
    wait_until(lambda: log.exists() and log.read_text().count("at work") == 4, what="four ranks at work")
    return run


def test_a_killed_run_follows_the_same_program_when_it_is_retried(
    house: PrefectServer, cluster: Cluster, git: GitServer, commit: str, tmp_path: Path
) -> None:
    """JOB-10, OPS-09: kill -9 of the flow's process; the program does not notice, and was started once."""
    run = start_lasting(git, "lasting", tmp_path)
    ranks = ranks_of(f"lasting-{str(run)[:8]}")
    flow_runs.kill_process_of(run)
    flow_runs.wait_for_crash(run)
    assert ranks_of(f"lasting-{str(run)[:8]}") == ranks
    house.cli("flow-run", "retry", str(run))
    wait_until(lambda: "following it" in flow_runs.log(run), what="the retry at the same program")
    (tmp_path / "finish").touch()
    require_completed(flow_runs.wait_for_end(run))
    assert len((tmp_path / "starts").read_text().splitlines()) == 1
    lines = (attempt_folder(run, "lasting") / "stdout.log").read_text().splitlines()
    assert sorted(lines) == sorted(f"rank {rank} is {what}" for rank in range(4) for what in ("at work", "done"))
    assert record_of(run, "lasting").state is JobState.FINISHED


def test_a_cancelled_run_leaves_no_rank(
    house: PrefectServer, cluster: Cluster, git: GitServer, commit: str, tmp_path: Path
) -> None:
    """JOB-10: cancelled from outside; the record says so."""
    run = start_lasting(git, "cancelled", tmp_path)
    assert ranks_of(f"cancelled-{str(run)[:8]}")
    flow_runs.cancel(run)
    ended = flow_runs.wait_for_end(run)
    assert ended.state is not None
    assert ended.state.is_cancelled()
    wait_until(lambda: not ranks_of(f"cancelled-{str(run)[:8]}"), what="no rank left", limit_s=60)
    kept = wait_until(lambda: (seen := record_of(run, "cancelled")).ending and seen, what="the record's end")
    assert (kept.state, kept.seed_state) == (JobState.CANCELLED, "CANCELLED")


def test_a_timeout_ends_the_run(
    house: PrefectServer, cluster: Cluster, git: GitServer, commit: str, tmp_path: Path
) -> None:
    """JOB-10: TIMEOUT, with the limit."""
    wish = {"source": git.url("ada/open"), "folder": "deep", "command": f"lasts.py {tmp_path}", "cluster": CLUSTER}
    began = time.monotonic()
    run = flow_runs.run(RUN_JOB, name="late", timeout="3s", **wish)
    failed_with(run, "TimedOut", "3 s")
    assert time.monotonic() - began < 59, "the program came to its own end"
    assert record_of(run.id, "late").seed_state == "TIMEOUT"
    assert ranks_of(record_of(run.id, "late").id) == []


def test_a_cluster_for_one_job_goes_with_it(house: PrefectServer, git: GitServer, commit: str) -> None:
    """CLU-01, JOB-10: made for the job, removed although the program failed, and no process of it is left."""
    before = {folder.name for folder in (home() / "clusters").iterdir()}
    run = flow_runs.run(RUN_JOB, name="alone", source=git.url("ada/open"), command="fails.py", nodes=2)
    failed_with(run, "rank 1", "code 7")
    kept = record_of(run.id, "alone")
    assert kept.own_cluster
    assert records.find(kept.cluster) is None
    assert {folder.name for folder in (home() / "clusters").iterdir()} == before
    assert (attempt_folder(run.id, "alone") / "output" / "partial.txt").exists()


def test_the_same_job_by_the_api_and_by_a_file_is_the_same_definition(
    house: PrefectServer, cluster: Cluster, git: GitServer, commit: str, tmp_path: Path
) -> None:
    """JOB-01, CLU-01: two doors, one normalised definition; the form is the third (test_pages)."""
    wish = {"name": "door", "source": git.url("ada/open"), "command": "hello.py", "cluster": CLUSTER}
    by_api = require_completed(flow_runs.run(RUN_JOB, **wish))
    house.run_cli("run-job", "--params", json.dumps(wish))
    by_cli = flow_runs.latest("run-door")
    assert by_cli.id != by_api.id
    assert record_of(by_cli.id, "door").spec == record_of(by_api.id, "door").spec
