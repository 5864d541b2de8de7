"""Every way a job can end, on real nodes: how it is told, and that no rank is left anywhere."""

import signal
from collections.abc import Iterator

import pytest

from blocks.errors import JobCancelled, NodeLost, NotFound, ProgramFailed, TimedOut
from blocks.job import JobState
from tasks.runner import Runner, raise_for
from tests.worlds.live_cluster import live_cluster
from tests.worlds.live_jobs import LASTING, RANKS, STUBBORN, WORLD, Kept, LiveJobs, marked, wait_until


@pytest.fixture(scope="module")
def jobs() -> Iterator[LiveJobs]:
    with live_cluster(4, slots=2) as live, Runner(live.head, live.cluster) as runner:
        yield LiveJobs(live, runner)


@pytest.fixture
def breakable() -> Iterator[LiveJobs]:
    """A cluster of one test's own, to break."""
    with live_cluster(4, slots=2, name="breakable") as live, Runner(live.head, live.cluster) as runner:
        yield LiveJobs(live, runner)


def node_of(rank: int) -> str:
    return f"node{rank // 2 + 1}"


# -- Ends of the program itself ---------------------------------------------------------------------------------------


def test_a_good_program_finishes(jobs: LiveJobs) -> None:
    """JOB-10: FINISHED, on all nodes."""
    ending, kept, _ = jobs.run(
        WORLD + "print(rank, world.size, MPI.Get_processor_name(), *sys.argv)", command="ex.py 1"
    )
    assert ending.state is JobState.FINISHED
    assert ending.exit_code == 0
    assert sorted(kept.bytes["stdout"].decode().splitlines()) == [f"{r} 8 {node_of(r)} ex.py 1" for r in range(RANKS)]
    assert kept.bytes["stderr"] == b""
    raise_for(ending)


def test_a_program_sees_what_python_itself_would_show_it(jobs: LiveJobs) -> None:
    """JOB-02: its folder on the path, its name, its working folder; and a standard input that is at its end."""
    text = (
        "import sys, os, beside\nprint([sys.path[0], os.getcwd(), __name__, sys.argv, sys.stdin.read(), beside.NAME])"
    )
    launch = jobs.launch("", command="sub/ex.py 'a b'")
    sub = jobs.folder(launch) / "source" / "sub"
    sub.mkdir()
    (sub / "ex.py").write_text(text)
    (sub / "beside.py").write_text("NAME = __name__")
    jobs.runner.submit(launch)
    ending, kept = jobs.follow(launch)
    assert ending.state is JobState.FINISHED, ending
    wanted = [f"{launch.workdir}/sub", launch.workdir, "__main__", ["sub/ex.py", "a b"], "", "beside"]
    assert kept.bytes["stdout"].decode().splitlines() == [repr(wanted)] * RANKS


def test_raw_runs_any_program(jobs: LiveJobs) -> None:
    """JOB-02: raw mode."""
    ending, kept, _ = jobs.run("", command="hostname", raw=True)
    assert ending.state is JobState.FINISHED
    assert sorted(kept.bytes["stdout"].decode().split()) == [node_of(rank) for rank in range(RANKS)]


def test_one_rank_that_exits_with_a_code_fails_the_job(jobs: LiveJobs) -> None:
    """JOB-10, JOB-12: FAILED, with node, rank and code, while all other ranks wait for that one."""
    ending, _, _ = jobs.run(WORLD + "if rank == 3: sys.exit(7)\nworld.barrier()")
    assert (ending.state, ending.reason) == (JobState.FAILED, "rank 3 on node2 ended with code 7")
    assert (ending.node, ending.rank, ending.rank_code, ending.exit_code) == ("node2", 3, 7, 7)
    with pytest.raises(ProgramFailed, match="rank 3 on node2"):
        raise_for(ending)


def test_one_rank_that_raises_fails_the_job_with_its_last_lines(jobs: LiveJobs) -> None:
    """JOB-10: FAILED."""
    ending, kept, _ = jobs.run(WORLD + "if rank == 5: raise ValueError('no such grid')\nworld.barrier()")
    assert (ending.state, ending.reason) == (JobState.FAILED, "rank 5 on node3 ended with code 1")
    assert "ValueError: no such grid" in ending.last_lines
    assert b"ValueError: no such grid" in kept.bytes["stderr"]


def test_one_rank_that_fails_before_mpi_starts_fails_the_job(jobs: LiveJobs) -> None:
    """JOB-10, JOB-12: the other ranks wait inside MPI_Init; they do not wait for ever."""
    ending, _, _ = jobs.run("import os\nif os.environ['PMI_RANK'] == '6': raise ValueError('early')\n" + WORLD)
    assert (ending.state, ending.reason) == (JobState.FAILED, "rank 6 on node4 ended with code 1")
    assert "ValueError: early" in ending.last_lines


def test_a_rank_that_leaves_without_a_word_fails_the_job(jobs: LiveJobs) -> None:
    """JOB-10: no exception, no MPI_Abort: the other ranks wait for it and are ended by its guard."""
    ending, _, _ = jobs.run(WORLD + "if rank == 4: os._exit(9)\nworld.barrier()")
    assert (ending.state, ending.reason) == (JobState.FAILED, "rank 4 on node3 ended with code 9")
    ending, _, _ = jobs.run("", command="sh -c '[ $PMI_RANK != 1 ] && exec sleep 600; exit 3'", raw=True)
    assert (ending.state, ending.reason) == (JobState.FAILED, "rank 1 on node1 ended with code 3")


