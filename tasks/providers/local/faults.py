"""What a test can do to local nodes: power cuts everywhere, cut links where nodes have links of their own."""

from blocks.cluster import Cluster
from blocks.errors import WrongState
from blocks.local_machine import Hosts
from tasks.home import cluster_folder
from tasks.providers.local import choice
from tasks.providers.local.layout import Place
from tasks.providers.local.namespaces import Namespaces


class LocalFaults:
    """The faults of clusters that stand on this machine.

    Args:
        hosts: How their nodes are made; only ``can_cut`` asks for it.
    """

    def __init__(self, hosts: Hosts = Hosts.AUTO) -> None:
        self._hosts = hosts

    @property
    def can_cut(self) -> bool:
        """Whether nodes made like this here have links of their own."""
        return choice.chosen(self._hosts).tier.has_own_network

    def kill(self, cluster: Cluster, index: int) -> None:
        """Kill a node with all its processes at once."""
        place = _place(cluster)
        choice.TIERS[Hosts(place.tier)].kill(place, [index])

    def cut(self, cluster: Cluster, index: int) -> None:
        """Cut a node's link: packets are lost in both directions.

        Raises:
            WrongState: Its nodes have no links of their own.
        """
        place = _place(cluster)
        _with_links(place).cut(place, index)

    def mend(self, cluster: Cluster, index: int) -> None:
        """Restore a cut link.

        Raises:
            WrongState: Its nodes have no links of their own.
        """
        place = _place(cluster)
        _with_links(place).mend(place, index)


def _place(cluster: Cluster) -> Place:
    place = Place.read(cluster_folder(cluster.uuid))
    if place is None:
        raise WrongState("nothing of it stands on this machine", where=cluster.name)
    return place


def _with_links(place: Place) -> Namespaces:
    tier = choice.TIERS[Hosts(place.tier)]
    if not isinstance(tier, Namespaces):
        raise WrongState(f"nodes made by {place.tier} have no links to cut", where="this machine")
    return tier
