"""Clusters on this machine: real SSH hosts, by the best of three ways that works here."""

import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from blocks.cluster import Cluster, Node
from blocks.cluster_spec import ClusterSpec
from blocks.errors import ProviderError, QuotaExceeded, WrongState
from blocks.ground import Ground
from blocks.local_machine import Hosts
from tasks.home import cluster_folder, home
from tasks.providers.local import choice, layout, sshd
from tasks.providers.local.folders import delete, locked, make
from tasks.providers.local.layout import Place
from tasks.providers.local.tier import Tier

_NODE_MIB = 16


@dataclass(frozen=True)
class _Hold:
    """A cluster under its lock."""

    place: Place
    tier: Tier
    lock: int

    def launched(self, index: int) -> Path:
        """The file that says that a node was made to its end."""
        return self.place.node(index) / "launched"

    def start(self, indexes: Collection[int]) -> None:
        self.tier.start(self.place, indexes, lock=self.lock)

    def remove(self, indexes: Collection[int]) -> None:
        self.tier.kill(self.place, indexes)
        for index in indexes:
            delete(self.place.node(index))


class LocalProvider:
    """A place for clusters on this machine; see ``tasks.providers.base`` for the promises.

    Args:
        hosts: How nodes are made; ``auto`` takes the best way that works, and a cluster keeps to it.
    """

    def __init__(self, hosts: Hosts = Hosts.AUTO) -> None:
        self.hosts = hosts

    def check(self, spec: ClusterSpec) -> None:
        """Refuse a cluster that this machine's memory cannot hold.

        Raises:
            QuotaExceeded: With the numbers.
        """
        needed_mib, free_mib = spec.node_count * _NODE_MIB, _free_memory_mib()
        if needed_mib > free_mib:
            raise QuotaExceeded(
                f"{spec.node_count} nodes need about {needed_mib} MiB of memory, {free_mib} MiB are free",
                where="node_count",
                advice="Ask for fewer nodes.",
            )

    def prepare(self, cluster: Cluster) -> Ground:
        """Choose how nodes are made, once for the cluster, and make its folder. A second call returns the same.

        Raises:
            NoCapacity: No way, or not the one asked for, works on this machine; with the reasons.
        """
        folder = cluster_folder(cluster.uuid)
        make(folder)
        with locked(folder):
            place = Place.read(folder)
            if place is None:
                place = choice.place_for(folder.resolve(), cluster.uuid, self.hosts)
                sshd.write_cluster_files(place)
                place.write()
        return _ground(place)

    def launch(self, cluster: Cluster, ground: Ground, indexes: Collection[int], *, public_key: str) -> None:  # noqa: ARG002
        """Make the nodes with these indexes where they are missing.

        Raises:
            NoCapacity: With the reason; nothing of this call is left.
            WrongState: The cluster was never prepared.
        """
        with _held(cluster) as hold:
            missing = [index for index in sorted(set(indexes)) if not hold.launched(index).exists()]
            try:
                for index in missing:
                    self._write_node(hold, index, public_key)
                hold.start(missing)
            except ProviderError:
                hold.remove(missing)
                raise
            for index in missing:
                hold.launched(index).touch()

    def _write_node(self, hold: _Hold, index: int, public_key: str) -> None:
        node_address, port = choice.listens_at(hold.place, hold.tier, index)
        sshd.write_node_files(hold.place, index, address=node_address, port=port, public_key=public_key)

    def nodes(self, cluster: Cluster) -> list[Node]:
        """Return the nodes that exist, sorted by index. Speaks to no node and waits for nobody."""
        place = Place.read(cluster_folder(cluster.uuid))
        if place is None:
            return []
        tier = choice.TIERS[Hosts(place.tier)]
        indexes, up = layout.indexes(place), tier.up(place)
        found = []
        for index in indexes:
            with suppress(FileNotFoundError):
                found.append(sshd.told_node(place, index, has_own_network=tier.has_own_network, is_up=index in up))
        return found

    def stop(self, cluster: Cluster) -> None:
        """Stop all nodes; their files, addresses and host keys stay."""
        with suppress(WrongState), _held(cluster) as hold:
            hold.tier.clear(hold.place)

    def start(self, cluster: Cluster) -> None:
        """Start all nodes that are stopped or dead, also after this machine was restarted."""
        with _held(cluster) as hold:
            hold.start(layout.indexes(hold.place))

    def terminate(self, cluster: Cluster, indexes: Collection[int]) -> None:
        """Remove these nodes for good, host keys included."""
        with suppress(WrongState), _held(cluster) as hold:
            hold.remove(sorted(set(indexes) & set(layout.indexes(hold.place))))

    def release(self, cluster: Cluster) -> None:
        """Remove everything: processes, networks, files. Returns when all of it is gone."""
        folder = cluster_folder(cluster.uuid)
        with suppress(FileNotFoundError), locked(folder):
            place = Place.read(folder)
            if place is not None:
                choice.TIERS[Hosts(place.tier)].clear(place)
            delete(folder)
        delete(folder)  # One that was never made to its end, or never released to its end, has no lock.


def clusters() -> list[str]:
    """Return the uuids of all clusters that own something on this machine, under the present home."""
    folder = home() / "clusters"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def _ground(place: Place) -> Ground:
    own_network = choice.TIERS[Hosts(place.tier)].has_own_network
    return Ground(
        user=place.user,
        shared="/shared" if own_network else str(place.shared),
        python=sys.executable,
        mpiexec=str(Path(sys.executable).parent / "mpiexec"),
        peer_port=22 if own_network else place.port,
        is_here=True,
        says=place.says,
    )


@contextmanager
def _held(cluster: Cluster) -> Iterator[_Hold]:
    """Hold a cluster that stands.

    Raises:
        WrongState: It does not, or was released while we waited.
    """
    folder = cluster_folder(cluster.uuid)
    nothing = WrongState("nothing of it stands on this machine", where=cluster.name)
    if Place.read(folder) is None:
        raise nothing
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(locked(folder))
        except FileNotFoundError as error:
            raise nothing from error
        place = Place.read(folder)
        if place is None:
            raise nothing
        yield _Hold(place, choice.TIERS[Hosts(place.tier)], lock)


def _free_memory_mib() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return sys.maxsize
