"""Every way a job can end, on real nodes: how it is told, and that no rank is left anywhere."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from blocks.errors import CommandFailed, JobCancelled, NodeLost, NotFound, ProgramFailed, TimedOut
from blocks.job import Ending, JobState
from tasks import mpi
from tasks.runner import Launch, Runner, raise_for
from tests.worlds.live_cluster import LiveCluster, live_cluster

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


class Bench:
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


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with live_cluster(4, slots=2) as live, Runner(live.head, live.cluster) as runner:
        yield Bench(live, runner)


@pytest.fixture
def breakable() -> Iterator[Bench]:
    """A cluster of one test's own, to break."""
    with live_cluster(4, slots=2, name="breakable") as live, Runner(live.head, live.cluster) as runner:
        yield Bench(live, runner)


def node_of(rank: int) -> str:
    return f"node{rank // 2 + 1}"


# -- Ends of the program itself ---------------------------------------------------------------------------------------


def test_a_good_program_finishes(bench: Bench) -> None:
    """JOB-10: FINISHED, on all nodes."""
    ending, kept, _ = bench.run(
        WORLD + "print(rank, world.size, MPI.Get_processor_name(), *sys.argv)", command="ex.py 1"
    )
    assert ending.state is JobState.FINISHED
    assert ending.exit_code == 0
    assert sorted(kept.bytes["stdout"].decode().splitlines()) == [f"{r} 8 {node_of(r)} ex.py 1" for r in range(RANKS)]
    assert kept.bytes["stderr"] == b""
    raise_for(ending)


def test_a_program_sees_what_python_itself_would_show_it(bench: Bench) -> None:
    """JOB-02: its folder on the path, its name, its working folder; and a standard input that is at its end."""
    text = (
        "import sys, os, beside\nprint([sys.path[0], os.getcwd(), __name__, sys.argv, sys.stdin.read(), beside.NAME])"
    )
    launch = bench.launch("", command="sub/ex.py 'a b'")
    sub = bench.folder(launch) / "source" / "sub"
    sub.mkdir()
    (sub / "ex.py").write_text(text)
    (sub / "beside.py").write_text("NAME = __name__")
    bench.runner.submit(launch)
    ending, kept = bench.follow(launch)
    assert ending.state is JobState.FINISHED, ending
    wanted = [f"{launch.workdir}/sub", launch.workdir, "__main__", ["sub/ex.py", "a b"], "", "beside"]
    assert kept.bytes["stdout"].decode().splitlines() == [repr(wanted)] * RANKS


def test_raw_runs_any_program(bench: Bench) -> None:
    """JOB-02: raw mode."""
    ending, kept, _ = bench.run("", command="hostname", raw=True)
    assert ending.state is JobState.FINISHED
    assert sorted(kept.bytes["stdout"].decode().split()) == [node_of(rank) for rank in range(RANKS)]


def test_one_rank_that_exits_with_a_code_fails_the_job(bench: Bench) -> None:
    """JOB-10: FAILED, with node, rank and code, while all other ranks wait for that one."""
    ending, _, _ = bench.run(WORLD + "if rank == 3: sys.exit(7)\nworld.barrier()")
    assert (ending.state, ending.reason) == (JobState.FAILED, "rank 3 on node2 ended with code 7")
    assert (ending.node, ending.rank, ending.rank_code, ending.exit_code) == ("node2", 3, 7, 7)
    with pytest.raises(ProgramFailed, match="rank 3 on node2"):
        raise_for(ending)


def test_one_rank_that_raises_fails_the_job_with_its_last_lines(bench: Bench) -> None:
    """JOB-10: FAILED."""
    ending, kept, _ = bench.run(WORLD + "if rank == 5: raise ValueError('no such grid')\nworld.barrier()")
    assert (ending.state, ending.reason) == (JobState.FAILED, "rank 5 on node3 ended with code 1")
    assert "ValueError: no such grid" in ending.last_lines
    assert b"ValueError: no such grid" in kept.bytes["stderr"]


def test_one_rank_that_fails_before_mpi_starts_fails_the_job(bench: Bench) -> None:
    """JOB-10: the other ranks wait inside MPI_Init; they do not wait for ever."""
    ending, _, _ = bench.run("import os\nif os.environ['PMI_RANK'] == '6': raise ValueError('early')\n" + WORLD)
    assert (ending.state, ending.reason) == (JobState.FAILED, "rank 6 on node4 ended with code 1")
    assert "ValueError: early" in ending.last_lines


