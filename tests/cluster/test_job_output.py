"""What ranks write: whole, in order, while they run, and told to the end even on a full disk."""

import hashlib
import shutil
import textwrap
from collections.abc import Iterator

import pytest

from blocks.errors import CommandFailed
from blocks.job import JobState
from tasks import mpi
from tasks.runner import Launch, Runner
from tests.worlds.live_cluster import live_cluster
from tests.worlds.live_jobs import RANKS, WORLD, Kept, LiveJobs


@pytest.fixture(scope="module")
def jobs() -> Iterator[LiveJobs]:
    with live_cluster(4, slots=2) as live, Runner(live.head, live.cluster) as runner:
        yield LiveJobs(live, runner)


def test_output_is_whole_in_order_and_comes_while_the_job_runs(jobs: LiveJobs) -> None:
    """JOB-10: every line of every rank, none torn; in batches, not all at the end."""
    lines = 400
    text = WORLD + f"for i in range({lines}):\n    print(rank, i, 'x' * 60)\n    time.sleep(0.01)\n"
    ending, kept, launch = jobs.run(text + "print(rank, 'err', file=sys.stderr)")
    assert ending.state is JobState.FINISHED
    said = kept.bytes["stdout"].decode().splitlines()
    for rank in range(RANKS):
        mine = [line for line in said if line.startswith(f"{rank} ")]
        assert mine == [f"{rank} {i} {'x' * 60}" for i in range(lines)]
    assert len(said) == RANKS * lines
    assert sorted(kept.bytes["stderr"].splitlines()) == [b"%d err" % rank for rank in range(RANKS)]
    assert len(kept.pieces) > 2
    assert all(piece.endswith(b"\n") for piece in kept.pieces)
    assert jobs.runner.output(launch.job_id, "stdout", 10) == kept.bytes["stdout"][10:]


MANY = 200_000_000
WRITES_MANY = """
import sys
block = b"".join(b"%07d %s\\n" % (number, b"x" * (number % 97)) for number in range(20_000))
left = int(sys.argv[1])
while left:
    left -= sys.stdout.buffer.write(block[:left])
"""


class Hashed:
    """Keeps of output what tells whether all of it came, in order."""

    def __init__(self) -> None:
        self.sizes = {"stdout": 0, "stderr": 0}
        self.hashes = {stream: hashlib.sha256() for stream in self.sizes}

    def offset(self, stream: str) -> int:
        return self.sizes[stream]

    def take(self, stream: str, data: bytes) -> None:
        self.sizes[stream] += len(data)
        self.hashes[stream].update(data)

    def flush(self) -> None:
        pass


def test_200_mb_of_output_arrive_byte_for_byte(jobs: LiveJobs) -> None:
    """JOB-18: compared with the same text made here."""
    launch = jobs.launch(WRITES_MANY, command=f"ex.py {MANY}", ranks=1)
    jobs.runner.submit(launch)
    log = Hashed()
    assert jobs.runner.follow(launch.job_id, log).state is JobState.FINISHED
    wanted, left = hashlib.sha256(), MANY
    block = b"".join(b"%07d %s\n" % (number, b"x" * (number % 97)) for number in range(20_000))
    while left:
        wanted.update(block[:left])
        left -= len(block[:left])
    assert log.sizes == {"stdout": MANY, "stderr": 0}
    assert log.hashes["stdout"].hexdigest() == wanted.hexdigest()


def test_following_goes_on_where_the_log_is(jobs: LiveJobs) -> None:
    ending, kept, launch = jobs.run(WORLD + "print(rank)")
    again = Kept()
    again.bytes["stdout"] = kept.bytes["stdout"][:4]
    assert jobs.runner.follow(launch.job_id, again) == ending
    assert again.bytes == kept.bytes


SMALL_DISK = """\
#!/bin/sh
[ -e {jobs}/.small ] && exec {python} "$@"
exec unshare --user --map-root-user --mount sh -c '
  mount -t tmpfs -o size=1m none {jobs} && : >{jobs}/.small && exec {python} "$@"' sh "$@"
"""


def test_a_full_disk_does_not_hide_the_end(jobs: LiveJobs) -> None:
    """JOB-10: FAILED; the end is told although nothing more can be written."""
    ground = jobs.live.cluster.require_ground()
    if shutil.which("unshare") is None or jobs.live.head.run(["unshare", "-r", "-m", "true"], check=False).code:
        pytest.skip("no disk can be made small here: user namespaces are not allowed on nodes")
    python = f"{ground.shared}/small-disk-python"
    text = SMALL_DISK.format(jobs=f"{ground.shared}/jobs", python=ground.python)
    jobs.live.head.write(python, text.encode(), mode=0o700)
    small = jobs.live.cluster.model_copy(update={"ground": ground.model_copy(update={"python": python})})
    (jobs.live.shared / "fill.py").write_text(
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
    with Runner(jobs.live.head, small) as runner:
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
