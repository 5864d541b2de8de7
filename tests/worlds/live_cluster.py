"""A cluster of real nodes, ready for MPI, without Prefect: for tests of what happens on nodes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from blocks.cluster import Cluster, State
from blocks.cluster_key import ClusterKey
from blocks.cluster_spec import LocalClusterSpec
from blocks.local_machine import Hosts
from tasks import bring_up, keys
from tasks.providers.local.faults import LocalFaults
from tasks.providers.local.provider import LocalProvider
from tasks.ssh import Login, Session, Sessions


@dataclass
class LiveCluster:
    """A bootstrapped cluster with what a test needs to act on it and to look at it."""

    cluster: Cluster
    provider: LocalProvider
    faults: LocalFaults
    sessions: Sessions
    key: ClusterKey

    @property
    def head(self) -> Session:
        return self.sessions.to(self.cluster.head)

    @property
    def shared(self) -> Path:
        """The shared folder as this machine sees it."""
        from tasks.home import cluster_folder

        return cluster_folder(self.cluster.uuid) / "shared"

    def furnish(self) -> None:
        """Enter all nodes and put everything in place again, as after a change of nodes."""
        self.cluster.nodes = bring_up.entered_nodes(self.provider, self.cluster, self.sessions)
        bring_up.furnish(self.cluster, self.key, self.sessions)


@contextmanager
def live_cluster(
    node_count: int = 4, *, slots: int = 2, hosts: Hosts = Hosts.AUTO, name: str = "live"
) -> Iterator[LiveCluster]:
    """Bring up a cluster under the present GROUNDWORK_HOME and release it at the end."""
    spec = LocalClusterSpec(name=name, node_count=node_count, slots_per_node=slots)
    cluster = Cluster(spec=spec, state=State.RUNNING)
    provider = LocalProvider(hosts)
    private_key, public_key = keys.key_pair()
    key = ClusterKey(cluster_uuid=cluster.uuid, public_key=public_key, private_key=private_key)
    try:
        cluster.ground = provider.prepare(cluster)
        provider.launch(cluster, cluster.ground, range(1, node_count + 1), public_key=public_key)
        with Sessions(Login(cluster.ground.user, private_key)) as sessions:
            live = LiveCluster(cluster, provider, LocalFaults(), sessions, key)
            live.furnish()
            yield live
    finally:
        provider.release(cluster)
