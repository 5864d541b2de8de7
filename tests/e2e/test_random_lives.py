"""Random acts and faults on a real cluster: it never takes an edge that must not be, and its record tells the truth."""

import json
import random
import threading
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

from blocks.cluster import Cluster, State
from blocks.errors import GroundworkError
from flows.cluster_life import delete_cluster, resize_cluster, start_cluster, stop_cluster, verify_cluster
from flows.local_clusters import create_local_cluster
from tasks import records
from tasks.providers.local.faults import LocalFaults
from tasks.providers.local.provider import LocalProvider
from tests.worlds.flow_runs import wait_until
from tests.worlds.prefect_server import PrefectServer

ACTS, SEED = 8, 1
AT_REST = {State.RUNNING, State.STOPPED, State.FAILED}

# Said again here, apart from the product's own table: what may follow what.
EDGES = {
    "requested": {"provisioning"},
    "provisioning": {"bootstrapping"},
    "bootstrapping": {"verifying"},
    "verifying": {"running"},
    "running": {"updating", "stopping"},
    "updating": {"running"},
    "stopping": {"stopped"},
    "stopped": {"starting"},
    "starting": {"running"},
    "failed": {"provisioning", "verifying", "updating", "stopping", "starting"},
    "deleting": {"deleted"},
}


def states_told(house: PrefectServer, uuid: str) -> list[str]:
    """The states that were told as events, in their order."""
    wanted = {
        "filter": {"resource": {"id": [f"groundwork.cluster.{uuid}"]}, "event": {"prefix": ["groundwork."]}},
        "limit": 50,
    }
    found: list[dict[str, Any]] = []
    page: str | None = f"{house.api}/events/filter"
    body: bytes | None = json.dumps(wanted).encode()
    while page:
        request = urllib.request.Request(page, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.load(answer)
        found, page, body = found + told["events"], told["next_page"], None
    return [event["payload"]["state"] for event in sorted(found, key=lambda event: event["occurred"])]


def kill_one(chance: random.Random, cluster: Cluster) -> None:
    up = [node.index for node in LocalProvider().nodes(cluster) if node.is_up]
    if up:
        with suppress(GroundworkError):  # it went by itself meanwhile
            LocalFaults().kill(cluster, chance.choice(up))


def acts(chance: random.Random) -> dict[str, Callable[[Cluster], object]]:
    return {
        "verify": lambda cluster: verify_cluster(cluster=cluster),
        "resize": lambda cluster: resize_cluster(cluster=cluster, node_count=chance.randint(1, 3)),
        "stop": lambda cluster: stop_cluster(cluster=cluster),
        "start": lambda cluster: start_cluster(cluster=cluster),
        "create": lambda _: create_local_cluster(name="random", node_count=2, slots_per_node=1),
        "kill": lambda cluster: kill_one(chance, cluster),
    }


def test_no_life_takes_an_illegal_edge(house: PrefectServer) -> None:
    """CLU-09: whatever people and faults do, in whatever order."""
    chance = random.Random(SEED)
    create_local_cluster(name="random", node_count=2, slots_per_node=1)
    cluster = records.read("random")
    done = ["create"]
    try:
        for _ in range(ACTS):
            name = chance.choice(list(acts(chance)))
            fault = threading.Timer(chance.uniform(0.05, 0.6), kill_one, (chance, cluster))
            if chance.random() < 0.25:
                fault.start()
            try:
                acts(chance)[name](cluster)
                done.append(name)
            except GroundworkError as error:
                done.append(f"{name}: {type(error).__name__}")
            if fault.ident is not None:
                fault.join()
            require_true(records.read("random"), done)
    finally:
        delete_cluster(cluster=cluster)
    told = wait_until(
        lambda: (seen := states_told(house, cluster.uuid)) and seen[-1] == "deleted" and seen, what="the last event"
    )
    edges = [(old, new) for old, new in pairwise(told) if old != new]
    wrong = [(old, new) for old, new in edges if new not in EDGES[old] | {"failed", "deleting"}]
    assert wrong == [], (done, told)


def require_true(cluster: Cluster, done: list[str]) -> None:
    """A cluster at rest is what its record says: nobody is up who is not told, and none of another's is there."""
    assert cluster.state in AT_REST, done
    nodes = {node.index: node.is_up for node in LocalProvider().nodes(cluster)}
    if cluster.state is State.STOPPED:
        assert not any(nodes.values()), done
    if cluster.state is State.RUNNING:
        assert set(nodes) == {node.index for node in cluster.nodes} == set(range(1, cluster.spec.node_count + 1)), done
