"""From launched nodes to nodes that are entered, counted and furnished."""

from concurrent.futures import ThreadPoolExecutor

from blocks.cluster import Cluster, Node
from blocks.cluster_key import ClusterKey
from blocks.errors import NodeDown
from tasks import bootstrap, shared_folder
from tasks.providers.base import Provider
from tasks.ssh import Sessions


def entered_nodes(provider: Provider, cluster: Cluster, sessions: Sessions) -> list[Node]:
    """Log in to all nodes a cluster has, side by side, and return them with their slots, the shared folder at hand.

    Raises:
        TimedOut: With the names of the nodes that do not have the shared folder, and what they say.
        NodeDown: With the names of the nodes that are down.
        NodeUnreachable: With the names of the nodes that do not let us in.
        HostKeyChanged: A node shows another key than the one made for it.
    """
    nodes = nodes_all_up(provider, cluster)
    open_sessions = sessions.to_all(nodes)
    shared_folder.wait_until_shared(cluster.require_ground(), open_sessions)
    if cluster.spec.slots_per_node:
        return [node.model_copy(update={"slots": cluster.spec.slots_per_node}) for node in nodes]
    python = cluster.require_ground().python
    with ThreadPoolExecutor(max_workers=16) as pool:
        cores = pool.map(lambda session: bootstrap.see(session, python), open_sessions)
        return [node.model_copy(update={"slots": seen}) for node, seen in zip(nodes, cores, strict=True)]


def nodes_all_up(provider: Provider, cluster: Cluster) -> list[Node]:
    """Return the nodes a cluster has, if all are up.

    Raises:
        NodeDown: With the names of those that are down.
    """
    nodes = provider.nodes(cluster)
    down = [node.name for node in nodes if not node.is_up]
    if down:
        raise NodeDown("down", where=", ".join(down), advice="Run start-cluster.")
    return nodes


def furnish(cluster: Cluster, key: ClusterKey, sessions: Sessions) -> None:
    """Put keys, scripts and hostfiles onto the shared folder and open the head's connections to all nodes."""
    head = sessions.to(cluster.head)
    bootstrap.require_launcher(head)
    bootstrap.furnish(head, cluster, key)
    bootstrap.warm_up(head, cluster)