def test_a_rank_that_leaves_without_a_word_fails_the_job(bench: Bench) -> None:
    """JOB-10: no exception, no MPI_Abort: the other ranks wait for it and are ended by its guard."""
    ending, _, _ = bench.run(WORLD + "if rank == 4: os._exit(9)\nworld.barrier()")
    assert (ending.state, ending.reason) == (JobState.FAILED, "rank 4 on node3 ended with code 9")
    ending, _, _ = bench.run("", command="sh -c '[ $PMI_RANK != 1 ] && exec sleep 600; exit 3'", raw=True)
    assert (ending.state, ending.reason) == (JobState.FAILED, "rank 1 on node1 ended with code 3")


@pytest.mark.parametrize("name", ["KILL", "SEGV"])
def test_a_rank_that_is_killed_fails_the_job(bench: Bench, name: str) -> None:
    """JOB-10: FAILED, with node and signal."""
    text = WORLD + f"if rank == 2: os.kill(os.getpid(), signal.SIG{name})\ntime.sleep(600)"
    ending, _, _ = bench.run(text)
    number = signal.Signals[f"SIG{name}"].value
    assert (ending.state, ending.reason) == (JobState.FAILED, f"rank 2 on node2 was killed by signal {number} ({name})")
    assert (ending.node, ending.rank, ending.rank_code) == ("node2", 2, -number)
    assert not ending.node_lost


def test_a_program_that_does_not_exist_fails_the_job(bench: Bench) -> None:
    """JOB-10: FAILED."""
    ending, _, _ = bench.run("", command="nowhere.py")
    assert ending.state is JobState.FAILED
    assert "nowhere.py" in ending.last_lines
    ending, _, _ = bench.run("", command="./nowhere 1", raw=True)
    assert (ending.state, ending.rank_code) == (JobState.FAILED, 127)
    assert "./nowhere" in ending.last_lines


# -- Ends from outside ------------------------------------------------------------------------------------------------


def test_a_cancelled_job_leaves_nothing(bench: Bench) -> None:
    """JOB-10: CANCELLED. A second cancel changes nothing."""
    launch = bench.start(LASTING)
    ending = bench.runner.cancel(launch.job_id)
    assert marked(launch.job_id) == []
    assert ending is not None
    assert (ending.state, ending.reason) == (JobState.CANCELLED, "it was cancelled")
    assert bench.runner.cancel(launch.job_id) == ending
    assert bench.runner.status(launch.job_id).ending == ending
    with pytest.raises(JobCancelled):
        raise_for(ending)


def test_a_cancel_right_after_the_submit_is_not_lost(bench: Bench) -> None:
    """JOB-10: CANCELLED, however little of it had started."""
    for _ in range(5):
        launch = bench.launch(LASTING)
        bench.runner.submit(launch)
        with Runner(bench.live.head, bench.live.cluster) as other:
            ending = other.cancel(launch.job_id)
        assert ending is not None
        assert ending.state is JobState.CANCELLED
        assert marked(launch.job_id) == []


def test_ranks_and_their_children_that_ignore_term_are_ended_too(bench: Bench) -> None:
    """JOB-10: CANCELLED, after the grace."""
    launch = bench.start(STUBBORN)
    assert len(marked(launch.job_id, "sleep")) == RANKS
    ending = bench.runner.cancel(launch.job_id)
    assert marked(launch.job_id) == []
    assert ending is not None
    assert ending.state is JobState.CANCELLED


def test_the_time_limit_is_kept_by_the_head_itself(bench: Bench) -> None:
    """JOB-10: TIMEOUT, with no controller anywhere."""
    launch = bench.launch(STUBBORN, timeout_s=3, grace_s=1)
    with Runner(bench.live.head, bench.live.cluster) as other:
        other.submit(launch)
    wait_until((bench.folder(launch) / "ended.json").exists, "the end is kept")
    ending, _ = bench.follow(launch)
    assert (ending.state, ending.reason) == (JobState.TIMED_OUT, "the time limit of 3 s was over")
    with pytest.raises(TimedOut):
        raise_for(ending)


def test_what_was_never_started_is_unknown(bench: Bench) -> None:
    assert not bench.runner.status("never").is_launched
    assert bench.runner.cancel("never") is None
    with pytest.raises(NotFound):
        bench.runner.follow("never", Kept())


def test_a_killed_node_fails_the_job_with_its_name(breakable: Bench) -> None:
    """JOB-10: FAILED for a node's sake."""
    launch = breakable.start(LASTING)
    breakable.live.faults.kill(breakable.live.cluster, 3)
    ending, _ = breakable.follow(launch)
    assert (ending.state, ending.node, ending.node_lost) == (JobState.FAILED, "node3", True)
    assert ending.reason == "node3 was lost while the job ran"
    with pytest.raises(NodeLost, match="node3"):
        raise_for(ending)


