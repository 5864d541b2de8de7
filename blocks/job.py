"""A job: what was asked for, how it is, how it ended."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from blocks.names import (
    Command,
    Duration,
    Environment,
    Folder,
    MebiBytes,
    Name,
    NodeNumbers,
    Pause,
    RankCount,
    Reference,
    Retries,
    Secrets,
    SlotCount,
    SourceUrl,
)


class JobState(StrEnum):
    """How a job is; ``seed_state`` gives the names of the run form's users."""

    NEW = "new"
    WAITING = "waiting for cluster"
    CHECKOUT = "checkout"
    RUNNING = "running"
    COLLECTING = "collecting"
    TO_BE_RETRIED = "to be tried again"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"

    @property
    def seed_state(self) -> str:
        """NEW, INPROGRESS, FINISHED, FAILED, CANCELLED or TIMEOUT."""
        if self in (JobState.NEW, JobState.WAITING):
            return "NEW"
        if self in (JobState.CHECKOUT, JobState.RUNNING, JobState.COLLECTING, JobState.TO_BE_RETRIED):
            return "INPROGRESS"
        return "TIMEOUT" if self is JobState.TIMED_OUT else self.value.upper()


class Cause(StrEnum):
    """Why an attempt did not end well: which of these are tried again is the user's choice."""

    PROGRAM = "program"
    TIMEOUT = "timeout"
    INFRASTRUCTURE = "infrastructure"


class JobSpec(BaseModel):
    """What was asked for.

    ``ranks`` 0 means one for every slot that is taken; ``ranks_per_node`` 0 as many as a node has slots; ``only_on``
    empty all nodes. ``secrets`` gives variables the names of Prefect's Secret blocks, never their values.
    ``timeout`` is each attempt's; ``retries`` attempts may follow the first one, after ``retry_delay``, where its
    cause is among ``retry_on``. ``output_limit_mib`` 0 means that all output is kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    source: SourceUrl
    command: Command
    reference: Reference = ""
    folder: Folder = ""
    environment: Environment = Field(default_factory=dict)
    secrets: Secrets = Field(default_factory=dict)
    timeout: Duration = "60m"
    retries: Retries = 0
    retry_delay: Pause = "1m"
    retry_on: list[Cause] = [Cause.PROGRAM, Cause.INFRASTRUCTURE]
    ranks: RankCount = 0
    ranks_per_node: SlotCount = 0
    only_on: NodeNumbers = Field(default_factory=list)
    raw: bool = False
    submodules: bool = False
    output_per_rank: bool = False
    output_limit_mib: MebiBytes = 0


class Ending(BaseModel):
    """How an attempt at a job's program ended.

    ``cause`` is empty where it ended well or was cancelled. ``exit_code`` is mpiexec's; ``node``, ``rank`` and
    ``rank_code`` name the first rank that failed, where that is known (``rank`` -1: not known); ``node_lost`` tells
    that a node went. ``last_lines`` are the last ones of the first failing rank's standard error; of all ranks', where
    they are not known. ``cut_bytes`` were written beyond the limit of output, and not kept.
    """

    model_config = ConfigDict(frozen=True)

    state: JobState
    reason: str
    cause: Cause | None = None
    exit_code: int | None = None
    node: str = ""
    rank: int = -1
    rank_code: int | None = None
    node_lost: bool = False
    last_lines: str = ""
    cut_bytes: int = 0


class Attempt(BaseModel):
    """One try at a job's program; written before it is launched, and again at its end.

    ``threads`` is how many each rank may have (``OMP_NUM_THREADS``).
    """

    model_config = ConfigDict(frozen=True)

    number: int
    ranks: int = 0
    nodes: int = 0
    threads: int = 1
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ending: Ending | None = None


class JobRecord(BaseModel):
    """All that is remembered of a job, kept as ``job.json`` beside its attempts' output and results.

    ``store`` is the name of the job store's document; empty: the folder of the machine that its run was on.
    ``commit`` is git's, or of objects ``sha256:`` and a hash over all of them (`tasks.object_source`).
    ``environment_hash`` names the Python environment that its source asked for; empty: none, the nodes' own.
    """

    id: str
    store: str = ""
    spec: JobSpec
    state: JobState = JobState.NEW
    seed_state: str = "NEW"
    reason: str = ""
    cluster: str = ""
    cluster_uuid: str = ""
    own_cluster: bool = False
    flow_run: str = ""
    attempts: list[Attempt] = Field(default_factory=list)
    commit: str = ""
    folder: str = ""
    tree_hash: str = ""
    node_hashes: dict[str, str] = Field(default_factory=dict)
    environment_hash: str = ""
    ending: Ending | None = None
    created_at: datetime
    ended_at: datetime | None = None

    @property
    def attempt(self) -> Attempt:
        """The latest attempt.

        Raises:
            IndexError: There was none.
        """
        return self.attempts[-1]

    @property
    def attempt_id(self) -> str:
        """What the latest attempt is called on its cluster: a folder inside the job's."""
        return f"{self.id}/attempt-{self.attempt.number}"
