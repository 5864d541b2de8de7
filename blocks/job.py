"""A job: what was asked for, how it is, how it ended."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from blocks.names import Command, Duration, Environment, Folder, Name, Reference, SourceUrl


class JobState(StrEnum):
    """How a job is; ``seed_state`` gives the names of the run form's users."""

    NEW = "new"
    WAITING = "waiting for cluster"
    CHECKOUT = "checkout"
    RUNNING = "running"
    COLLECTING = "collecting"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"

    @property
    def seed_state(self) -> str:
        """NEW, INPROGRESS, FINISHED, FAILED, CANCELLED or TIMEOUT."""
        if self in (JobState.NEW, JobState.WAITING):
            return "NEW"
        if self in (JobState.CHECKOUT, JobState.RUNNING, JobState.COLLECTING):
            return "INPROGRESS"
        return "TIMEOUT" if self is JobState.TIMED_OUT else self.value.upper()


class JobSpec(BaseModel):
    """What was asked for. ``ranks`` 0 means one for every slot of the cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    source: SourceUrl
    command: Command
    reference: Reference = ""
    folder: Folder = ""
    environment: Environment = Field(default_factory=dict)
    timeout: Duration = "60m"
    ranks: int = Field(default=0, ge=0, le=51200)
    raw: bool = False
    submodules: bool = False


class Ending(BaseModel):
    """How a job's program ended.

    ``exit_code`` is mpiexec's; ``node``, ``rank`` and ``rank_code`` name the first rank that failed, where that
    is known (``rank`` -1: not known); ``node_lost`` tells that a node went, not the program. ``last_lines`` are the
    last lines of its standard error.
    """

    model_config = ConfigDict(frozen=True)

    state: JobState
    reason: str
    exit_code: int | None = None
    node: str = ""
    rank: int = -1
    rank_code: int | None = None
    node_lost: bool = False
    last_lines: str = ""


class JobRecord(BaseModel):
    """All that is remembered of a job, kept as ``job.json`` beside its output.

    ``environment_hash`` names the Python environment that its source asked for; empty: none, the nodes' own.
    """

    id: str
    spec: JobSpec
    state: JobState = JobState.NEW
    seed_state: str = "NEW"
    reason: str = ""
    cluster: str = ""
    cluster_uuid: str = ""
    own_cluster: bool = False
    flow_run: str = ""
    ranks: int = 0
    nodes: int = 0
    commit: str = ""
    folder: str = ""
    tree_hash: str = ""
    node_hashes: dict[str, str] = Field(default_factory=dict)
    environment_hash: str = ""
    ending: Ending | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
