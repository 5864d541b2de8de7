"""Secret variables on real nodes: each rank has them, and nothing written anywhere shows them (JOB-20, JOB-22)."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from blocks.job import JobState
from tasks.runner import Launch, Runner
from tests.worlds.live_cluster import live_cluster
from tests.worlds.live_jobs import RANKS, WORLD, LiveJobs
from tests.worlds.secrecy import files_showing, processes_watched

CANARY = "gws-7be1\n'\"$(x) \\ \u00fc-2f9a"
HALVES = "half = len(os.environ['TOKEN']) // 2\n"


@pytest.fixture(scope="module")
def jobs() -> Iterator[LiveJobs]:
    with live_cluster(4, slots=2) as live, Runner(live.head, live.cluster) as runner:
        yield LiveJobs(live, runner)


def files_on(jobs: LiveJobs) -> list[Path]:
    """The files on the cluster that show the canary."""
    return files_showing("gws-7be1", jobs.live.shared, among="stdout.log")


def secret(value: str = CANARY) -> dict[str, SecretStr]:
    return {"TOKEN": SecretStr(value)}


def test_a_secret_reaches_every_rank_and_is_in_no_file_and_no_command_line(jobs: LiveJobs) -> None:
    """JOB-20, JOB-22: while it runs too; the program prints its length and its hash, which are no secrets."""
    text = WORLD + "import hashlib\nprint(hashlib.sha256(os.environ['TOKEN'].encode()).hexdigest())\ntime.sleep(1)"
    with processes_watched("gws-7be1", places=["cmdline"]) as holders:
        launch = jobs.launch(text, secrets=secret())
        jobs.runner.submit(launch)
        ending, kept = jobs.follow(launch)
    assert ending.state is JobState.FINISHED, ending
    assert kept.bytes["stdout"].decode().split() == [hashlib.sha256(CANARY.encode()).hexdigest()] * RANKS
    assert holders == set(), "no command line; environments of the ranks are their own"
    assert files_on(jobs) == []


def test_a_program_that_prints_a_secret_shows_stars(jobs: LiveJobs) -> None:
    """JOB-20: on both streams, whole, and in two halves with a pause between them."""
    text = (
        WORLD
        + HALVES
        + (
            "token = os.environ['TOKEN']\n"
            "print('whole', token)\n"
            "for part in ('halves ', token[:half], token[half:], '\\n'):\n"
            "    sys.stdout.write(part); sys.stdout.flush(); time.sleep(0.2)\n"
            "os.write(2, ('raw ' + token[:3]).encode()); time.sleep(0.2); os.write(2, (token[3:] + '\\n').encode())\n"
        )
    )
    ending, kept, launch = jobs.run(text, secrets=secret(), output_per_rank=True)
    assert ending.state is JobState.FINISHED, ending
    assert jobs.copies(launch, "stdout") == [b"whole ***\nhalves ***\n"] * RANKS
    assert jobs.copies(launch, "stderr") == [b"raw ***\n"] * RANKS
    assert kept.bytes["stdout"].count(b"***") == 2 * RANKS
    assert files_on(jobs) == []


def test_a_secret_in_an_error_is_hidden_in_the_last_lines(jobs: LiveJobs) -> None:
    """JOB-20, JOB-26."""
    text = WORLD + "if rank == 5: raise ValueError('wrong: ' + os.environ['TOKEN'])\nworld.barrier()"
    ending, _, _ = jobs.run(text, secrets=secret("gws-7be1-plain"))
    assert (ending.state, ending.rank) == (JobState.FAILED, 5)
    assert "ValueError: wrong: ***" in ending.last_lines
    assert files_on(jobs) == []


def test_a_raw_program_has_secrets_too(jobs: LiveJobs) -> None:
    ending, kept, _ = jobs.run("", command="sh -c 'echo got $TOKEN'", raw=True, secrets=secret("gws-7be1-plain"))
    assert ending.state is JobState.FINISHED, ending
    assert kept.bytes["stdout"].splitlines() == [b"got ***"] * RANKS


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200))
def test_any_text_arrives_byte_for_byte(jobs: LiveJobs, value: str) -> None:
    """JOB-22: as a plain variable and as a secret one."""
    text = "import os\nfor name in (b'TOKEN', b'PLAIN'):\n"
    text += "    open(name.decode() + os.environ['PMI_RANK'], 'wb').write(os.environb[name])"
    ending, _, launch = jobs.run(text, ranks=2, secrets=secret(value), environment={"PLAIN": value})
    assert ending.state is JobState.FINISHED, ending
    source = jobs.folder(launch) / "source"
    arrived = {name: (source / name).read_bytes() for name in ("TOKEN0", "TOKEN1", "PLAIN0", "PLAIN1")}
    assert arrived == dict.fromkeys(arrived, value.encode())


def test_a_launch_does_not_show_its_secrets() -> None:
    launch = Launch(job_id="x", argv=["a"], workdir="/", ranks=1, timeout_s=1, secrets=secret())
    assert "gws-7be1" not in repr(launch) + str(launch) + launch.model_dump_json()
