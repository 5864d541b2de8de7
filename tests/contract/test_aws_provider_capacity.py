"""Where AWS has no room, or the account no quota: all of a cluster in the next zone, or nothing, or what was wished."""

from typing import Any

import pytest

from blocks.cluster import Cluster
from blocks.errors import NoCapacity, PlaceFailed, QuotaExceeded
from tests.worlds.aws.limits import VCPUS_STANDARD
from tests.worlds.aws_clusters import Place

A, B = "us-east-1a", "us-east-1b"
WORKER, HEAD = "c5.xlarge", "m5.large"
THINGS = ["group", "key", "key-pair", "placement-group"]
RUNNING = {1: "running", 2: "running", 3: "running"}


def no_room(place: Place, **types: list[str]) -> None:
    """No node of these types starts in zone a, or b."""
    place.aws.settings(no_capacity={f"us-east-1{zone}": names for zone, names in types.items()})


def error(place: Place, code: str, times: int = 1, **told: Any) -> None:
    place.aws.fault("error", "ec2:RunInstances", code=code, times=times, status=500, **told)


def require_things_only(place: Place, cluster: Cluster) -> None:
    """No node is left, and, when those that end have ended, no disk and no interface."""
    assert place.states(cluster) == {}
    place.aws.advance(60)
    assert place.owned(cluster) == THINGS


@pytest.mark.parametrize("lacking", [HEAD, WORKER])
def test_all_nodes_go_to_the_next_zone(place: Place, lacking: str) -> None:
    """CLU-15: also when the head found room in the first one and the workers did not: a cluster is in one zone."""
    no_room(place, a=[lacking])
    cluster = place.built(head_type=HEAD)
    assert (place.states(cluster), place.zones(cluster)) == (RUNNING, {B})
    place.provider.release(cluster)
    assert place.owned(cluster) == ["key"]


def test_no_zone_has_room(place: Place) -> None:
    """CLU-15: it stops with a table of what was tried; nothing of the call is left, and nothing is tried twice."""
    no_room(place, a=[WORKER], b=[WORKER])
    cluster = place.cluster(head_type=HEAD)
    place.prepare(cluster)
    before = len(place.calls("RunInstances"))
    with pytest.raises(NoCapacity, match=f"{A}.*InsufficientInstanceCapacity.*{B}.*InsufficientInstanceCapacity"):
        place.launch(cluster)
    assert len(place.calls("RunInstances")) - before == 4
    require_things_only(place, cluster)
    place.aws.settings(no_capacity={})
    place.launch(cluster)
    assert place.states(cluster) == RUNNING


def test_a_type_that_a_zone_does_not_sell(place: Place) -> None:
    """CLU-15: EC2 says "Unsupported" of it, and that is the zone's word too."""
    words = f"Your requested instance type ({WORKER}) is not supported in your requested Availability Zone ({A})."
    cluster = place.cluster()
    place.prepare(cluster)
    error(place, "Unsupported", message=words)
    place.launch(cluster)
    assert (place.states(cluster), place.zones(cluster)) == (RUNNING, {B})


def test_the_zone_that_was_asked_for_is_the_only_one(place: Place) -> None:
    """CLU-02: nodes elsewhere would be a surprise on the bill of traffic."""
    no_room(place, b=[WORKER])
    cluster = place.cluster(zone=B)
    place.prepare(cluster)
    with pytest.raises(NoCapacity, match=B) as caught:
        place.launch(cluster)
    assert A not in str(caught.value)
    require_things_only(place, cluster)


def test_a_cluster_that_ran_stays_in_its_zone(place: Place) -> None:
    """CLU-15: its head has people's files on its disk; what stood before the call stands after it."""
    cluster = place.built(head_type=HEAD)
    cluster.first_ran_at = cluster.created_at
    before = place.provider.nodes(cluster)
    no_room(place, a=[WORKER])
    with pytest.raises(NoCapacity, match=A):
        place.launch(cluster, 1, 2, 3, 4, 5)
    assert place.provider.nodes(cluster) == before
    assert place.zones(cluster) == {A}


def test_a_move_that_died_is_finished(place: Place) -> None:
    """CLU-12: the head was launched in the first zone, the process died, and there is no room for the workers."""
    cluster = place.cluster(head_type=HEAD)
    place.prepare(cluster)
    place.launch(cluster, 1)
    no_room(place, a=[WORKER])
    place.launch(cluster)
    assert (place.states(cluster), place.zones(cluster)) == (RUNNING, {B})


