"""`make up`, `make down` and what comes before them: safe to repeat, and one clear line when something is wrong."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.local_machine import Hosts, LocalMachine
from deployments.detached import Detached, Note, start_time
from deployments.settings import POOL, ROOT
from tests.worlds import flow_runs
from tests.worlds.flow_runs import wait_until
from tests.worlds.prefect_server import PrefectServer, free_port, living_in, new_house, new_house_with_database

LASTING = """
import time
from pathlib import Path
from prefect import flow

@flow
def lasting(folder: str):
    try:
        Path(folder, "begun").touch()
        time.sleep(600)
    finally:
        Path(folder, "undone").touch()
"""


def pid_of(process: Detached) -> int:
    note = process.find()
    assert note is not None, f"{process.name} does not run"
    return note.pid


def one_line(refused: subprocess.CompletedProcess[str]) -> str:
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert refused.stderr.count("\n") == 1, refused.stderr
    return refused.stderr


def test_a_second_up_finds_what_runs(house: PrefectServer) -> None:
    """OPS-01: the same processes; the stored port counts, not the default one."""
    before = (pid_of(house.server), pid_of(house.worker))
    again = house.command("up", GROUNDWORK_PORT="")
    assert (again.returncode, again.stderr) == (0, "")
    assert f"Groundwork is up: {house.house.url}\n" in again.stdout
    assert "Starting" not in again.stdout
    assert (pid_of(house.server), pid_of(house.worker)) == before


def test_another_port_for_an_open_house_is_refused(house: PrefectServer) -> None:
    assert f"open on port {house.port}" in one_line(house.command("up", GROUNDWORK_PORT=str(free_port())))


def test_a_busy_port_is_one_line() -> None:
    """OPS-01: who has the port, and what to set."""
    with new_house() as closed, socket.socket() as other:
        other.bind(("127.0.0.1", closed.port))
        other.listen()
        line = one_line(closed.command("up"))
        assert line.startswith(f"up: port {closed.port}: is taken by process {os.getpid()} (")
        assert "Set GROUNDWORK_PORT" in line
        assert closed.processes() == []


def test_wrong_settings_are_one_line() -> None:
    with new_house() as closed:
        elsewhere = {"PREFECT_API_URL": "http://prefect.example.org/api"}
        assert "PREFECT_API_URL: it names another server" in one_line(closed.command("up", **elsewhere))
        assert "GROUNDWORK_PORT: 'x' is no port" in one_line(closed.command("up", GROUNDWORK_PORT="x"))
        assert "PREFECT_API_URL: not set" in one_line(closed.command("register"))


def test_a_recycled_process_id_is_not_ours() -> None:
    """A note whose process ended and whose id somebody else has now: nothing is killed."""
    with new_house() as closed, subprocess.Popen(["sleep", "600"]) as other:
        folder = closed.house.folder
        folder.mkdir(parents=True)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        note = Note(pid=other.pid, started=(start_time(other.pid) or 0) - 1, boot=boot, about=str(closed.port))
        (folder / "prefect-server.json").write_text(note.model_dump_json())
        assert closed.command("down").stdout == "Groundwork was not up.\n"
        assert other.poll() is None
        other.kill()


@pytest.fixture(scope="module")
def own_house() -> Iterator[PrefectServer]:
    """A house to break."""
    with new_house_with_database() as server:
        server.up()
        yield server


def test_what_died_is_started_again_and_what_people_changed_stays(own_house: PrefectServer) -> None:
    """OPS-01: the Prefect worker is killed, the default account was changed, everything is registered again."""
    server, worker = pid_of(own_house.server), pid_of(own_house.worker)
    with living_in(own_house):
        LocalMachine(hosts=Hosts.EMBEDDED).save("this-machine", overwrite=True)
    (own_house.house.folder / "registered").unlink()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: own_house.worker.find() is None, what="the end of the Prefect worker")
    printed = own_house.up()
    assert "Starting the Prefect worker" in printed
    assert "Starting Prefect's server" not in printed
    assert pid_of(own_house.server) == server
    assert pid_of(own_house.worker) != worker
    with living_in(own_house):
        assert LocalMachine.load("this-machine").hosts is Hosts.EMBEDDED


def test_down_lets_runs_undo_and_leaves_nothing(own_house: PrefectServer, tmp_path: Path) -> None:
    """OPS-01: a run in its middle is cancelled and undoes; no process is left; a second down does nothing."""
    (tmp_path / "lasting_flow.py").write_text(textwrap.dedent(LASTING))
    own_house.cli("--no-prompt", "deploy", "lasting_flow.py:lasting", "--name", "x", "--pool", POOL, cwd=tmp_path)
    with living_in(own_house):
        run = flow_runs.start("lasting/x", folder=str(tmp_path))
        wait_until((tmp_path / "begun").exists, what=f"the begin of run {run}")
    assert own_house.processes() != []
    closed = own_house.command("down")
    assert (closed.returncode, closed.stderr) == (0, "")
    assert closed.stdout == "Cancelling 1 flow runs ...\nGroundwork is down; clusters stay as they are.\n"
    assert (tmp_path / "undone").exists()
    assert own_house.processes() == []
    assert own_house.command("down").stdout == "Groundwork was not up.\n"


TOOLS = ("sh", "dirname", "sha256sum", "cat", "sed", "grep", "git")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout without .venv, and beside it a `bin` with the few tools that venv.sh needs, but no Python."""
    (tmp_path / "main" / "deployments").mkdir(parents=True)
    shutil.copy(ROOT / "deployments" / "venv.sh", tmp_path / "main" / "deployments")
    shutil.copy(ROOT / "requirements.lock", tmp_path / "main")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def make_venv(bare: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(bare / "main" / "deployments" / "venv.sh")],
        env={"PATH": str(bare / "bin"), "HOME": str(bare), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def fake_python(bare: Path, name: str, *, version: str) -> Path:
    fake = bare / "bin" / name
    fake.write_text(f'#!/bin/sh\ncase "$2" in *sys.exit*) exit 1;; *platform*) echo {version};; esac\n')
    fake.chmod(0o755)
    return fake


def test_no_python_is_one_line(bare: Path) -> None:
    assert "Python: found none, 3.11 or newer is needed" in one_line(make_venv(bare))


def test_a_python_too_old_is_one_line(bare: Path) -> None:
    """OPS-01: also one that the user named."""
    fake_python(bare, "python3", version="3.9.2")
    assert "Python: found 3.9.2, 3.11 or newer is needed" in one_line(make_venv(bare))
    named = fake_python(bare, "mine", version="3.10.1")
    (bare / "bin" / "python3").unlink()
    assert "Python: found 3.10.1" in one_line(make_venv(bare, PYTHON=str(named)))


def test_no_git_is_one_line(bare: Path) -> None:
    (bare / "bin" / "git").unlink()
    assert "git: not found. Install it" in one_line(make_venv(bare))


def test_a_python_without_venv_is_one_line(bare: Path) -> None:
    fake = bare / "bin" / "python3"
    fake.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n')
    fake.chmod(0o755)
    assert "has no venv module. Install it" in one_line(make_venv(bare))


def test_a_venv_that_fits_the_lock_is_left_alone(bare: Path) -> None:
    main = bare / "main"
    (main / ".venv" / "bin").mkdir(parents=True)
    (main / ".venv" / "bin" / "python").symlink_to(sys.executable)
    stamp = subprocess.run(["sha256sum", "requirements.lock"], cwd=main, capture_output=True, text=True, check=True)
    (main / ".venv" / "stamp").write_text(f"{stamp.stdout.strip()} {main}\n")
    done = make_venv(bare)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
