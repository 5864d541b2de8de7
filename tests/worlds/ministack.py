"""ministack, an emulator of other people's, as a second judge of permissions: with ``AUTH=true`` it evaluates policies.

It has a venv of its own (its wheel pins another botocore), ``.venv-ministack``, made of the lock file beside this file
when a test first wants it. ``make clean`` takes it away.
"""

import fcntl
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-ministack"
LOCK = Path(__file__).with_suffix(".lock")


class NotInstalled(Exception):
    """ministack cannot be had on this machine; the text says why."""


class Ministack:
    """A running ministack. ``url`` is what ``AWS_ENDPOINT_URL`` takes."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self, service: str, account: str, **key: str) -> Any:
        """Return a boto3 client of an account's root user, or of the key given in boto3's own words.

        ministack takes twelve digits as the key of an account's root user, with the secret ``test``.
        """
        named = key or {"aws_access_key_id": account, "aws_secret_access_key": "test"}
        config = Config(s3={"addressing_style": "path"}, inject_host_prefix=False)
        return boto3.client(service, region_name="us-east-1", endpoint_url=self.url, config=config, **named)

    def reset(self) -> None:
        """Let it forget everything."""
        urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/_ministack/reset", method="POST"), timeout=30
        ).close()


@contextmanager
def ministack() -> Iterator[Ministack]:
    """Start ministack; it ends with the block. Where it cannot be had, the test is skipped, and fails in CI."""
    try:
        program = installed()
    except NotInstalled as error:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"ministack: {error}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0"}
    with (
        tempfile.TemporaryDirectory() as folder,
        (Path(folder) / "log").open("w") as log,
        subprocess.Popen(
            [program],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "AUTH": "true", **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}", process)
            yield Ministack(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_until_it_answers(url: str, process: "subprocess.Popen[bytes]", seconds: float = 60) -> None:
    """Wait until ministack says that it is healthy.

    Raises:
        RuntimeError: It ended, or did not say so in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/_ministack/health", timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"ministack does not answer at {url}; exit code {process.poll()}")


def installed() -> Path:
    """Return ministack's program; its venv is made of the lock file, or made again where that has changed.

    Raises:
        NotInstalled: The packages cannot be had.
    """
    program = VENV / "bin" / "ministack"
    with LOCK.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may want it at once
        stamp = f"{hashlib.sha256(lock.read()).hexdigest()} {VENV}"
        kept = VENV / "stamp"
        if not (program.exists() and kept.exists() and kept.read_text() == stamp):
            _make()
            kept.write_text(stamp)
    return program


def _make() -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], check=True)
    python = str(VENV / "bin" / "python")
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "sync", "--quiet", "--system-certs"]
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    # uv does not read pip's settings: where it finds no index, pip may.
    commands = ([*uv, "--require-hashes", "--python", python, str(LOCK)], [*pip, "--require-hashes", "-r", str(LOCK)])
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
    raise NotInstalled(f"{LOCK.name} could not be installed ({told})")
