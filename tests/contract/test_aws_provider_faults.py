"""Clusters in AWS although replies are lost, calls do not arrive, and EC2 tells late: nothing twice, nothing left."""

from collections.abc import Callable
from typing import Any

import pytest

from blocks.cluster import Cluster
from blocks.errors import CredentialsInvalid, GroundworkError, ProviderError
from tests.worlds.aws_clusters import Place

WHOLE = ["group", "head", "head", "head", "key", "key-pair", "placement-group", *["workers"] * 6]
BUILDING = (
    "CreateSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "ImportKeyPair",
    "CreatePlacementGroup",
    "RunInstances",
)
LATER = (
    "StopInstances",
    "TerminateInstances",
    "StartInstances",
    "DeleteSecurityGroup",
    "DeleteKeyPair",
    "DeletePlacementGroup",
)
EVER = -1
MORE_THAN_A_CLIENT_TRIES = 5
LOOKS = ("DescribeInstances", "DescribeSecurityGroups", "DescribeKeyPairs", "DescribePlacementGroups")


def build(place: Place, cluster: Cluster) -> None:
    """What the flow does before anybody is let in."""
    place.prepare(cluster)
    place.launch(cluster)


def live(place: Place, cluster: Cluster) -> None:
    """What becomes of a cluster that was built."""
    place.provider.stop(cluster)
    place.provider.start(cluster)
    place.provider.release(cluster)


def until_done(act: Callable[[Place, Cluster], None], place: Place, cluster: Cluster) -> int:
    """Run it again until it is done, as people do; return how often it failed. Each run is a process of its own."""
    for failures in range(4):
        place.provider = place.provider_of("team")
        try:
            act(place, cluster)
        except GroundworkError:
            continue
        return failures
    raise AssertionError("it is never done")


def require_whole(place: Place, cluster: Cluster) -> None:
    assert place.states(cluster) == {1: "running", 2: "running", 3: "running"}
    assert place.owned(cluster) == WHOLE
    assert len(place.nodes(cluster, "pending", "running", "shutting-down", "terminated")) == 3


def require_gone(place: Place, cluster: Cluster) -> None:
    assert place.owned(cluster) == ["key"]
    assert place.nodes(cluster, "pending", "running", "stopping", "stopped", "shutting-down") == []


@pytest.mark.parametrize(
    ("kind", "times"), [("lose_reply", 1), ("lose_reply", MORE_THAN_A_CLIENT_TRIES), ("drop", MORE_THAN_A_CLIENT_TRIES)]
)
@pytest.mark.parametrize("operation", BUILDING)
def test_building_without_replies(place: Place, operation: str, kind: str, times: int) -> None:
    """CLU-11: done and not told, or not done: once, and for all that a client tries; all is there once in the end."""
    cluster = place.cluster()
    place.aws.fault(kind, f"ec2:{operation}", times=times)
    until_done(build, place, cluster)
    require_whole(place, cluster)


@pytest.mark.parametrize("operation", LATER)
def test_the_later_life_without_replies(place: Place, operation: str) -> None:
    """CLU-12: the same for stop, start and release."""
    cluster = place.built()
    place.aws.fault("lose_reply", f"ec2:{operation}", times=MORE_THAN_A_CLIENT_TRIES)
    until_done(live, place, cluster)
    require_gone(place, cluster)


@pytest.mark.parametrize("ago", [1, 20])
@pytest.mark.parametrize("operation", LOOKS)
def test_looks_that_are_late(place: Place, operation: str, ago: int) -> None:
    """CLU-18: what was told before, or nothing at all, some times in a row: nothing doubled, no failure, no rest."""
    cluster = place.cluster()
    for act, times in ((build, 3), (build, 2), (live, 3)):
        place.aws.fault("stale", f"ec2:{operation}", times=times, ago=ago)
        act(place, cluster)
        place.aws.mend()
        if act is build:
            require_whole(place, cluster)
    require_gone(place, cluster)


def test_a_run_that_dies_between_launches_is_finished(place: Place) -> None:
    """CLU-12: the head was launched, the workers not; nobody cleaned up. EC2 does not tell of the head yet."""
    cluster = place.cluster()
    place.prepare(cluster)
    place.launch(cluster, 1)
    place.aws.fault("stale", "ec2:DescribeInstances", times=2, ago=20)
    place.launch(cluster)
    require_whole(place, cluster)


def test_half_told_launches_are_waited_out(place: Place) -> None:
    """CLU-18: EC2 tells of one of two workers: the other one is not launched again. One that ended is."""
    cluster = place.built()
    worker = next(node for node in place.nodes(cluster) if node["AmiLaunchIndex"] == 1)
    place.hide_until_somebody_sleeps(worker)
    place.launch(cluster)
    require_whole(place, cluster)
    place.ec2.terminate_instances(InstanceIds=[worker["InstanceId"]])
    place.launch(cluster)
    assert place.states(cluster) == {1: "running", 2: "running", 3: "running"}
    assert worker["InstanceId"] not in {node["InstanceId"] for node in place.nodes(cluster)}