@pytest.mark.parametrize("code", ["VcpuLimitExceeded", "InstanceLimitExceeded"])
@pytest.mark.parametrize("launches", [1, 2])
def test_a_quota_is_final(place: Place, code: str, launches: int) -> None:
    """CLU-16: exactly one call for a launch: it is the same in each zone, and later; the message names it.

    Head and workers are two launches, asked for side by side.
    """
    cluster = place.cluster()
    place.prepare(cluster)
    before = len(place.calls("RunInstances"))
    error(place, code, times=-1, message="You have requested more vCPU capacity than your current vCPU limit of 5")
    with pytest.raises(QuotaExceeded, match="vCPU limit of 5"):
        place.launch(cluster, *[1] * (launches == 1))
    tokens = [call["params"]["ClientToken"] for call in place.calls("RunInstances")[before:]]
    assert len(tokens) == len(set(tokens)) == launches
    require_things_only(place, cluster)


def test_a_quota_that_holds_the_head_only(place: Place) -> None:
    """CLU-16: what the call made before it met the quota is ended."""
    place.aws.settings(limits={VCPUS_STANDARD: 8})
    cluster = place.cluster(head_type=HEAD)
    place.prepare(cluster)
    with pytest.raises(QuotaExceeded):
        place.launch(cluster)
    require_things_only(place, cluster)


@pytest.mark.parametrize(
    ("on_failure", "minimum", "left"),
    [("remove", 1, {}), ("keep", 1, {1: "running"}), ("go-on-smaller", 3, {1: "running", 2: "running", 3: "running"})],
)
def test_room_for_some(place: Place, on_failure: str, minimum: int, left: dict[int, str]) -> None:
    """CLU-13: room for two of four workers; three wishes, three worlds."""
    place.aws.settings(capacity={A: {WORKER: 2}, B: {WORKER: 1}})
    cluster = place.cluster(node_count=5, head_type=HEAD, on_failure=on_failure, minimum_nodes=minimum)
    place.prepare(cluster)
    for _ in range(2):
        if on_failure == "go-on-smaller":
            place.launch(cluster)
        else:
            with pytest.raises(NoCapacity):
                place.launch(cluster)
        place.aws.advance(60)
        assert place.states(cluster) == left


def test_fewer_than_the_least_is_nothing(place: Place) -> None:
    """CLU-13: a cluster may be smaller, not as small as you like."""
    place.aws.settings(capacity={A: {WORKER: 2}, B: {WORKER: 1}})
    cluster = place.cluster(node_count=5, head_type=HEAD, on_failure="go-on-smaller", minimum_nodes=4)
    place.prepare(cluster)
    with pytest.raises(NoCapacity):
        place.launch(cluster)
    require_things_only(place, cluster)


def test_the_smallest_zone_that_will_do(place: Place) -> None:
    """CLU-13: the first zone has room for too few, the second for enough."""
    place.aws.settings(capacity={A: {WORKER: 1}, B: {WORKER: 3}})
    cluster = place.cluster(node_count=5, head_type=HEAD, on_failure="go-on-smaller", minimum_nodes=3)
    place.prepare(cluster)
    place.launch(cluster)
    assert (sorted(place.states(cluster)), place.zones(cluster)) == ([1, 2, 3, 4], {B})


def test_launches_that_break_are_seen(place: Place) -> None:
    """CLU-19: EC2 took the call and ended a node instead of running it: it says why, and so do we; nothing is left."""
    cluster = place.cluster()
    place.prepare(cluster)
    place.aws.settings(broken_launches=1)
    with pytest.raises(PlaceFailed, match=r"node [12] .*Client\.InternalError"):
        place.launch(cluster)
    require_things_only(place, cluster)
    place.launch(cluster)
    assert place.states(cluster) == RUNNING


def test_many_nodes_are_few_calls(place: Place) -> None:
    """CLU-15: the number of calls that change something does not grow with the nodes; EC2 may tell in many pages."""
    place.aws.settings(page_size=7)
    before = len(place.aws.calls())
    cluster = place.built(node_count=24, node_type="t3.micro", head_type="t3.micro", head_disk_gib=256)
    asked = [call["operation"] for call in place.aws.calls()[before:] if not call["operation"].startswith("Describe")]
    assert asked.count("RunInstances") == 2
    assert len(place.states(cluster)) == 24
    place.provider.terminate(cluster, range(13, 25))
    assert sorted(place.states(cluster)) == list(range(1, 13))
    place.provider.release(cluster)
    assert place.owned(cluster) == ["key"]