def test_a_node_that_is_dead_before_the_start_fails_the_job_with_its_name(breakable: Bench) -> None:
    """JOB-10: FAILED for a node's sake."""
    breakable.live.faults.kill(breakable.live.cluster, 4)
    ending, _, _ = breakable.run(LASTING)
    assert (ending.state, ending.node, ending.node_lost) == (JobState.FAILED, "node4", True)


def test_a_cut_link_fails_the_job_and_the_far_ranks_end_when_it_is_back(breakable: Bench) -> None:
    """JOB-10: FAILED for a node's sake; nothing is told on the link, it is just silent."""
    if not breakable.live.faults.can_cut:
        pytest.skip("nodes have no links of their own here")
    launch = breakable.start(LASTING)
    breakable.live.faults.cut(breakable.live.cluster, 2)
    ending = breakable.runner.follow(launch.job_id, Kept())
    assert (ending.state, ending.node, ending.node_lost) == (JobState.FAILED, "node2", True)
    breakable.live.faults.mend(breakable.live.cluster, 2)
    wait_until(lambda: not marked(launch.job_id), "the ranks behind the link end", limit_s=120)


# -- Once and only once -----------------------------------------------------------------------------------------------


def starts(bench: Bench, launch: Launch) -> int:
    return (bench.folder(launch) / "source" / "starts").read_text().count("start\n")


COUNTED = "open('starts', 'a').write('start\\n')\n" + WORLD + "print('up', flush=True)\n"


def test_two_submits_at_once_start_one(bench: Bench) -> None:
    """JOB-10: two controllers, one job."""
    launch = bench.launch(COUNTED + "time.sleep(1)")
    gate = threading.Barrier(4)
    told: list[str] = []

    def submit() -> None:
        with Runner(bench.live.head, bench.live.cluster) as runner:
            runner.status(launch.job_id)
            gate.wait()
            told.append(runner.submit(launch).state)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == ["running"] * 4
    ending, _ = bench.follow(launch)
    assert ending.state is JobState.FINISHED
    assert starts(bench, launch) == RANKS
    assert bench.runner.submit(launch).ending == ending
    assert starts(bench, launch) == RANKS


CONTROLLER = """
import json, sys
from blocks.cluster import Cluster
from tasks.runner import Launch, Runner
from tasks.ssh import Login, Sessions
from tests.cluster.test_job_endings import Kept
told = json.load(sys.stdin)
cluster = Cluster.model_validate(told["cluster"])
with Sessions(Login(told["user"], told["key"])) as sessions, Runner(sessions.to(cluster.head), cluster) as runner:
    launch = Launch.model_validate(told["launch"])
    runner.submit(launch)
    print("submitted", flush=True)
    runner.follow(launch.job_id, Kept())
"""


def test_a_new_controller_attaches_to_a_killed_ones_job(bench: Bench) -> None:
    """JOB-10: the same mpiexec goes on; the output is complete."""
    launch = bench.launch(COUNTED + "time.sleep(4)\nworld.barrier()\nprint('over', flush=True)")
    told = {
        "cluster": bench.live.cluster.model_dump(mode="json"),
        "user": bench.live.cluster.require_ground().user,
        "key": bench.live.key.private_key.get_secret_value(),
        "launch": launch.model_dump(),
    }
    import json

    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", CONTROLLER], stdin=pipe, stdout=pipe, text=True) as controller:
        assert controller.stdin is not None
        assert controller.stdout is not None
        controller.stdin.write(json.dumps(told))
        controller.stdin.close()
        assert controller.stdout.readline() == "submitted\n"
        wait_until(lambda: marked(launch.job_id, "mpiexec"), "mpiexec runs")
        before = marked(launch.job_id, "mpiexec")
        controller.kill()
    assert bench.runner.submit(launch).state == "running"
    assert marked(launch.job_id, "mpiexec") == before
    ending, kept = bench.follow(launch)
    assert ending.state is JobState.FINISHED
    assert kept.bytes["stdout"].count(b"up\n") == kept.bytes["stdout"].count(b"over\n") == RANKS
    assert starts(bench, launch) == RANKS


