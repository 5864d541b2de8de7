"""The AWS test world as tests use it: a process of its own, its clients, its clock, its faults, its record."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.worlds.aws.keys import root_key
from tests.worlds.aws.people import CUSTOMER, INSTALLATION, worker_key

__all__ = ["CUSTOMER", "INSTALLATION", "AwsWorld", "Jump", "aws_world"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Jump:
    """The world's SSH jump host, which forwards to port 22 of private addresses of running instances in one VPC.

    ``user`` is the VPC; keys are in OpenSSH's formats.
    """

    host: str
    port: int
    user: str
    host_key: str
    private_key: str = field(repr=False)


class AwsWorld:
    """A running world. ``url`` is what ``AWS_ENDPOINT_URL`` takes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[object, Any] = {}

    def client(self, service: str, account: str = CUSTOMER, *, region: str = "us-east-1", **key: str) -> Any:
        """Return a boto3 client of an account's root user, or of the key given in boto3's own words.

        Asked again it is the same one: building one takes longer than most of what it is built for.
        """
        root = root_key(account)
        named = key or {"aws_access_key_id": root.access_key, "aws_secret_access_key": root.secret}
        # botocore reads its patience when a client is built.
        which = (service, region, os.environ.get("AWS_MAX_ATTEMPTS"), *sorted(named.items()))
        if which not in self._clients:
            config = Config(s3={"addressing_style": "path"}, inject_host_prefix=False)
            self._clients[which] = boto3.client(
                service, region_name=region, endpoint_url=self.url, config=config, **named
            )
        return self._clients[which]

    @property
    def worker(self) -> dict[str, str]:
        """The key of the Prefect worker's identity, in boto3's words."""
        key = worker_key()
        return {"aws_access_key_id": key.access_key, "aws_secret_access_key": key.secret}

    def environment(self) -> dict[str, str]:
        """Return the variables that point a process's AWS clients at the world, as the Prefect worker's identity."""
        key = worker_key()
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": key.access_key,
            "AWS_SECRET_ACCESS_KEY": key.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def reset(self) -> None:
        """Make a new, empty world behind the same address."""
        self._tell("reset")

    def advance(self, seconds: float) -> None:
        """Push the world's clock on."""
        self._tell("advance", seconds=seconds)

    def speed(self, speed: float) -> None:
        """Let the world's time run at this speed; 0 stops it."""
        self._tell("speed", speed=speed)

    def fault(self, kind: str, name: str, **told: Any) -> None:
        """Let something go wrong; see ``tests.worlds.aws.faults.Fault`` for the words."""
        self._tell("fault", kind=kind, name=name, **told)

    def throttle(self, name: str, *, tokens: float, refill_per_s: float) -> None:
        """Give an operation a token bucket."""
        self._tell("throttle", name=name, tokens=tokens, refill_per_s=refill_per_s)

    def mend(self) -> None:
        """Take all faults away."""
        self._tell("mend")

    def wait_hung(self, limit_s: float = 50) -> bool:
        """Wait until a request hangs (fault ``hang``); false when none does in time."""
        return bool(self._tell("wait_hung", limit_s=limit_s))

    def let_go(self, *, answers: bool = False) -> None:
        """Let go what hangs: without an answer, or as if nothing had been."""
        self._tell("let_go", answers=answers)

    def settings(self, **told: Any) -> None:
        """Change the world's settings, such as ``page_size``."""
        self._tell("settings", **told)

    def end_sessions(self) -> int:
        """End all sessions of assumed roles; return how many."""
        return int(self._tell("end_sessions"))

    def calls(self, name: str = "") -> list[dict[str, Any]]:
        """Return the record, of one ``service:Operation`` or of all."""
        calls: list[dict[str, Any]] = self._tell("calls")
        return [call for call in calls if name in ("", f"{call['service']}:{call['operation']}")]

    def unanswered(self) -> list[str]:
        """Return what the world could not answer; a test fails of it."""
        found: list[str] = self._tell("unanswered")
        return found

    def jump(self, vpc_id: str) -> "Jump":
        """Return the way to a VPC's hosts; the setting ``hosts`` makes instances real hosts."""
        return Jump(user=vpc_id, **self._tell("jump"))

    def _tell(self, verb: str, **told: Any) -> Any:
        request = urllib.request.Request(f"{self.url}/_world/{verb}", json.dumps(told).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)


@contextmanager
def aws_world(command: Sequence[str] = (sys.executable, "-m", "tests.worlds.aws")) -> Iterator[AwsWorld]:
    """Start a world in a process of its own, on any free port; it ends with the block."""
    environment = os.environ | {"AWS_WORLD_PORT": "0"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            lines = (line for line in process.stdout)
            url = next(line.partition("=")[2].strip() for line in lines if "AWS_ENDPOINT_URL=" in line)
            yield AwsWorld(url)
        finally:
            # The whole session: `make` would leave the world alone behind it.
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)
