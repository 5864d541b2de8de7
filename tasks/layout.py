"""Where a job's ranks go: which nodes, and how many on each. Pure."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from blocks.cluster import Node
from blocks.errors import BadInput
from blocks.job import JobSpec


class Layout(BaseModel):
    """The nodes that get ranks, in order, and how many each gets. ``is_hostfiles``: the hostfile says the same."""

    model_config = ConfigDict(frozen=True)

    nodes: list[Node]
    counts: list[int]
    is_hostfiles: bool = True

    @property
    def ranks(self) -> int:
        """All ranks."""
        return sum(self.counts)

    @property
    def threads(self) -> int:
        """How many threads each rank may have, so that none shares a core: the fewest on any node, at least one."""
        each = zip(self.nodes, self.counts, strict=True)
        return max(min(node.slots // count for node, count in each), 1)

    @property
    def hosts(self) -> str:
        """Nodes and ranks as ``mpiexec -hosts`` takes them; empty: the hostfile will do."""
        if self.is_hostfiles:
            return ""
        return ",".join(f"{node.address}:{count}" for node, count in zip(self.nodes, self.counts, strict=True))


def layout_of(spec: JobSpec, nodes: Sequence[Node]) -> Layout:
    """Lay out the ranks that a job asks for.

    Raises:
        BadInput: There is no such node, or not room enough, with the field.
    """
    chosen = _chosen(spec, nodes)
    room = sum(spec.ranks_per_node or node.slots for node in chosen)
    for node in chosen:
        if spec.ranks_per_node > node.slots:
            raise BadInput(
                f"{spec.ranks_per_node} is more than the {node.slots} slots of {node.name}", where="ranks_per_node"
            )
    if spec.ranks > room:
        raise BadInput(f"{spec.ranks} is more than the {room} slots of the nodes that may be taken", where="ranks")
    is_hostfiles = not spec.only_on and not spec.ranks_per_node
    return laid_out(chosen, ranks=spec.ranks or room, per_node=spec.ranks_per_node, is_hostfiles=is_hostfiles)


def _chosen(spec: JobSpec, nodes: Sequence[Node]) -> list[Node]:
    missing = set(spec.only_on) - {node.index for node in nodes}
    if missing:
        told = ", ".join(str(number) for number in sorted(missing))
        raise BadInput(f"the cluster has no node {told}", where="only_on", advice="Its nodes are counted from 1.")
    return [node for node in nodes if not spec.only_on or node.index in spec.only_on]


def laid_out(nodes: Sequence[Node], *, ranks: int, per_node: int = 0, is_hostfiles: bool = True) -> Layout:
    """Fill nodes in their order, as hydra does, until all ranks have a place."""
    taken: list[Node] = []
    counts: list[int] = []
    for node in nodes:
        count = min(per_node or node.slots, ranks - sum(counts))
        if count > 0:
            taken.append(node)
            counts.append(count)
    return Layout(nodes=taken, counts=counts, is_hostfiles=is_hostfiles)
