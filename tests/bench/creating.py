"""A cluster's making: from nothing to a login on every node."""

from functools import partial

from blocks.cluster import Cluster
from blocks.cluster_spec import LocalClusterSpec
from blocks.local_machine import Hosts
from tasks import keys
from tasks.providers.local.provider import LocalProvider
from tasks.ssh import Login, Sessions
from tests.bench.report import Goal, Row, time_s

OURS = "ours"
MOST_GROWTH = 1.5


def measure(nodes: int, rounds: int) -> Row:
    """Make a cluster of this many nodes, enter all of them, and release it; the release is not timed."""
    row = Row("create and enter", nodes)
    for _ in range(rounds):
        row.times_s.setdefault(OURS, []).append(_create(nodes))
    return row


def goals(rows: list[Row]) -> list[Goal]:
    """What a node costs must not grow with the number of nodes."""
    first, *others = sorted(rows, key=lambda row: row.nodes)
    return [
        Goal(
            f"create: a node of {row.nodes} / a node of {first.nodes}",
            (row.median_s(OURS) / row.nodes) / (first.median_s(OURS) / first.nodes),
            MOST_GROWTH,
        )
        for row in others
    ]


def _create(nodes: int) -> float:
    provider = LocalProvider(Hosts.AUTO)
    cluster = Cluster(spec=LocalClusterSpec(name="bench", node_count=nodes, slots_per_node=1))
    private_key, public_key = keys.key_pair()
    try:
        return time_s(partial(_launch_and_enter, provider, cluster, private_key, public_key))
    finally:
        provider.release(cluster)


def _launch_and_enter(provider: LocalProvider, cluster: Cluster, private_key: str, public_key: str) -> None:
    ground = provider.prepare(cluster)
    indexes = range(1, cluster.spec.node_count + 1)
    provider.launch(cluster, ground, indexes, public_key=public_key)
    with Sessions(Login(ground.user, private_key), timeout_s=120) as sessions:
        assert len(sessions.to_all(provider.nodes(cluster))) == cluster.spec.node_count