def test_a_job_whose_supervisor_was_killed_ends_and_is_not_started_again(bench: Bench) -> None:
    """JOB-10: FAILED, for nobody knows its end."""
    launch = bench.start(COUNTED + "time.sleep(600)")
    agent = bench.live.head.run(["cat", f"{bench.live.cluster.require_ground().shared}/jobs/{launch.job_id}/claim"])
    bench.live.head.run(["kill", "-KILL", agent.text])
    ending, _ = bench.follow(launch)
    assert ending.state is JobState.FAILED
    assert "its end is not known" in ending.reason
    assert bench.runner.submit(launch).ending == ending
    assert starts(bench, launch) == RANKS


def test_a_claim_that_never_came_to_a_start_may_start(bench: Bench) -> None:
    """JOB-10: whoever claimed it died before mpiexec."""
    launch = bench.launch(COUNTED)
    folder = bench.folder(launch)
    (folder / "claim").write_bytes(b"%-20d" % 2**22)
    (folder / "launch.json").write_text("{")
    assert not bench.runner.status(launch.job_id).is_launched
    bench.runner.submit(launch)
    assert bench.follow(launch)[0].state is JobState.FINISHED
    assert starts(bench, launch) == RANKS


# -- Output -----------------------------------------------------------------------------------------------------------


def test_output_is_whole_in_order_and_comes_while_the_job_runs(bench: Bench) -> None:
    """JOB-10: every line of every rank, none torn; in batches, not all at the end."""
    lines = 400
    text = WORLD + f"for i in range({lines}):\n    print(rank, i, 'x' * 60)\n    time.sleep(0.01)\n"
    ending, kept, launch = bench.run(text + "print(rank, 'err', file=sys.stderr)")
    assert ending.state is JobState.FINISHED
    said = kept.bytes["stdout"].decode().splitlines()
    for rank in range(RANKS):
        mine = [line for line in said if line.startswith(f"{rank} ")]
        assert mine == [f"{rank} {i} {'x' * 60}" for i in range(lines)]
    assert len(said) == RANKS * lines
    assert sorted(kept.bytes["stderr"].splitlines()) == [b"%d err" % rank for rank in range(RANKS)]
    assert len(kept.pieces) > 2
    assert all(piece.endswith(b"\n") for piece in kept.pieces)
    assert bench.runner.output(launch.job_id, "stdout", 10) == kept.bytes["stdout"][10:]


def test_following_goes_on_where_the_log_is(bench: Bench) -> None:
    ending, kept, launch = bench.run(WORLD + "print(rank)")
    again = Kept()
    again.bytes["stdout"] = kept.bytes["stdout"][:4]
    assert bench.runner.follow(launch.job_id, again) == ending
    assert again.bytes == kept.bytes


# -- A full disk ------------------------------------------------------------------------------------------------------

SMALL_DISK = """\
#!/bin/sh
[ -e {jobs}/.small ] && exec {python} "$@"
exec unshare --user --map-root-user --mount sh -c '
  mount -t tmpfs -o size=1m none {jobs} && : >{jobs}/.small && exec {python} "$@"' sh "$@"
"""


def test_a_full_disk_does_not_hide_the_end(bench: Bench) -> None:
    """JOB-10: FAILED; the end is told although nothing more can be written."""
    ground = bench.live.cluster.require_ground()
    if shutil.which("unshare") is None or bench.live.head.run(["unshare", "-r", "-m", "true"], check=False).code:
        pytest.skip("no disk can be made small here: user namespaces are not allowed on nodes")
    python = f"{ground.shared}/small-disk-python"
    text = SMALL_DISK.format(jobs=f"{ground.shared}/jobs", python=ground.python)
    bench.live.head.write(python, text.encode(), mode=0o700)
    small = bench.live.cluster.model_copy(update={"ground": ground.model_copy(update={"python": python})})
    (bench.live.shared / "fill.py").write_text(
        textwrap.dedent("""
            import sys
            try:
                with open(sys.argv[1], "wb", buffering=0) as file:
                    while file.write(bytes(4096)):
                        pass
            finally:
                print("x" * 100)
        """)
    )
    argv = mpi.program(f"fill.py {ground.shared}/jobs/full", raw=False)
    with Runner(bench.live.head, small) as runner:
        for job_id in ("full-1", "full-2"):
            launch = Launch(job_id=job_id, argv=argv, workdir=ground.shared, ranks=1, timeout_s=60)
            if job_id == "full-2":
                with pytest.raises(CommandFailed, match="No space left"):
                    runner.submit(launch)
                assert not runner.status(job_id).is_launched
                continue
            runner.submit(launch)
            ending = runner.follow(job_id, Kept())
            assert ending.state is JobState.FAILED
            assert "the shared folder is full" in ending.reason
