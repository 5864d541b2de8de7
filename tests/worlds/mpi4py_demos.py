"""mpi4py's own demos and benchmarks, as its authors publish them: out of its source on the package index."""

import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import urllib.request
from pathlib import Path

import pytest

VERSION = "4.1.2"
SHA256 = "56860286dc45f20e8821e93cb06669e30462348bf866f685553fa4b712d58d02"
PROJECT = (
    f"[project]\nname = 'demos'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = ['mpi4py=={VERSION}']\n"
)


def demos() -> Path:
    """Return the folder of the demos, fetched once in a venv. Where they cannot be had, the test is skipped, and fails
    in CI."""
    kept = Path(sys.prefix) / f"mpi4py-{VERSION}-demo"
    with kept.with_suffix(".lock").open("w") as lock, tempfile.TemporaryDirectory() as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            try:
                source = _source(Path(folder))
            except (OSError, subprocess.CalledProcessError) as error:
                (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"mpi4py's source: {error}")
            with tarfile.open(fileobj=io.BytesIO(source)) as archive:
                archive.extractall(folder, filter="data")
            shutil.move(Path(folder) / f"mpi4py-{VERSION}" / "demo", kept)
    return kept


def _source(folder: Path) -> bytes:
    """uv knows the user's index, and a lock of its says where a package's source is; pip would build it first."""
    (folder / "pyproject.toml").write_text(PROJECT)
    uv = [str(Path(sys.executable).parent / "uv"), "lock", "--quiet", "--system-certs", "--python", sys.executable]
    subprocess.run(uv, cwd=folder, check=True, capture_output=True, timeout=300)
    packages = tomllib.loads((folder / "uv.lock").read_text())["package"]
    address = next(package["sdist"]["url"] for package in packages if package["name"] == "mpi4py")
    with urllib.request.urlopen(address, timeout=120) as answer:
        source = bytes(answer.read())
    assert hashlib.sha256(source).hexdigest() == SHA256
    return source
