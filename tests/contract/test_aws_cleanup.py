"""Cleaning a region: to zero, in the right order, resumable at every call (CLN-01 to CLN-15)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from blocks.errors import TimedOut, WrongState
from tasks.providers.aws.removal import order
from tasks.providers.aws.removal.deleting import Wishes
from tasks.providers.aws.removal.listing import look, look_twice_over
from tasks.providers.aws.removal.removing import remove
from tasks.providers.aws.removal.things import Area, Kind, Thing
from tests.contract.region_ground import CLUSTER, QUICK, REGION, Laid, area, running_quickly, world
from tests.worlds.aws_world import CUSTOMER, AwsWorld

ALL = Wishes(delete_bucket=True)
WRITES = ("Delete", "Detach", "Release", "Remove", "Revoke", "Schedule", "Terminate")


@pytest.fixture
def quick(prefect_worker: AwsWorld) -> Iterator[AwsWorld]:
    yield from running_quickly(prefect_worker)


DELETIONS = [
    *("ec2:DeleteVpc", "ec2:DeleteSubnet", "ec2:DeleteRouteTable", "ec2:DeleteSecurityGroup", "ec2:DeleteVpcEndpoints"),
    *("ec2:DetachInternetGateway", "ec2:DeleteInternetGateway", "ec2:DeleteNatGateway", "ec2:ReleaseAddress"),
    *("efs:DeleteFileSystem", "efs:DeleteMountTarget", "kms:ScheduleKeyDeletion", "kms:DeleteAlias"),
    *("iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DeleteInstanceProfile", "iam:RemoveRoleFromInstanceProfile"),
    *("ssm:DeleteParameter", "s3:DeleteObjects", "s3:DeleteBucket"),
]


def written(aws: AwsWorld) -> list[dict[str, Any]]:
    """Our role's calls that changed something, by the record."""
    calls = [call for call in aws.calls() if call["operation"].startswith(WRITES)]
    return [call for call in calls if "assumed-role" in call["principal"]]


def test_a_region_goes_to_zero(quick: AwsWorld) -> None:
    """CLN-03, CLN-10, CLN-11: the preview goes, no more and no less, each thing when AWS can delete it, and once.

    The key can be saved for as long as was wished. A second run finds nothing.
    """
    where, before = area(), world(quick)
    laid = Laid(quick)
    laid.fill()
    there = world(quick)
    preview = look_twice_over(where)
    assert (world(quick), written(quick)) == (there, [])
    assert {thing.kind for thing in preview.things} == set(order.AFTER) - NOT_OF_REGIONS | {
        Kind.NAT_GATEWAY,
        Kind.ENDPOINT,
        Kind.BUCKET,
    }
    assert remove(where, Wishes(delete_bucket=True, key_deletion_days=8), **QUICK) == []
    assert world(quick) == before
    assert look_twice_over(where).things == ()

    gone = set().union(*(there[name] - before[name] for name in there))
    shown = {thing.id for thing in preview.things if thing.kind is not Kind.MOUNT_TARGET}
    # The VPC's own parts: its default group and its main route table.
    assert sorted(name.partition("-")[0] for name in gone - shown) == ["rtb", "sg"]
    assert shown <= gone

    calls = written(quick)
    assert [call for call in calls if call["status"] >= 400] == []
    once = [call["operation"] for call in calls if call["operation"] not in ("DeleteSubnet", "DeleteMountTarget")]
    assert len(once) == len(set(once)) + 1, "two route tables, one of everything else"
    key = laid.client("kms").describe_key(KeyId=laid.key)["KeyMetadata"]
    now_s = max(call["world_s"] for call in calls)
    assert 7.9 < (key["DeletionDate"].timestamp() - now_s) / 86400 < 8.1
    remove(where, ALL, **QUICK)
    assert written(quick) == calls


NOT_OF_REGIONS = {Kind.VOLUME, Kind.KEY_PAIR, Kind.PLACEMENT_GROUP, Kind.NETWORK_ACL}


