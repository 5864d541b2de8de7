"""Output by rank, output with a limit, ranks on some nodes: on real nodes."""

from collections.abc import Iterator

import pytest

from blocks.job import JobSpec, JobState
from tasks.layout import layout_of
from tasks.runner import Runner
from tests.worlds.live_cluster import live_cluster
from tests.worlds.live_jobs import RANKS, WORLD, LiveJobs

LIMIT = 100_000


@pytest.fixture(scope="module")
def jobs() -> Iterator[LiveJobs]:
    with live_cluster(4, slots=2) as live, Runner(live.head, live.cluster) as runner:
        yield LiveJobs(live, runner)


def test_each_rank_s_output_is_kept_byte_for_byte_beside_the_whole(jobs: LiveJobs) -> None:
    """JOB-18: binary, without a last newline, on both streams."""
    text = WORLD + "os.write(1, bytes(range(256)) * 400 + b'%d' % rank)\nos.write(2, b'err %d' % rank)"
    ending, kept, launch = jobs.run(text, output_per_rank=True)
    assert ending.state is JobState.FINISHED, ending
    wanted = [bytes(range(256)) * 400 + b"%d" % rank for rank in range(RANKS)]
    assert jobs.copies(launch, "stdout") == wanted
    assert jobs.copies(launch, "stderr") == [b"err %d" % rank for rank in range(RANKS)]
    assert len(kept.bytes["stdout"]) == sum(map(len, wanted))


def test_a_rank_that_fails_or_is_killed_still_has_its_copy(jobs: LiveJobs) -> None:
    """JOB-18, JOB-26."""
    text = WORLD + "print('first', rank, flush=True)\nworld.barrier()\nif rank == 3: sys.exit(4)\ntime.sleep(600)"
    ending, _, launch = jobs.run(text, output_per_rank=True)
    assert (ending.rank, ending.rank_code) == (3, 4)
    assert jobs.copies(launch, "stdout") == [b"first %d\n" % rank for rank in range(RANKS)]


def test_what_is_over_the_limit_is_cut_and_a_mark_says_how_much(jobs: LiveJobs) -> None:
    """JOB-18: the program goes on as if nothing were; the other stream is whole."""
    text = WORLD + "for _ in range(100): print('x' * 4999)\nprint(rank, file=sys.stderr)"
    ending, kept, _ = jobs.run(text, output_limit_bytes=LIMIT)
    lost = RANKS * 100 * 5000 - LIMIT
    assert ending.state is JobState.FINISHED, ending
    assert ending.cut_bytes == lost
    whole, mark = kept.bytes["stdout"][:LIMIT], kept.bytes["stdout"][LIMIT:].decode()
    assert set(whole) == set(b"x\n")
    assert mark == f"\n[{lost} bytes of stdout were cut here: its limit is {LIMIT}]\n"
    assert sorted(kept.bytes["stderr"].split()) == [b"%d" % rank for rank in range(RANKS)]


def test_output_up_to_the_limit_has_no_mark(jobs: LiveJobs) -> None:
    ending, kept, _ = jobs.run(WORLD + "if rank == 0: print('x' * 99_999)", output_limit_bytes=LIMIT)
    assert (ending.cut_bytes, kept.bytes["stdout"]) == (0, b"x" * 99_999 + b"\n")


SHOWS = WORLD + "print(rank, MPI.Get_processor_name(), os.environ['OMP_NUM_THREADS'])"


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, [f"{rank} node{rank // 2 + 1} 1" for rank in range(8)]),
        ({"ranks_per_node": 1}, [f"{rank} node{rank + 1} 2" for rank in range(4)]),
        ({"only_on": [2, 4]}, ["0 node2 1", "1 node2 1", "2 node4 1", "3 node4 1"]),
        ({"only_on": [3, 4], "ranks_per_node": 1}, ["0 node3 2", "1 node4 2"]),
    ],
)
def test_ranks_stand_where_they_were_asked_for(jobs: LiveJobs, asked: dict[str, object], wanted: list[str]) -> None:
    """JOB-25: the head launches them, and need not have any."""
    spec = {"name": "x", "source": "https://example.org/o/r", "command": "ex.py"}
    layout = layout_of(JobSpec.model_validate(spec | asked), jobs.live.cluster.nodes)
    threads = {"OMP_NUM_THREADS": str(layout.threads)}
    ending, kept, _ = jobs.run(SHOWS, ranks=layout.ranks, layout=layout.model_dump(), environment=threads)
    assert ending.state is JobState.FINISHED, ending
    assert sorted(kept.bytes["stdout"].decode().splitlines()) == wanted


def test_the_failing_rank_s_own_traceback_is_shown(jobs: LiveJobs) -> None:
    """JOB-26: although all others say more, and later."""
    text = WORLD + (
        "if rank == 5: raise ValueError('no such grid')\n"
        "import atexit, threading\n"
        "for line in range(200): print('noise', file=sys.stderr, flush=True)\n"
        "world.barrier()"
    )
    ending, _, _ = jobs.run(text)
    assert ending.rank == 5
    assert ending.last_lines.splitlines()[-1] == "ValueError: no such grid"
    assert "noise" not in ending.last_lines
