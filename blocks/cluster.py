"""A cluster: what was asked (spec), what stands (nodes, ground), and how it is (state)."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import uuid4

from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from blocks.aws_cluster import AwsClusterSpec, AwsGround
from blocks.cluster_spec import LocalClusterSpec
from blocks.ground import Ground
from blocks.logos import logo
from blocks.schema_once import SchemaOnce


class State(StrEnum):
    """How a cluster is, in fine steps; ``seed_state`` gives the four names of the run form's users."""

    REQUESTED = "requested"
    PROVISIONING = "provisioning"
    BOOTSTRAPPING = "bootstrapping"
    VERIFYING = "verifying"
    RUNNING = "running"
    UPDATING = "updating"
    STOPPING = "stopping"
    STOPPED = "stopped"
    STARTING = "starting"
    FAILED = "failed"
    DELETING = "deleting"
    DELETED = "deleted"

    @property
    def seed_state(self) -> str:
        """NEW, INPROGRESS, FINISHED (it runs) or FAILED; a cluster that left has none of them."""
        if self is State.REQUESTED:
            return "NEW"
        if self is State.RUNNING:
            return "FINISHED"
        if self is State.FAILED:
            return "FAILED"
        if self in (State.STOPPED, State.DELETED):
            return self.value.upper()
        return "INPROGRESS"


LEGAL_CHANGES: dict[State, frozenset[State]] = {
    State.REQUESTED: frozenset({State.PROVISIONING}),
    State.PROVISIONING: frozenset({State.BOOTSTRAPPING}),
    State.BOOTSTRAPPING: frozenset({State.VERIFYING}),
    State.VERIFYING: frozenset({State.RUNNING}),
    State.RUNNING: frozenset({State.UPDATING, State.STOPPING}),
    State.UPDATING: frozenset({State.RUNNING}),
    State.STOPPING: frozenset({State.STOPPED}),
    State.STOPPED: frozenset({State.STARTING}),
    State.STARTING: frozenset({State.RUNNING}),
    State.FAILED: frozenset({State.PROVISIONING, State.VERIFYING, State.UPDATING, State.STOPPING, State.STARTING}),
    State.DELETING: frozenset({State.DELETED}),
    State.DELETED: frozenset(),
}
"""From each state, the next ones. Beside these, every state but DELETED may become FAILED or DELETING,
and every state may be said again: a repeated run says what its first try said."""


def is_legal(old: State, new: State) -> bool:
    """Tell whether a cluster may go from one state to another."""
    if old is new:
        return True
    if new in (State.FAILED, State.DELETING):
        return old is not State.DELETED
    return new in LEGAL_CHANGES[old]


PROTECTED_AT = 10
"""After how many nodes in a row that could not be brought up no more are launched."""


class Node(BaseModel):
    """One node as its provider tells it.

    ``name`` and ``address`` are how the other nodes reach it (``peer_port`` of the ground); ``ssh_host`` and
    ``ssh_port`` are how we do. ``host_key`` is the public host key that we made for it (``ssh-ed25519 AAAA...``).
    """

    model_config = ConfigDict(frozen=True)

    index: int
    name: str
    address: str
    ssh_host: str
    ssh_port: int
    host_key: str
    is_up: bool = True
    slots: int = 0


class Cluster(SchemaOnce, Block):
    """A cluster and how it is. Written before anything is made, changed by one writer at a time."""

    _block_type_name: ClassVar[str] = "Cluster"
    _block_type_slug: ClassVar[str] = "cluster"
    _description: ClassVar[str] = (
        "A cluster that Groundwork made: what was asked for, its nodes, its state. "
        "Made by create-local-cluster or create-aws-cluster; change it with the flows, not here."
    )
    _logo_url: ClassVar[HttpUrl] = logo("cluster")

    spec: LocalClusterSpec | AwsClusterSpec = Field(title="What was asked for")
    uuid: str = Field(default_factory=lambda: str(uuid4()), title="Identity, never used twice")
    state: State = Field(default=State.REQUESTED, title="State")
    seed_state: str = Field(default="NEW", title="State in short: NEW, INPROGRESS, FINISHED, FAILED")
    reason: str = Field(default="", title="Why it is in this state")
    # The richer one first: what AWS prepared has every field of the other too.
    ground: AwsGround | Ground | None = Field(default=None, title="What the place prepared")
    nodes: list[Node] = Field(default_factory=list, title="Nodes")
    failures_in_a_row: int = Field(default=0, title="Nodes in a row that could not be brought up")
    last_failure: str = Field(default="", title="Why the last of them could not")
    first_ran_at: datetime | None = Field(default=None, title="First ran at")
    creator: str = Field(default="", title="The flow run that made it")
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC), title="Made at")
    changed_at: datetime = Field(default_factory=lambda: datetime.now(UTC), title="Last changed at")

    @property
    def name(self) -> str:
        """The cluster's name, which is its document's name too."""
        return self.spec.name

    @property
    def head(self) -> Node:
        """The node that launches jobs: the one with the lowest index."""
        return min(self.nodes, key=lambda node: node.index)

    @property
    def slots(self) -> int:
        """Ranks that the whole cluster takes."""
        return sum(node.slots for node in self.nodes)

    @property
    def is_protected(self) -> bool:
        """Whether no more nodes are launched for it until somebody says so."""
        return self.failures_in_a_row >= PROTECTED_AT

    @property
    def hostfile(self) -> str:
        """The hostfile's path on every node."""
        return f"{self.require_ground().shared}/.hostfile-{self.uuid}"

    def require_ground(self) -> Ground:
        """Return the ground of a cluster that has one.

        Raises:
            ValueError: The cluster was never provisioned.
        """
        if self.ground is None:
            raise ValueError(f"cluster {self.name} has no ground yet")
        return self.ground