def test_data_stays_without_consent(quick: AwsWorld) -> None:
    """CLN-15: the bucket with all that is in it, and snapshots whatever is wished; both are told, the rest is gone."""
    where, before = area(), world(quick)
    laid = Laid(quick)
    laid.fill()
    volume = laid.ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"]
    born = laid.born("snapshot", "backup")
    snapshot = laid.ec2.create_snapshot(VolumeId=volume, TagSpecifications=born)["SnapshotId"]
    laid.ec2.delete_volume(VolumeId=volume)
    stays = {str(thing) for thing in remove(where, Wishes(), **QUICK)}
    assert stays == {f"bucket {laid.bucket}", f"snapshot {snapshot}"}
    assert {**before, "buckets": {laid.bucket}, "snapshots": {snapshot}} == world(quick)
    assert laid.client("s3").list_object_versions(Bucket=laid.bucket)["Versions"]
    assert [str(thing) for thing in remove(where, ALL, **QUICK)] == [f"snapshot {snapshot}"]


def test_what_only_the_index_knows(quick: AwsWorld) -> None:
    """CLN-04: a kind that no list of ours has, with our tag: all else goes, and the region is not called clean."""
    where, before = area(), world(quick)
    laid = Laid(quick)
    name = "/groundwork/somebody"
    laid.client("logs").create_log_group(logGroupName=name, tags=laid.owner.tags("logs"))
    with pytest.raises(WrongState, match=name) as caught:
        remove(where, ALL, **QUICK)
    assert "does not know how" in str(caught.value)
    assert world(quick) == before


class Killed(BaseException):
    """The process ended here."""


@contextmanager
def dying_after_a_write(where: Area) -> Iterator[list[str]]:
    """The process is killed when its first change was made, before it sees the answer. Yields the call's name."""
    died: list[str] = []

    def die(model: Any, **_: object) -> None:
        if model.name.startswith(WRITES):
            died.append(model.name)
            raise Killed

    services = ("ec2", "efs", "ssm", "kms", "iam", "s3")
    events = [
        where.session.client(service, region).meta.events for service in services for region in ("", where.region)
    ]
    for event in events:
        event.register_first("after-call", die, unique_id="dying")
    try:
        yield died
    except Killed:
        pass
    finally:
        for event in events:
            event.unregister("after-call", unique_id="dying")


def test_a_run_killed_after_any_call_is_finished_by_the_next(quick: AwsWorld) -> None:
    """CLN-05: each process dies of its first change; the next one goes on, until nothing is left."""
    where, before = area(), world(quick)
    laid = Laid(quick)
    laid.fill()
    killed: list[str] = []
    while True:
        with dying_after_a_write(where) as died:
            remove(where, ALL, **QUICK)
        killed += died
        if not died:
            break
        assert len(killed) < 80, killed
    assert world(quick) == before
    assert len(killed) > 20
    assert {name for name in killed if name.startswith("Delete")} >= {"DeleteVpc", "DeleteAlias", "DeleteNatGateway"}


def test_a_lost_reply_of_every_deletion_is_no_fault(quick: AwsWorld) -> None:
    """CLN-05, CLN-06: what was asked was done; asked again, it is gone already."""
    where, before = area(), world(quick)
    Laid(quick).fill()
    for name in DELETIONS:
        quick.fault("lose_reply", name)
    assert remove(where, ALL, **QUICK) == []
    assert world(quick) == before
    lost = [call for call in quick.calls() if "lose_reply" in call["faults"]]
    assert len(lost) == len(DELETIONS)


