"""What a user types arrives in every rank byte for byte, and nothing of it is ever run by a shell."""

import json
import shlex
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.job import JobState
from tasks import mpi
from tasks.runner import Launch, Runner
from tests.worlds.live_cluster import live_cluster
from tests.worlds.live_jobs import Kept, LiveJobs

TELL = """
import json, os, sys
kept = {k: v for k, v in os.environ.items() if k.startswith(("V_", "GROUNDWORK_OUTPUT", "PYTHONPATH"))}
if len(sys.argv) > 1 and sys.argv[1] == "raw":
    del sys.argv[1]
path = "told-" + os.environ["PMI_RANK"]
with open(path, "w", encoding="utf-8") as file:
    json.dump({"words": sys.argv[1:], "variables": kept}, file)
"""

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
ODD = st.sampled_from(
    [
        *(
            "",
            " ",
            "\n",
            "\r\n",
            "\t",
            "a\nb=c\n",
            "=",
            "'",
            '"',
            "\\",
            "\\n",
            "*",
            "~",
            "%s",
            "-x",
            "--",
            "\x01\x7f",
            "a" * 4000,
        ),
        *("$(touch canary)", "`touch canary`", "; touch canary", "| touch canary", "é\N{GRINNING FACE}"),
    ]
)
VARIABLES = st.dictionaries(st.from_regex(r"V_[A-Za-z0-9_]{1,20}", fullmatch=True), TEXT | ODD, min_size=1, max_size=30)
BOUNDED = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@pytest.fixture(scope="module")
def jobs() -> Iterator[LiveJobs]:
    with live_cluster(2, slots=2, name="bytes") as live, Runner(live.head, live.cluster) as runner:
        yield LiveJobs(live, runner)


def told(jobs: LiveJobs, command: str, variables: dict[str, str], *, raw: bool = False) -> list[dict[str, object]]:
    """Run the telling program and return what each rank was told."""
    ranks = 4
    launch = jobs.launch(TELL, ranks=ranks, environment=variables, command=command, raw=raw)
    jobs.runner.submit(launch)
    kept = Kept()
    ending = jobs.runner.follow(launch.job_id, kept)
    assert ending.state is JobState.FINISHED, (ending, kept.bytes)
    folder = jobs.folder(launch) / "source"
    assert not list(jobs.live.shared.rglob("canary"))
    return [json.loads((folder / f"told-{rank}").read_text("utf-8")) for rank in range(ranks)]


@BOUNDED
@given(variables=VARIABLES, words=st.lists(TEXT | ODD, max_size=10))
def test_words_and_variables_arrive_byte_for_byte_in_every_rank(
    jobs: LiveJobs, variables: dict[str, str], words: list[str]
) -> None:
    """JOB-22, JOB-02, SEC-08: any text value, and any word."""
    command = shlex.join(["ex.py", *words])
    assert told(jobs, command, variables) == [{"words": words, "variables": variables}] * 4


@settings(BOUNDED, max_examples=8)
@given(variables=VARIABLES, words=st.lists(TEXT | ODD, max_size=10))
def test_raw_programs_get_the_same_bytes(jobs: LiveJobs, variables: dict[str, str], words: list[str]) -> None:
    """JOB-22, JOB-02, SEC-08: in raw mode too."""
    python = jobs.live.cluster.require_ground().python
    command = shlex.join([python, "ex.py", "raw", *words])
    assert told(jobs, command, variables, raw=True) == [{"words": words, "variables": variables}] * 4


def test_a_variable_of_ours_needs_no_second_start_and_arrives_too(jobs: LiveJobs) -> None:
    """JOB-22"""
    variables = {"GROUNDWORK_OUTPUT": "/shared/a b\n'c'=é"}
    assert told(jobs, "ex.py", variables) == [{"words": [], "variables": variables}] * 4


def test_variables_that_the_interpreter_reads_at_its_start_have_their_effect(jobs: LiveJobs) -> None:
    """JOB-22"""
    (jobs.live.shared / "modules").mkdir()
    (jobs.live.shared / "modules" / "only_by_pythonpath.py").write_text("")
    shared = jobs.live.cluster.require_ground().shared
    launch = jobs.launch("import only_by_pythonpath", environment={"PYTHONPATH": f"{shared}/modules"})
    jobs.runner.submit(launch)
    assert jobs.follow(launch)[0].state is JobState.FINISHED


def test_a_value_does_not_show_in_any_process_list(jobs: LiveJobs) -> None:
    """JOB-22: values may be secrets; they are in the program's environment only."""
    canary = "canary-5b1f"
    argv = mpi.program("sh -c 'cat /proc/[0-9]*/cmdline; true'", raw=True)
    variables = {"V_SECRET": canary}
    launch = Launch(job_id="job-ps", argv=argv, workdir="/", ranks=4, environment=variables, timeout_s=60)
    jobs.runner.submit(launch)
    ending, kept = jobs.follow(launch)
    assert ending.state is JobState.FINISHED
    assert b"mpiexec" in kept.bytes["stdout"]
    assert canary.encode() not in kept.bytes["stdout"]


def test_nothing_of_the_controllers_or_sshds_environment_reaches_the_launcher(jobs: LiveJobs) -> None:
    """JOB-22: mpiexec starts from a clean environment."""
    launch = jobs.launch("import os\nprint(*os.environ)\n", ranks=1)
    jobs.runner.submit(launch)
    _, kept = jobs.follow(launch)
    names = set(kept.bytes["stdout"].decode().split())
    assert "GROUNDWORK_JOB" in names
    assert not {name for name in names if name.startswith(("SSH_", "PREFECT_", "AWS_", "GROUNDWORK_HOME"))}
