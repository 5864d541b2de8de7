"""The script that makes a node of any place ready for MPI, on a real node."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.errors import CommandFailed
from tasks.bootstrap import ON_NODE
from tasks.ssh import Finished, Session
from tests.worlds.local_hosts import LocalWorld, running_provider, working_tiers

SCRIPT = (ON_NODE / "prepare_node.sh").read_bytes()
BIN = Path(sys.executable).parent
SYSTEM = "/usr/local/bin:/usr/bin:/bin"


@pytest.fixture(scope="module")
def world() -> Iterator[LocalWorld]:
    """One node of the best kind that this machine has."""
    with running_provider(working_tiers()[0], 1) as world:
        yield world


@pytest.fixture
def node(world: LocalWorld) -> Iterator[Session]:
    with world.session(1) as session:
        yield session


@pytest.fixture
def place(world: LocalWorld, request: pytest.FixtureRequest) -> str:
    """A new folder that node and test both see."""
    folder = world.shared / request.node.name
    folder.mkdir()
    return f"{world.ground.shared}/{request.node.name}"


def prepare(node: Session, prefix: str, path: str, *arguments: str, check: bool = True) -> Finished:
    told = ["env", f"GROUNDWORK_PREFIX={prefix}", f"PATH={path}", "sh", "-s", "--", *arguments]
    return node.run(told, stdin=SCRIPT, check=check, timeout_s=120)


def said(finished: Finished) -> dict[str, str]:
    return dict(line.partition(": ")[::2] for line in finished.text.splitlines())


def test_a_node_is_made_ready_and_stays_so(node: Session, place: str) -> None:
    """CLU-19: what is there is found and used by a fixed path; a second run answers the same."""
    prefix = f"{place}/gw"
    first = said(prepare(node, prefix, f"{BIN}:{SYSTEM}"))
    assert first["ready"] == f"{prefix}/bin/mpiexec {prefix}/bin/python"
    assert first["python"].startswith(str(BIN))
    assert first["mpiexec"].startswith(str(BIN))
    assert re.search(r"OpenSSH", first["ssh"])
    rank = "from mpi4py import MPI; print(MPI.COMM_WORLD.allreduce(1))"
    ran = node.run([f"{prefix}/bin/mpiexec", "-n", "3", f"{prefix}/bin/python", "-c", rank])
    assert ran.text.split() == ["3"] * 3
    assert said(prepare(node, prefix, f"{prefix}/bin:{BIN}:{SYSTEM}")) == first
    assert sorted(node.run(["ls", "-A", f"{prefix}/bin"]).text.split()) == ["mpiexec", "python"]


def test_what_does_not_fit_is_passed_over(node: Session, place: str) -> None:
    """CLU-19: another MPI's mpiexec, an old Python, one without mpi4py come first in PATH of many systems."""
    make = (
        'mkdir -p "$1" && cd "$1" && printf "#!/bin/sh\\necho Open MPI 4.1\\n" >mpiexec && '
        'printf "#!/bin/sh\\nexit 1\\n" >python3 && chmod 755 mpiexec python3 && mkdir python3.13'
    )
    node.run(["sh", "-c", make, "sh", f"{place}/wrong"])
    found = said(prepare(node, f"{place}/gw", f"{place}/wrong:{BIN}:{SYSTEM}"))
    assert found["mpiexec"].startswith(str(BIN))
    assert found["python"].startswith(str(BIN))


def test_a_half_done_node_is_finished(node: Session, place: str) -> None:
    """CLU-19: a run that was killed between two steps; links of its own are no answer to where they lead."""
    prefix = f"{place}/gw"
    half = (
        'mkdir -p "$1/bin" "$1/mpi/bin" && printf "#!/bin/sh\\nexit 3\\n" | tee "$1/bin/mpiexec" >"$1/mpi/bin/python3"'
    )
    node.run(["sh", "-c", f"{half}; chmod -R 755 $1", "sh", prefix])
    found = said(prepare(node, prefix, f"{prefix}/bin:{BIN}:{SYSTEM}"))
    assert found["mpiexec"].startswith(str(BIN))


INSTALLERS = {
    "apt-get": "apt-get could not install python3 python3-venv: is there a way to its mirrors, and are we root?",
    "dnf": "dnf could not install python3.11: is there a way to its mirrors?",
}


@pytest.mark.parametrize("installer", INSTALLERS)
def test_what_cannot_be_installed_is_said(node: Session, place: str, installer: str) -> None:
    """CLU-19: in one line, the last one, with a code; and nothing says that the node is ready."""
    tools = "sh env tr ls grep head sed uname mkdir chmod mv cat ssh printf"
    make = (
        'mkdir -p "$1" && cd "$1" && for tool in $2; do ln -s "$(command -v $tool)" $tool; done; '
        'printf "#!/bin/sh\\necho no mirror >&2\\nexit 1\\n" >"$3" && chmod 755 "$3"'
    )
    node.run(["sh", "-c", make, "sh", f"{place}/bin", tools, installer])
    with pytest.raises(CommandFailed, match=re.escape(INSTALLERS[installer])):
        prepare(node, f"{place}/gw", f"{place}/bin")
    ended = prepare(node, f"{place}/gw", f"{place}/bin", check=False)
    assert (ended.code, "ready" in ended.text) == (1, False)
    assert ended.stderr.decode().splitlines()[-1] == f"not ready: {INSTALLERS[installer]}"


def test_ranks_that_do_not_meet_are_no_ready_node(node: Session, place: str) -> None:
    """CLU-19: an mpiexec and an mpi4py of two MPIs start, and each rank is alone."""
    make = 'mkdir -p "$1" && cd "$1" && printf "%s" "$2" >mpiexec && chmod 755 mpiexec'
    lonely = '#!/bin/sh\ncase $1 in --version) echo HYDRA ;; *) shift 2; "$@"; "$@" ;; esac\n'
    node.run(["sh", "-c", make, "sh", f"{place}/lonely", lonely])
    with pytest.raises(CommandFailed, match="did not find each other: 1 1"):
        prepare(node, f"{place}/gw", f"{place}/lonely:{SYSTEM}:{BIN}")


def test_a_prefix_that_cannot_be_written(node: Session) -> None:
    """CLU-19: whoever runs it without root is told so."""
    with pytest.raises(CommandFailed, match="cannot make /proc/gw/bin: are we root"):
        prepare(node, "/proc/gw", f"{BIN}:{SYSTEM}")


def test_the_wheels_are_those_that_we_are_tested_with() -> None:
    """CLU-19: images get the MPI that this repository's own tests run on."""
    lock = (Path(__file__).parents[2] / "requirements.lock").read_text()
    wheels = re.search(rb"GROUNDWORK_WHEELS:-([^}]*)", SCRIPT)
    assert wheels
    for wheel in wheels[1].decode().split():
        assert re.search(rf"^{re.escape(wheel)}\b", lock, re.MULTILINE), wheel
