"""Starting a deployment's run and following it on the terminal, as the UI shows it."""

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId, LogFilterTimestamp
from prefect.client.schemas.objects import FlowRun, Log, State
from prefect.client.schemas.sorting import LogSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from blocks.errors import NotFound, TimedOut
from deployments.telling import say

_EVERY_S = 0.3
_QUIET_LOOKS = 3
# Lines come in batches from several threads: one that was written earlier may arrive later.
_LATE = timedelta(seconds=10)
_PAGE = 200
_PREFECTS_OWN = (
    "Beginning flow run",
    "Finished in state Completed",
    "Deployment step ",
    "Executing deployment step",
    "Running 1 deployment pull step",
    "All deployment steps completed",
)


@dataclass
class Followed:
    """A flow run that we started, and how much of it was shown."""

    client: SyncPrefectClient
    run: FlowRun
    shown: set[UUID] = field(default_factory=set)
    newest: datetime | None = None
    state: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the run came to its end, as far as was looked."""
        return self.run.state is not None and self.run.state.is_final()

    def look(self) -> None:
        """Read the run's state and show what is new."""
        self.run = self.client.read_flow_run(self.run.id)
        self._show_lines()
        state = (self.run.state.name if self.run.state else None) or ""
        if state != self.state and state == "Running":
            say(f"  {self.run.name}: {state}")
        self.state = state

    def _show_lines(self) -> None:
        since = LogFilterTimestamp(after_=self.newest - _LATE) if self.newest else None
        lines = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[self.run.id]), timestamp=since)
        offset = 0
        while page := self.client.read_logs(lines, limit=_PAGE, offset=offset, sort=LogSort.TIMESTAMP_ASC):
            for line in page:
                if line.id not in self.shown:
                    self.shown.add(line.id)
                    self.newest = max(self.newest or line.timestamp, line.timestamp)
                    if _is_news(line):
                        text = line.message.partition("\nTraceback")[0].rstrip().replace("\n", "\n" + " " * 11)
                        say(f"  {line.timestamp.astimezone():%H:%M:%S} {text}")
            offset += len(page)


def _is_news(line: Log) -> bool:
    """Tell whether a line is worth the terminal: what the steps say and what goes wrong, not Prefect's own course."""
    is_ours = line.name in ("prefect.flow_runs", "prefect.task_runs") and not line.message.startswith(_PREFECTS_OWN)
    return is_ours or line.level >= logging.WARNING


def start(client: SyncPrefectClient, deployment: str, tag: str, **parameters: Any) -> Followed:
    """Start a run of a deployment, as `prefect deployment run` does.

    Raises:
        NotFound: There is no such deployment.
    """
    try:
        found = client.read_deployment_by_name(deployment)
    except ObjectNotFound as error:
        raise NotFound("is not deployed", where=deployment, advice="Try `make up`.") from error
    return Followed(client, client.create_flow_run_from_deployment(found.id, parameters=parameters, tags=[tag]))


def wait_followed(followed: Followed, *, limit_s: float) -> State[Any]:
    """Show a run on the terminal until it is over, and return how it ended.

    Raises:
        TimedOut: It was not over within the limit.
    """
    deadline = time.monotonic() + limit_s
    quiet = 0
    # A run's last lines arrive after its state.
    while quiet < _QUIET_LOOKS or followed.run.state is None:
        if time.monotonic() > deadline:
            raise TimedOut(f"was not over after {limit_s:.0f} s", where=followed.run.name)
        time.sleep(_EVERY_S)
        before = len(followed.shown)
        followed.look()
        quiet = quiet + 1 if followed.is_over and len(followed.shown) == before else 0
    say(f"  {followed.run.name}: {followed.state}")
    return followed.run.state


def cancel(followed: Followed, *, limit_s: float) -> None:
    """Cancel a run and wait until it has undone what it did. Cancelling what is over does nothing."""
    followed.look()
    if not followed.is_over:
        followed.client.set_flow_run_state(followed.run.id, Cancelling(), force=True)
        wait_followed(followed, limit_s=limit_s)
