"""How nodes are made on a machine: what each of the three ways must do."""

from collections.abc import Collection
from typing import Protocol

from tasks.providers.local.layout import Place


class Tier(Protocol):
    """One way to make nodes. Files of the cluster and its nodes are there before it is called.

    Calls that change something run under the cluster's lock, whose descriptor they get as ``lock``.
    """

    port: int
    """Where nodes listen for us, in every cluster; 0: on a port chosen for the cluster."""
    has_own_network: bool
    """Whether nodes have addresses, a root folder and links of their own."""
    says: str
    """What it is, for people."""

    def missing(self) -> str:
        """Return what this machine lacks for it; empty where a try is worth while."""
        ...

    def start(self, place: Place, indexes: Collection[int], *, lock: int) -> None:
        """Start these nodes where they are not up, side by side.

        Raises:
            NoCapacity: With the reason. Some of them may be up.
        """
        ...

    def up(self, place: Place) -> set[int]:
        """Return the indexes of the nodes that are up. Speaks to no node."""
        ...

    def kill(self, place: Place, indexes: Collection[int]) -> None:
        """End these nodes with all their processes, and return when they are gone."""
        ...

    def clear(self, place: Place) -> None:
        """End everything of the cluster, and return when it is gone; files stay."""
        ...