def test_a_spent_token_is_not_taken_for_nodes(place: Place) -> None:
    """CLU-12: what a launch made was ended by hand: its token makes nothing again; another one does."""
    cluster = place.built()
    for _ in range(2):
        first = place.nodes(cluster)
        place.ec2.terminate_instances(InstanceIds=[node["InstanceId"] for node in first])
        place.aws.advance(60)
        place.launch(cluster)
        assert place.states(cluster) == {1: "running", 2: "running", 3: "running"}
        assert not {node["InstanceId"] for node in first} & {node["InstanceId"] for node in place.nodes(cluster)}


def test_doubles_are_ended(place: Place) -> None:
    """CLU-11: two launches of the same node, whatever made them: the older one stays."""
    cluster = place.built()
    first = place.provider.nodes(cluster)
    place.double(cluster, 3)
    assert place.provider.nodes(cluster) == first
    assert len(place.nodes(cluster)) == 4
    place.launch(cluster)
    assert place.states(cluster) == {1: "running", 2: "running", 3: "running"}
    assert place.provider.nodes(cluster) == first


def test_throttling_is_waited_out(place: Place) -> None:
    """CLU-17: a storm that outlasts the client's own repetitions fails nothing."""
    cluster = place.cluster()
    place.prepare(cluster)
    refusal: dict[str, Any] = {"code": "RequestLimitExceeded", "message": "Request limit exceeded.", "status": 503}
    for operation in ("RunInstances", "TerminateInstances"):
        place.aws.fault("error", f"ec2:{operation}", times=6, **refusal)
    place.launch(cluster)
    require_whole(place, cluster)
    place.provider.release(cluster)
    require_gone(place, cluster)


def test_a_new_profile_is_waited_for(place: Place) -> None:
    """CLU-11: IAM tells EC2 of a new profile late; a launch refused for it is tried again."""
    cluster = place.cluster()
    place.prepare(cluster)
    words = "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
    place.aws.fault("error", "ec2:RunInstances", times=3, code="InvalidParameterValue", message=words)
    place.launch(cluster)
    require_whole(place, cluster)
    place.aws.fault("error", "ec2:RunInstances", times=EVER, code="InvalidParameterValue", message=words)
    other = place.cluster()
    place.prepare(other)
    with pytest.raises(ProviderError, match="Invalid IAM Instance Profile"):
        place.launch(other)


def test_bad_credentials_are_not_an_empty_account(place: Place) -> None:
    """ACC-18: who is not let in sees nothing: nothing of it is taken for gone."""
    cluster = place.built(node_count=1)
    stranger = place.provider_of("team", place.stranger())
    for verb in (stranger.release, stranger.nodes, stranger.stop, stranger.start):
        with pytest.raises(CredentialsInvalid):
            verb(cluster)
    place.aws.fault("error", "ec2:DescribeSecurityGroups", times=EVER, code="AuthFailure", status=401)
    with pytest.raises(CredentialsInvalid):
        place.provider.release(cluster)
    place.aws.mend()
    assert "group" in place.owned(cluster)
    place.provider.release(cluster)
    require_gone(place, cluster)


@pytest.mark.parametrize("operation", ["TerminateInstances", "DeleteSecurityGroup", "DeleteKeyPair"])
def test_what_cannot_be_removed_is_said(place: Place, operation: str) -> None:
    """CLN-12: a deletion that fails for good says why and ends; when the cause is mended it goes on."""
    cluster = place.built(node_count=1)
    place.aws.fault("error", f"ec2:{operation}", times=EVER, code="UnauthorizedOperation", status=403)
    for _ in range(2):
        with pytest.raises(ProviderError, match="UnauthorizedOperation"):
            place.provider.release(cluster)
    place.aws.mend()
    place.provider.release(cluster)
    require_gone(place, cluster)


def test_what_somebody_else_holds_is_waited_for_and_named(place: Place) -> None:
    """CLN-12: a foreign interface in the cluster's group: the group stays, and the message says what holds it."""
    cluster = place.built(node_count=1)
    [group] = place.ground(cluster).security_groups
    subnet = place.region.private_subnets[0][1]
    asked = {"SubnetId": subnet, "Groups": [group]}
    foreign = place.ec2.create_network_interface(**asked)["NetworkInterface"]["NetworkInterfaceId"]
    with pytest.raises(GroundworkError, match=f"{group}: something else still uses it"):
        place.provider.release(cluster)
    assert place.owned(cluster) == ["group", "key"]
    place.ec2.delete_network_interface(NetworkInterfaceId=foreign)
    place.provider.release(cluster)
    require_gone(place, cluster)


def test_foreign_things_are_never_touched(place: Place) -> None:
    """CLN-09: another cluster's, another installation's, somebody's with no tag of ours, whatever they are called."""
    cluster, other = place.built(node_count=1), place.built(node_count=1)
    before = place.owned(other)
    foreign = place.plant_foreign(cluster)
    for verb in (place.provider.stop, place.provider.start, place.provider.release):
        verb(cluster)
    assert place.left_of(foreign) == foreign
    assert place.owned(other) == before
