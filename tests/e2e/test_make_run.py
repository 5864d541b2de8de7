"""`make run`: a cluster, a job on it out of this repository's git, and nothing left; also when it is interrupted."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from blocks.cluster import Cluster
from blocks.cluster_spec import LocalClusterSpec
from deployments.settings import ROOT
from tasks import records
from tests.worlds.prefect_server import PrefectServer


def clusters(house: PrefectServer) -> list[str]:
    folder = house.home / "clusters"
    return [cluster.name for cluster in folder.iterdir()] if folder.exists() else []


def begin(house: PrefectServer) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "deployments.run"]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, cwd=ROOT, env=house.environment, stdout=pipe, stderr=pipe, text=True)


def test_a_job_on_a_cluster_and_nothing_left(house: PrefectServer) -> None:
    """OPS-01, JOB-02: exit code 0, the last line as promised, its picture kept; a house that was open stays open."""
    before = (clusters(house), house.server.find())
    ran = house.command("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr + house.logs()
    lines = ran.stdout.splitlines()
    assert re.fullmatch(r"OK: job heat ran [1-9]\d* ranks on 4 nodes", lines[-1])
    job = next(re.search(r"\bjob (heat-[0-9a-f]{8})$", line) for line in lines if " job heat-" in line)
    assert job is not None
    assert (house.home / "jobs" / job[1] / "attempt-1" / "output" / "heat.png").read_bytes().startswith(b"\x89PNG")
    assert any("ranks agree with one" in line for line in lines)
    assert records.find("demo") is None
    assert (clusters(house), house.server.find()) == before


def test_ctrl_c_undoes(house: PrefectServer) -> None:
    """OPS-01: in the middle of making the cluster; exit code 130, no traceback, no record, no node."""
    before = clusters(house)
    with begin(house) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert any("namespaces" in line or "loopback" in line or "embedded" in line for line in running.stdout)
        running.send_signal(signal.SIGINT)
        rest, errors = running.stdout.read(), running.stderr.read()
    assert (running.returncode, errors) == (130, ""), rest
    assert records.find("demo") is None
    assert clusters(house) == before


def test_somebody_elses_cluster_of_that_name_is_left_alone(house: PrefectServer) -> None:
    """Its name is taken: one line, exit code 1, the record as it was."""
    theirs = Cluster(spec=LocalClusterSpec(name="demo"))
    theirs.save("demo")
    try:
        refused = house.command("run")
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
        assert "there is a cluster demo already" in refused.stderr
        assert records.read("demo").uuid == theirs.uuid
    finally:
        records.forget(theirs)


def test_a_copy_that_is_no_checkout_is_one_line(tmp_path: Path) -> None:
    """Before anything is started."""
    for room in ("blocks", "tasks"):
        (tmp_path / room).symlink_to(ROOT / room)
    shutil.copytree(ROOT / "deployments", tmp_path / "deployments")
    environment = {"GROUNDWORK_HOME": str(tmp_path / "gw"), "PATH": os.environ["PATH"]}
    argv = [sys.executable, "-m", "deployments.run"]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"run: {tmp_path}: is not a git checkout with a commit. Clone the repository; a copy will not do.\n"
    )
