"""A house of its own for tests: a real Prefect server and worker, opened and closed by our own commands."""

import fcntl
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import prefect
from prefect.client.orchestration import get_client
from prefect.context import refresh_global_settings_context
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from blocks.cluster import Cluster
from blocks.cluster_key import ClusterKey
from blocks.git_credentials import GitCredentials
from blocks.jump_host import JumpHost
from blocks.local_machine import LocalMachine
from blocks.logos import logo
from deployments.detached import Detached
from deployments.settings import NO_PHONING_HOME, ROOT, House, client_environment


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class PrefectServer:
    """A house: where it is, and what people do with it from outside."""

    home: Path
    port: int
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def house(self) -> House:
        return House(self.home / "server", self.port)

    @property
    def api(self) -> str:
        return self.house.api

    @property
    def server(self) -> Detached:
        return Detached("prefect-server", self.house.folder)

    @property
    def worker(self) -> Detached:
        return Detached("prefect-worker", self.house.folder)

    @property
    def environment(self) -> dict[str, str]:
        """A user's environment for this house: nothing of Prefect in it."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        return mine | {"GROUNDWORK_HOME": str(self.home), "GROUNDWORK_PORT": str(self.port)} | dict(self.extra)

    def command(self, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a start command, as `make <name>` does."""
        return subprocess.run(
            [sys.executable, "-m", f"deployments.{name}"],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    def up(self) -> str:
        """Open the house; what `up` prints."""
        opened = self.command("up")
        assert opened.returncode == 0, opened.stdout + opened.stderr + self.logs()
        return opened.stdout

    def logs(self) -> str:
        """The ends of all logs of the house."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in self.house.folder.glob("*.log")
        )

    def cli(self, *words: str, cwd: Path = ROOT, check: bool = True) -> str:
        """Run the `prefect` command as a user of this house does; what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *words],
            cwd=cwd,
            env=client_environment(self.house),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def run_cli(self, flow: str, *words: str) -> str:
        """`prefect deployment run <flow>/on-demand`, followed to its good end; what it prints."""
        return self.cli("deployment", "run", f"{flow}/on-demand", "--watch", *words)

    def submit(self, deployment: str, parameters: Mapping[str, Any]) -> tuple[int, str]:
        """Ask the API for a run, as the run form does: the answer's status and text."""
        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(deployment)
        request = urllib.request.Request(
            f"{self.api}/deployments/{found.id}/create_flow_run",
            data=json.dumps({"parameters": dict(parameters)}).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def processes(self) -> list[int]:
        """All processes that carry this house's folder in their command line or environment, nodes included."""
        mark, found = str(self.home).encode(), []
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                with suppress(OSError):
                    if mark in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
                        found.append(int(process.name))
        return found

    def close(self) -> None:
        """Close the house and remove its folder, by force where the command fails."""
        with suppress(subprocess.TimeoutExpired):
            self.command("down")
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)


@contextmanager
def new_house(**extra: str) -> Iterator[PrefectServer]:
    """A house that is not open yet, in a short folder: a socket's path may have 107 bytes only."""
    server = PrefectServer(Path(tempfile.mkdtemp(prefix="gw-", dir="/tmp")), free_port(), extra)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def new_house_with_database(**extra: str) -> Iterator[PrefectServer]:
    """The same, with the empty database that its server's first start would make: ten seconds of work (3.8.8)."""
    with new_house(**extra) as server:
        server.house.folder.mkdir(mode=0o700)
        database = server.house.folder / "prefect.db"
        database.touch(mode=0o600)
        shutil.copyfile(_empty_database(), database)
        yield server


def _empty_database() -> Path:
    """Prefect's database without anything in it, made once in a venv."""
    made = Path(sys.prefix) / f"prefect-{prefect.__version__}.db"
    with made.with_suffix(".lock").open("w") as lock, tempfile.TemporaryDirectory() as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            draft = Path(folder) / "prefect.db"
            mine = {"PREFECT_HOME": folder, "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{draft}"}
            argv = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
            subprocess.run(argv, env=os.environ | NO_PHONING_HOME | mine, capture_output=True, check=True)
            # Not a copy: what was written last may stand in a file beside it.
            with closing(sqlite3.connect(draft)) as whole, closing(sqlite3.connect(made.with_suffix(".draft"))) as kept:
                whole.backup(kept)
            made.with_suffix(".draft").replace(made)
    return made


@contextmanager
def living_in(server: PrefectServer) -> Iterator[None]:
    """Let this process use a house: its home, and its API for Prefect's client and for flows called here."""
    before, mask = dict(os.environ), os.umask(0o077)
    os.environ.update(client_environment(server.house))
    refresh_global_settings_context()
    for noun in (Cluster, ClusterKey, GitCredentials, JumpHost, LocalMachine):
        # Chosen when they were imported, before the house had an address.
        noun._logo_url = logo(noun.get_block_type_slug())
    try:
        yield
    finally:
        os.umask(mask)
        # What this process has still to send has nowhere to go once the server is down.
        APILogWorker.drain_all()
        EventsWorker.drain_all()
        os.environ.clear()
        os.environ.update(before)
        refresh_global_settings_context()
