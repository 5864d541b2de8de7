"""What is asked for when a cluster is made, whatever the place."""

import hashlib

from pydantic import BaseModel, ConfigDict

from blocks.names import Name, NodeCount, SlotCount


class ClusterSpec(BaseModel):
    """What every place for clusters is asked for: `node_count` nodes in an account, ``<block type>/<document>``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    node_count: NodeCount = 4
    slots_per_node: SlotCount = 0
    account: str

    @property
    def digest(self) -> str:
        """A hash of the whole definition: equal through every door it came in by."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class LocalClusterSpec(ClusterSpec):
    """A cluster of nodes on a machine."""

    account: str = "local-machine/this-machine"
