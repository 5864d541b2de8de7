"""Jobs on every kind of local node: hosts of their own, addresses of one machine, and a server out of Python alone."""

from collections.abc import Iterator

import pytest

from blocks.errors import NoCapacity
from blocks.job import JobState
from blocks.local_machine import Hosts
from tasks.runner import Runner
from tests.worlds.live_cluster import live_cluster
from tests.worlds.live_jobs import LASTING, RANKS, WORLD, LiveJobs, marked


@pytest.fixture(scope="module", params=[Hosts.NAMESPACES, Hosts.LOOPBACK, Hosts.EMBEDDED])
def jobs(request: pytest.FixtureRequest) -> Iterator[LiveJobs]:
    try:
        with live_cluster(4, hosts=request.param, name="places") as live, Runner(live.head, live.cluster) as runner:
            yield LiveJobs(live, runner)
    except NoCapacity as refusal:
        pytest.skip(str(refusal))


def test_a_job_runs_on_all_nodes(jobs: LiveJobs) -> None:
    """JOB-02"""
    text = WORLD + "import os\nprint(rank, os.environ['PMI_HOSTNAME'])"
    ending, kept, _ = jobs.run(text)
    assert ending.state is JobState.FINISHED
    addresses = [node.address for node in jobs.live.cluster.nodes]
    wanted = {f"{rank} {addresses[rank // 2]}" for rank in range(RANKS)}
    assert set(kept.bytes["stdout"].decode().splitlines()) == wanted


def test_a_rank_that_fails_is_named(jobs: LiveJobs) -> None:
    """JOB-10: FAILED."""
    ending, _, _ = jobs.run(WORLD + "if rank == 3: sys.exit(7)\nworld.barrier()")
    assert ending.reason == f"rank 3 on {jobs.live.cluster.nodes[1].name} ended with code 7"


def test_a_cancelled_job_leaves_nothing(jobs: LiveJobs) -> None:
    """JOB-10: CANCELLED."""
    launch = jobs.start(LASTING)
    ending = jobs.runner.cancel(launch.job_id)
    assert ending is not None
    assert ending.state is JobState.CANCELLED
    assert marked(launch.job_id) == []


def test_a_killed_node_fails_the_job_with_its_name(jobs: LiveJobs) -> None:
    """JOB-10: FAILED for a node's sake. The last test on this cluster."""
    launch = jobs.start(LASTING)
    jobs.live.faults.kill(jobs.live.cluster, 3)
    ending, _ = jobs.follow(launch)
    assert (ending.state, ending.node, ending.node_lost) == (JobState.FAILED, "node3", True)
