"""A job is started once and only once, whoever asks, and whoever dies on the way."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from blocks.job import JobState
from tasks.runner import Launch, Runner
from tests.worlds.live_cluster import live_cluster
from tests.worlds.live_jobs import RANKS, WORLD, LiveJobs, marked, wait_until


@pytest.fixture(scope="module")
def jobs() -> Iterator[LiveJobs]:
    with live_cluster(4, slots=2) as live, Runner(live.head, live.cluster) as runner:
        yield LiveJobs(live, runner)


def starts(jobs: LiveJobs, launch: Launch) -> int:
    return (jobs.folder(launch) / "source" / "starts").read_text().count("start\n")


COUNTED = "open('starts', 'a').write('start\\n')\n" + WORLD + "print('up', flush=True)\n"


def test_two_submits_at_once_start_one(jobs: LiveJobs) -> None:
    """JOB-10: two controllers, one job."""
    launch = jobs.launch(COUNTED + "time.sleep(1)")
    gate = threading.Barrier(4)
    told: list[str] = []

    def submit() -> None:
        with Runner(jobs.live.head, jobs.live.cluster) as runner:
            runner.status(launch.job_id)
            gate.wait()
            told.append(runner.submit(launch).state)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == ["running"] * 4
    ending, _ = jobs.follow(launch)
    assert ending.state is JobState.FINISHED
    assert starts(jobs, launch) == RANKS
    assert jobs.runner.submit(launch).ending == ending
    assert starts(jobs, launch) == RANKS


CONTROLLER = """
import json, sys
from blocks.cluster import Cluster
from tasks.runner import Launch, Runner
from tasks.ssh import Login, Sessions
from tests.worlds.live_jobs import Kept
told = json.load(sys.stdin)
cluster = Cluster.model_validate(told["cluster"])
with Sessions(Login(told["user"], told["key"])) as sessions, Runner(sessions.to(cluster.head), cluster) as runner:
    launch = Launch.model_validate(told["launch"])
    runner.submit(launch)
    print("submitted", flush=True)
    runner.follow(launch.job_id, Kept())
"""


def test_a_new_controller_attaches_to_a_killed_ones_job(jobs: LiveJobs) -> None:
    """JOB-10: the same mpiexec goes on; the output is complete."""
    launch = jobs.launch(COUNTED + "time.sleep(4)\nworld.barrier()\nprint('over', flush=True)")
    told = {
        "cluster": jobs.live.cluster.model_dump(mode="json"),
        "user": jobs.live.cluster.require_ground().user,
        "key": jobs.live.key.private_key.get_secret_value(),
        "launch": launch.model_dump(),
    }
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", CONTROLLER], stdin=pipe, stdout=pipe, text=True) as controller:
        assert controller.stdin is not None
        assert controller.stdout is not None
        controller.stdin.write(json.dumps(told))
        controller.stdin.close()
        assert controller.stdout.readline() == "submitted\n"
        said = jobs.folder(launch) / "stdout.log"
        wait_until(lambda: said.exists() and said.read_bytes().count(b"up\n") == RANKS, "all ranks up")
        before = marked(launch.job_id, "mpiexec")
        controller.kill()
    assert jobs.runner.submit(launch).state == "running"
    assert marked(launch.job_id, "mpiexec") == before
    ending, kept = jobs.follow(launch)
    assert ending.state is JobState.FINISHED
    assert kept.bytes["stdout"].count(b"up\n") == kept.bytes["stdout"].count(b"over\n") == RANKS
    assert starts(jobs, launch) == RANKS


def test_a_job_whose_supervisor_was_killed_ends_and_is_not_started_again(jobs: LiveJobs) -> None:
    """JOB-10: FAILED, for nobody knows its end."""
    launch = jobs.start(COUNTED + "time.sleep(600)")
    agent = jobs.live.head.run(["cat", f"{jobs.live.cluster.require_ground().shared}/jobs/{launch.job_id}/claim"])
    jobs.live.head.run(["kill", "-KILL", agent.text])
    ending, _ = jobs.follow(launch)
    assert ending.state is JobState.FAILED
    assert "its end is not known" in ending.reason
    assert jobs.runner.submit(launch).ending == ending
    assert starts(jobs, launch) == RANKS


def test_a_claim_that_never_came_to_a_start_may_start(jobs: LiveJobs) -> None:
    """JOB-10: whoever claimed it died before mpiexec."""
    launch = jobs.launch(COUNTED)
    folder = jobs.folder(launch)
    (folder / "claim").write_bytes(b"%-20d" % 2**22)
    (folder / "launch.json").write_text("{")
    assert not jobs.runner.status(launch.job_id).is_launched
    jobs.runner.submit(launch)
    assert jobs.follow(launch)[0].state is JobState.FINISHED
    assert starts(jobs, launch) == RANKS
