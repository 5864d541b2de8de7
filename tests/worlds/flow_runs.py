"""Flow runs on a real Prefect server: started, waited for, looked at, killed."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.client.schemas.sorting import LogSort
from prefect.events.filters import EventFilter, EventNameFilter, EventRelatedFilter
from prefect.states import Cancelling

T = TypeVar("T")


def wait_until(look: Callable[[], T], *, what: str, limit_s: float = 120, pause_s: float = 0.25) -> T:
    """Look again and again until there is something to see."""
    deadline = time.monotonic() + limit_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what}: not seen within {limit_s:g} s"
        time.sleep(pause_s)
    return seen


def block(kind: str, name: str) -> dict[str, Any]:
    """A parameter that refers to a block by its name."""
    return {"$ref": {"block_document_slug": f"{kind}/{name}"}}


def start(deployment: str, *, key: str | None = None, **parameters: Any) -> UUID:
    """Ask the Prefect worker for a run of a deployment, as the run form and the CLI do."""
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
        run = client.create_flow_run_from_deployment(found.id, parameters=parameters, idempotency_key=key)
        return run.id


def read(run: UUID) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run)


def form_of(flow: str) -> str:
    """The path of a flow's run form in the UI."""
    with get_client(sync_client=True) as client:
        return f"/v2/deployments/deployment/{client.read_deployment_by_name(f'{flow}/on-demand').id}/run"


def latest(name: str) -> FlowRun:
    """The newest run of that name."""
    with get_client(sync_client=True) as client:
        runs = [run for run in client.read_flow_runs(limit=200) if run.name == name]
    return max(runs, key=lambda run: run.created)


def wait_for_end(run: UUID, *, limit_s: float = 240) -> FlowRun:
    def ended() -> FlowRun | None:
        seen = read(run)
        return seen if seen.state is not None and seen.state.is_final() else None

    return wait_until(ended, what=f"the end of run {run}", limit_s=limit_s, pause_s=0.5)


def wait_for_crash(run: UUID) -> FlowRun:
    """Wait until the Prefect worker has said its last word of a run whose process was killed.

    It says Crashed twice: at once, and when it has looked for hooks, seconds later (3.8.8). A run that is retried in
    between is called Crashed for good, and its retry never starts.
    """
    name = EventNameFilter(name=["prefect.worker.executed-flow-run"])
    about = EventRelatedFilter(id=[f"prefect.flow-run.{run}"])

    def told() -> bool:
        with get_client(sync_client=True) as client:
            # A filter is of the moment it is made: it leaves out what came later.
            return bool(client.read_events(EventFilter(event=name, related=about), limit=1).events)

    wait_until(told, what=f"the Prefect worker's last word of run {run}", pause_s=0.5)
    crashed = read(run)
    assert crashed.state is not None
    assert crashed.state.is_crashed(), crashed.state
    return crashed


def run(deployment: str, **parameters: Any) -> FlowRun:
    """Run a deployment to its end."""
    return wait_for_end(start(deployment, **parameters))


def require_completed(seen: FlowRun) -> FlowRun:
    assert seen.state is not None
    assert seen.state.is_completed(), f"{seen.name}: {seen.state.name}: {seen.state.message}\n{log(seen.id)}"
    return seen


def log(run: UUID) -> str:
    """The whole log of a run."""
    lines: list[str] = []
    with get_client(sync_client=True) as client:
        wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
        while page := client.read_logs(wanted, limit=200, offset=len(lines), sort=LogSort.TIMESTAMP_ASC):
            lines += [entry.message for entry in page]
    return "\n".join(lines)


def steps(run: UUID) -> list[str]:
    """The names of a run's task runs, in the order they started."""
    with get_client(sync_client=True) as client:
        found = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run])))
    return [task.name for task in sorted(found, key=lambda task: task.start_time or task.created)]


def artifacts(run: UUID) -> list[Artifact]:
    with get_client(sync_client=True) as client:
        return client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run])), limit=50
        )


def cancel(run: UUID) -> None:
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelling())


def process_of(run: UUID) -> int | None:
    """The process that runs a flow run: Prefect's engine, with the run's id in its environment."""
    mark = f"PREFECT__FLOW_RUN_ID={run}".encode()
    for folder in Path("/proc").iterdir():
        is_process = folder.name.isdigit() and mark in _fields(folder / "environ")
        if is_process and b"prefect.engine" in _fields(folder / "cmdline"):
            return int(folder.name)
    return None


def _fields(file: Path) -> list[bytes]:
    try:
        return file.read_bytes().split(b"\0")
    except OSError:
        return []


def kill_process_of(run: UUID) -> None:
    """End the process of a flow run at once, as the kernel does when memory is short."""
    pid = wait_until(lambda: process_of(run), what=f"the process of run {run}")
    os.kill(pid, signal.SIGKILL)
