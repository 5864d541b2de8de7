"""What is asked for when a cluster is made, whatever the place."""

import hashlib
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from blocks.names import Name, NodeCount, SlotCount

InitScript = Annotated[
    # A carriage return, as text from Windows has it, would be part of the interpreter's name.
    str,
    Field(max_length=10240, pattern=r"^(#!/[^\s\x00][^\x00]*)?$"),
    AfterValidator(lambda text: text.replace("\r\n", "\n")),
]
"""A script whose first line names its interpreter, as #!/usr/bin/env bash; empty: none."""

InitScriptMinutes = Annotated[int, Field(ge=1, le=120)]


class InitScriptRuns(StrEnum):
    """When a node's init script runs: before what we put on nodes for MPI, or after that."""

    FIRST = "first"
    LAST = "last"


class ClusterSpec(BaseModel):
    """What every place for clusters is asked for: `node_count` nodes in an account, ``<block type>/<document>``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    node_count: NodeCount = 4
    slots_per_node: SlotCount = 0
    account: str
    init_script: InitScript = ""
    init_script_runs: InitScriptRuns = InitScriptRuns.LAST
    init_script_minutes: InitScriptMinutes = 10

    @property
    def digest(self) -> str:
        """A hash of the whole definition: equal through every door it came in by."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class LocalClusterSpec(ClusterSpec):
    """A cluster of nodes on a machine."""

    account: str = "local-machine/this-machine"