@pytest.mark.parametrize("name", ["KILL", "SEGV"])
def test_a_rank_that_is_killed_fails_the_job(jobs: LiveJobs, name: str) -> None:
    """JOB-10: FAILED, with node and signal."""
    text = WORLD + f"if rank == 2: os.kill(os.getpid(), signal.SIG{name})\ntime.sleep(600)"
    ending, _, _ = jobs.run(text)
    number = signal.Signals[f"SIG{name}"].value
    assert (ending.state, ending.reason) == (JobState.FAILED, f"rank 2 on node2 was killed by signal {number} ({name})")
    assert (ending.node, ending.rank, ending.rank_code) == ("node2", 2, -number)
    assert not ending.node_lost


def test_a_program_that_does_not_exist_fails_the_job(jobs: LiveJobs) -> None:
    """JOB-10: FAILED."""
    ending, _, _ = jobs.run("", command="nowhere.py")
    assert ending.state is JobState.FAILED
    assert "nowhere.py" in ending.last_lines
    ending, _, _ = jobs.run("", command="./nowhere 1", raw=True)
    assert (ending.state, ending.rank_code) == (JobState.FAILED, 127)
    assert "./nowhere" in ending.last_lines


# -- Ends from outside ------------------------------------------------------------------------------------------------


def test_a_cancelled_job_leaves_nothing(jobs: LiveJobs) -> None:
    """JOB-10: CANCELLED. A second cancel changes nothing."""
    launch = jobs.start(LASTING)
    ending = jobs.runner.cancel(launch.job_id)
    assert marked(launch.job_id) == []
    assert ending is not None
    assert (ending.state, ending.reason) == (JobState.CANCELLED, "it was cancelled")
    assert jobs.runner.cancel(launch.job_id) == ending
    assert jobs.runner.status(launch.job_id).ending == ending
    with pytest.raises(JobCancelled):
        raise_for(ending)


def test_a_cancel_right_after_the_submit_is_not_lost(jobs: LiveJobs) -> None:
    """JOB-10: CANCELLED, however little of it had started."""
    for _ in range(5):
        launch = jobs.launch(LASTING)
        jobs.runner.submit(launch)
        with Runner(jobs.live.head, jobs.live.cluster) as other:
            ending = other.cancel(launch.job_id)
        assert ending is not None
        assert ending.state is JobState.CANCELLED
        assert marked(launch.job_id) == []


def test_ranks_and_their_children_that_ignore_term_are_ended_too(jobs: LiveJobs) -> None:
    """JOB-10: CANCELLED, after the grace."""
    launch = jobs.start(STUBBORN)
    assert len(marked(launch.job_id, "sleep")) == RANKS
    ending = jobs.runner.cancel(launch.job_id)
    assert marked(launch.job_id) == []
    assert ending is not None
    assert ending.state is JobState.CANCELLED


def test_the_time_limit_is_kept_by_the_head_itself(jobs: LiveJobs) -> None:
    """JOB-10: TIMEOUT, with no controller anywhere."""
    launch = jobs.launch(STUBBORN, timeout_s=3, grace_s=1)
    with Runner(jobs.live.head, jobs.live.cluster) as other:
        other.submit(launch)
    wait_until((jobs.folder(launch) / "ended.json").exists, "the end is kept")
    ending, _ = jobs.follow(launch)
    assert (ending.state, ending.reason) == (JobState.TIMED_OUT, "the time limit of 3 s was over")
    with pytest.raises(TimedOut):
        raise_for(ending)


def test_what_was_never_started_is_unknown(jobs: LiveJobs) -> None:
    assert not jobs.runner.status("never").is_launched
    assert jobs.runner.cancel("never") is None
    with pytest.raises(NotFound):
        jobs.runner.follow("never", Kept())


def test_a_killed_node_fails_the_job_with_its_name(breakable: LiveJobs) -> None:
    """JOB-10, JOB-12: FAILED for a node's sake."""
    launch = breakable.start(LASTING)
    breakable.live.faults.kill(breakable.live.cluster, 3)
    ending, _ = breakable.follow(launch)
    assert (ending.state, ending.node, ending.node_lost) == (JobState.FAILED, "node3", True)
    assert ending.reason == "node3 was lost while the job ran"
    with pytest.raises(NodeLost, match="node3"):
        raise_for(ending)


def test_a_node_that_is_dead_before_the_start_fails_the_job_with_its_name(breakable: LiveJobs) -> None:
    """JOB-10, JOB-12: FAILED for a node's sake."""
    breakable.live.faults.kill(breakable.live.cluster, 4)
    ending, _, _ = breakable.run(LASTING)
    assert (ending.state, ending.node, ending.node_lost) == (JobState.FAILED, "node4", True)


def test_a_cut_link_fails_the_job_and_the_far_ranks_end_when_it_is_back(breakable: LiveJobs) -> None:
    """JOB-10: FAILED for a node's sake; nothing is told on the link, it is just silent."""
    if not breakable.live.faults.can_cut:
        pytest.skip("nodes have no links of their own here")
    launch = breakable.start(LASTING)
    breakable.live.faults.cut(breakable.live.cluster, 2)
    ending = breakable.runner.follow(launch.job_id, Kept())
    assert (ending.state, ending.node, ending.node_lost) == (JobState.FAILED, "node2", True)
    breakable.live.faults.mend(breakable.live.cluster, 2)
    wait_until(lambda: not marked(launch.job_id), "the ranks behind the link end", limit_s=120)