def test_a_wrong_order_is_refused_by_the_world(quick: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLN-03: the control: without the order AWS refuses, and the region does not go in one pass."""
    where = area()
    laid = Laid(quick)
    quick.speed(0)
    monkeypatch.setattr(order, "AFTER", {})
    with pytest.raises(TimedOut) as caught:
        remove(where, ALL, **QUICK | {"limit_s": 0.5})
    assert "VPC" in str(caught.value)
    assert "dependencies" in str(caught.value)
    assert laid.vpc in world(quick)["networks"]


def by_hand(laid: Laid, kind: Kind, thing: Thing) -> None:
    """Remove one thing as somebody does in the console, where AWS lets him."""
    calls: dict[Kind, Any] = {
        Kind.MOUNT_TARGET: lambda: laid.efs.delete_mount_target(MountTargetId=thing.id),
        Kind.NAT_GATEWAY: lambda: laid.ec2.delete_nat_gateway(NatGatewayId=thing.id),
        Kind.ENDPOINT: lambda: laid.ec2.delete_vpc_endpoints(VpcEndpointIds=[thing.id]),
        Kind.PARAMETER: lambda: laid.client("ssm").delete_parameter(Name=thing.id),
        Kind.KEY: lambda: laid.client("kms").schedule_key_deletion(KeyId=thing.id),
        Kind.ALIAS: lambda: laid.client("kms").delete_alias(AliasName=thing.id),
        Kind.BUCKET: lambda: laid.client("s3").delete_bucket(Bucket=thing.id),
        Kind.PROFILE: lambda: unmake_profile(laid),
    }
    calls[kind]()


def unmake_profile(laid: Laid) -> None:
    iam = laid.client("iam")
    iam.remove_role_from_instance_profile(InstanceProfileName=laid.role, RoleName=laid.role)
    iam.delete_instance_profile(InstanceProfileName=laid.role)


def test_what_somebody_removed_before_us_is_as_good_as_done(quick: AwsWorld) -> None:
    """CLN-03, CLN-06: one of each kind that can be removed by hand first; and groups that name each other."""
    where, before = area(), world(quick)
    laid = Laid(quick)
    one, two = laid.new_group("one", "one"), laid.new_group("two", "two")
    for group, other in ((one, two), (two, one), (laid.group, one), (one, one)):
        rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": other}]}
        laid.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    wanted = [
        Kind.MOUNT_TARGET,
        Kind.NAT_GATEWAY,
        Kind.ENDPOINT,
        Kind.PARAMETER,
        Kind.KEY,
        Kind.ALIAS,
        Kind.BUCKET,
        Kind.PROFILE,
    ]
    for kind in wanted:
        by_hand(laid, kind, next(thing for thing in look(where).ours if thing.kind is kind))
    quick.advance(300)
    remove(where, ALL, **QUICK)
    assert world(quick) == before


def test_clusters_that_no_record_knows(quick: AwsWorld) -> None:
    """CLN-01, CLN-02: told, and taken only where that was wished; then their node goes before the network."""
    where, before = area(), world(quick)
    laid = Laid(quick)
    node = laid.cluster()
    there = world(quick)
    with pytest.raises(WrongState, match="no record knows") as caught:
        remove(where, ALL, **QUICK)
    assert CLUSTER in str(caught.value)
    assert f"node {node}" in str(caught.value)
    assert world(quick) == there
    remove(where, Wishes(delete_bucket=True, remove_orphans=True), **QUICK)
    assert world(quick) == before


def test_another_region_and_another_installation_are_not_seen(quick: AwsWorld) -> None:
    """SEC-05, CLN-09: two Groundworks in one account and region, and one in two regions."""
    ours = Laid(quick)
    elsewhere, theirs = Laid(quick, region="us-east-2"), Laid(quick, installation="9999aaaabbbb")
    theirs.cluster()
    here, there = area(), area(installation="9999aaaabbbb")
    far = world(quick, "us-east-2")
    seen, others = {thing.key for thing in look_twice_over(here).things}, look_twice_over(there).things
    assert seen.isdisjoint({thing.key for thing in others})
    remove(here, ALL, **QUICK)
    left = world(quick)
    assert ours.vpc not in left["networks"]
    assert {thing.key for thing in look_twice_over(there).things} == {thing.key for thing in others}
    assert left["networks"] >= {theirs.vpc}
    assert left["roles"] >= {theirs.role, elsewhere.role}
    assert far == world(quick, "us-east-2") | {
        "roles": far["roles"],
        "profiles": far["profiles"],
        "buckets": far["buckets"],
    }
    assert elsewhere.bucket in left["buckets"]
    assert CUSTOMER in theirs.bucket
