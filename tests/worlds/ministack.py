"""ministack, an emulator of other people's, as a second judge of permissions: with ``AUTH=true`` it evaluates policies.

It has a venv of its own (its wheel pins another botocore), ``.venv-ministack``, made of the lock file beside this file
when a test first wants it. ``make clean`` takes it away.
"""

import os
import socket
import subprocess
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

from tests.worlds.own_venv import ROOT, NotInstalled, installed

VENV = ROOT / ".venv-ministack"
LOCK = Path(__file__).with_suffix(".lock")


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
        program = installed(VENV, LOCK, "ministack")
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
