"""Programs that have a venv of their own, because what they need differs from what we need: made of a lock file.

A lock file lies beside whoever wants the program; it names versions and hashes, and no address of a package index.
"""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class NotInstalled(Exception):
    """A program cannot be had on this machine; the text says why."""


def installed(venv: Path, lock: Path, program: str) -> Path:
    """Return a program of a venv, which is made of its lock file, or made again where that has changed.

    Raises:
        NotInstalled: The packages cannot be had.
    """
    found = venv / "bin" / program
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two runs may want it at once
        stamp = f"{hashlib.sha256(file.read()).hexdigest()} {venv}"
        kept = venv / "stamp"
        if not (found.exists() and kept.exists() and kept.read_text() == stamp):
            _make(venv, lock)
            kept.write_text(stamp)
    return found


def _make(venv: Path, lock: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)], check=True)
    python = str(venv / "bin" / "python")
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "sync", "--quiet", "--system-certs"]
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    # uv does not read pip's settings: where it finds no index, pip may.
    commands = ([*uv, "--require-hashes", "--python", python, str(lock)], [*pip, "--require-hashes", "-r", str(lock)])
    told = ""
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        except OSError as error:
            told = str(error)
            continue
        if done.returncode == 0:
            return
        told = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
    raise NotInstalled(f"{lock.name} could not be installed ({told})")
