"""The example: the same answer on any number of ranks, a picture, and an exit code that tells a wrong answer."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from deployments.settings import ROOT

HEAT = ROOT / "deployments" / "examples" / "heat.py"
MPIEXEC = Path(sys.executable).with_name("mpiexec")


@pytest.mark.parametrize(("ranks", "rows"), [(1, 30), (3, 31), (5, 3), (2, 1)])
def test_any_number_of_ranks_agrees_with_one(ranks: int, rows: int, tmp_path: Path) -> None:
    """JOB-02: also bands of different height, and more ranks than rows."""
    argv = [str(MPIEXEC), "-n", str(ranks), sys.executable, str(HEAT), str(rows), "20", "15"]
    environment = {"GROUNDWORK_OUTPUT": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert f"{ranks} ranks agree with one" in ran.stdout.splitlines()[-1]
    with Image.open(tmp_path / "heat.png") as picture:
        assert picture.size == (20, rows)


def test_a_wrong_answer_is_told(tmp_path: Path) -> None:
    program = "import sys, numpy, heat; sys.exit(heat.judge(numpy.ones((4, 4)), numpy.zeros((4, 4)), 2))"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(HEAT.parent), "GROUNDWORK_OUTPUT": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "WRONG: 2 ranks differ from one by 1" in ran.stderr
