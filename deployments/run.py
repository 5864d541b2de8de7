"""The house in one command: a real cluster on this machine, the example job on it, and all of it taken down again."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from blocks.errors import GroundworkError, JobError, NameTaken, SourceRefused
from deployments.down import UNDO_S, close_house
from deployments.settings import ROOT, client_environment, house
from deployments.telling import command, say
from deployments.up import open_house, server_of, standing

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

CLUSTER = "demo"
NODE_COUNT = 4
JOB = "heat"
FOLDER = "deployments/examples"
COMMAND = "heat.py"
TAG = "make-run"
"""Marks our runs, so that a cluster `demo` of somebody else is not taken for one that an earlier run left."""

_LIMIT_S = 900


@contextmanager
def opened() -> Iterator[None]:
    """Open the house for a while; one that was open before stays open."""
    was_open = server_of(standing(house())).find() is not None
    try:
        place = open_house()
        # Before Prefect is imported, for it reads its settings then.
        environment = client_environment(place)
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)
        yield
    finally:
        if not was_open:
            close_house()


@contextmanager
def cluster(client: "SyncPrefectClient") -> Iterator[None]:
    """Make the cluster, and remove it whatever happens."""
    _require_ours(client)
    try:
        _finish(client, "create-local-cluster", f"{CLUSTER}, {NODE_COUNT} nodes", name=CLUSTER, node_count=NODE_COUNT)
        yield
    finally:
        if _document(client) is not None:
            _finish(client, "delete-cluster", CLUSTER, cluster=_reference())


def _require_ours(client: "SyncPrefectClient") -> None:
    """Refuse to touch a cluster of our name that no run of ours made."""
    from prefect.exceptions import ObjectNotFound

    document = _document(client)
    if document is None:
        return
    try:
        is_ours = TAG in client.read_flow_run(UUID(document["creator"])).tags
    except (ObjectNotFound, ValueError):
        is_ours = False
    if not is_ours:
        raise NameTaken(f"there is a cluster {CLUSTER} already", where="name", advice="Use delete-cluster on it first.")


def _document(client: "SyncPrefectClient") -> dict[str, Any] | None:
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_block_document_by_name(CLUSTER, "cluster").data
    except ObjectNotFound:
        return None


def _reference() -> dict[str, Any]:
    return {"$ref": {"block_document_slug": f"cluster/{CLUSTER}"}}


def _finish(client: "SyncPrefectClient", flow: str, about: str, /, **parameters: Any) -> UUID:
    """Run a flow's deployment to its good end; if we are ended meanwhile, it is cancelled and undoes."""
    from deployments.following import cancel, start, wait_followed

    say(f"{flow}: {about}")
    followed = start(client, f"{flow}/on-demand", TAG, **parameters)
    try:
        state = wait_followed(followed, limit_s=_LIMIT_S)
    except BaseException:
        cancel(followed, limit_s=UNDO_S)
        raise
    if not state.is_completed():
        raise GroundworkError(f"{state.name}: {state.message}", where=flow)
    return followed.run.id


def _run_job(client: "SyncPrefectClient") -> str:
    """Run the example out of this repository's own git, and return the last line to say."""
    from blocks.job import JobState
    from tasks import job_records

    asked = {"name": JOB, "source": f"file://{ROOT}", "folder": FOLDER, "command": COMMAND, "timeout": "10m"}
    run = _finish(client, "run-job", f"{FOLDER}/{COMMAND}", cluster=_reference(), **asked)
    job = job_records.find(job_records.store_named(None), f"{JOB}-{str(run)[:8]}")
    if job is None:
        raise JobError("the run completed, but no job is kept", where=f"run {run}")
    if job.state is not JobState.FINISHED:
        raise JobError(f"the run completed, but the job is {job.state}: {job.reason}", where=f"job {job.id}")
    return f"OK: job {job.spec.name} ran {job.attempt.ranks} ranks on {job.attempt.nodes} nodes"


def _require_checkout(folder: Path) -> None:
    found = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "--verify", "--quiet", "HEAD"], capture_output=True, check=False
    )
    if found.returncode != 0:
        raise SourceRefused(
            "is not a git checkout with a commit", where=str(folder), advice="Clone the repository; a copy will not do."
        )


def _interrupt(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Show that the house stands; the last line says so."""
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _interrupt)
    _require_checkout(ROOT)
    with opened():
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client, cluster(client):
            last_line = _run_job(client)
    say(last_line)


if __name__ == "__main__":
    command("run", main)
