"""Open the house: server, block types, pool, deployments, Prefect worker. A second call changes nothing."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from blocks.errors import GroundworkError, UserError, WrongState
from deployments.asking import ask
from deployments.detached import Detached, wait_for, wait_until
from deployments.ports import require_free
from deployments.register import entrypoints
from deployments.settings import POOL, PREFECT_WORKER, ROOT, House, client_environment, house, server_environment
from deployments.telling import command, say

_PATIENCE_S = 180


def server_of(place: House) -> Detached:
    """Return our server's process."""
    return Detached("prefect-server", place.folder)


def worker_of(place: House) -> Detached:
    """Return our Prefect worker's process."""
    return Detached("prefect-worker", place.folder)


def standing(place: House) -> House:
    """Return the house on the port it is open on, if it is open; else as it was given."""
    note = server_of(place).find()
    return replace(place, port=int(note.about)) if note else place


@contextmanager
def one_at_a_time(place: House) -> Iterator[None]:
    """Let one command at a time open or close the house; others wait."""
    with (place.folder / "door.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def open_house(asked: House | None = None) -> House:
    """Open the house, or finish opening it: what runs stays, what died is started again.

    Args:
        asked: The house, if not the one that the environment names.

    Raises:
        UserError: The port is taken, ``PREFECT_API_URL`` names another server.
        WrongState: It is open on another port than the one asked for.
        GroundworkError: A part ended; its last words are told.
    """
    asked = asked or house()
    place = standing(asked)
    require_ours(place)
    if place.port != asked.port and os.environ.get("GROUNDWORK_PORT"):
        raise WrongState(
            f"it is open on port {place.port}", where="GROUNDWORK_PORT", advice="Use that one, or `make down` first."
        )
    with one_at_a_time(place):
        _ensure_server(place)
        with _registered(place):
            _ensure_worker(place)
    return place


def require_ours(
    place: House, *, advice: str = "Use `make deploy` with it, or unset it for a server of our own."
) -> None:
    """Make sure that the user does not work with another Prefect server.

    Raises:
        UserError: ``PREFECT_API_URL`` names one.
    """
    url = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    if url and url not in (place.api, place.api.replace("127.0.0.1", "localhost")):
        raise UserError(f"it names another server ({url})", where="PREFECT_API_URL", advice=advice)


def _ensure_server(place: House) -> None:
    server = server_of(place)
    if server.find() is None:
        require_free(place.port)
        say(f"Starting Prefect's server on {place.url} ...")
        argv = [sys.executable, "-m", "deployments.pages"]
        environment = server_environment(place) | {"GROUNDWORK_PORT": str(place.port)}
        server.start(argv, environment, cwd=ROOT, about=str(place.port))
    wait_for(server, lambda: ask(place, "/health") is True, limit_s=_PATIENCE_S)


@contextmanager
def _registered(place: House) -> Iterator[None]:
    """Register and deploy if anything changed since the last time. The pool is there at once, the rest at the end."""
    stamp = place.folder / "registered"
    digest = _digest()
    if stamp.is_file() and stamp.read_text() == digest and _deployed(place) >= entrypoints():
        yield
        return
    say("Registering blocks and deployments ...")
    stamp.unlink(missing_ok=True)
    with (place.folder / "registration.log").open("w+") as log:
        argv = [sys.executable, "-m", "deployments.register"]
        with subprocess.Popen(argv, env=client_environment(place), cwd=ROOT, stdout=log, stderr=log) as registration:
            is_there = partial(ask, place, f"/work_pools/{POOL}")
            wait_until(lambda: registration.poll() is not None or is_there() is not None, limit_s=_PATIENCE_S)
            yield
        if registration.returncode != 0:
            log.seek(0)
            raise GroundworkError(
                log.read().strip().rpartition("\n")[2], where="registration", advice=f"See {log.name}."
            )
    stamp.write_text(digest)


def _digest() -> str:
    """Return a hash of all that registration depends on, this folder's path included."""
    files = [ROOT / "requirements.lock", *(ROOT / "deployments").glob("*.*")]
    files += [file for room in ("blocks", "tasks", "flows") for file in (ROOT / room).rglob("*.py")]
    parts = [str(ROOT), *(hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _deployed(place: House) -> set[str]:
    return {str(deployment["entrypoint"]) for deployment in ask(place, "/deployments/filter", {}) or []}


def _ensure_worker(place: House) -> None:
    worker = worker_of(place)
    if worker.find() is not None:
        return
    say("Starting the Prefect worker ...")
    before = datetime.now(UTC)
    argv = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process", "--pool", POOL]
    # No --limit: with one, the Prefect worker ends when a run that was killed is retried (3.8.8). The pool has one.
    argv += ["--name", PREFECT_WORKER]
    worker.start(argv, client_environment(place), cwd=ROOT)
    wait_for(worker, lambda: _heartbeat(place) > before, limit_s=_PATIENCE_S)


def _heartbeat(place: House) -> datetime:
    workers = ask(place, f"/work_pools/{POOL}/workers/filter", {}) or []
    beats = [datetime.fromisoformat(worker["last_heartbeat_time"]) for worker in workers]
    return max(beats, default=datetime.min.replace(tzinfo=UTC))


def main() -> None:
    """Open the house and say where it is."""
    place = open_house()
    say(f"Groundwork is up: {place.url}")
    say(f"In a terminal: export PREFECT_API_URL={place.api}; then .venv/bin/prefect deployment ls")


if __name__ == "__main__":
    command("up", main)
