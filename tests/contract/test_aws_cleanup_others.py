"""Cleaning a region where not all is ours, or not all goes well: told by name, nothing of others touched."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.aws_account import Feature
from blocks.errors import AccessDenied, CredentialsInvalid, TimedOut, WrongState
from tasks.providers.aws.naming import Owner, listed
from tasks.providers.aws.removal.deleting import Wishes
from tasks.providers.aws.removal.listing import look_twice_over
from tasks.providers.aws.removal.removing import remove
from tests.contract.foreign_things import ALMOST_OURS, in_the_way, plant
from tests.contract.region_ground import QUICK, SPEED, US, Laid, area, running_quickly, world
from tests.world.aws.launches import launch
from tests.worlds.aws_world import AwsWorld

ALL = Wishes(delete_bucket=True)


@pytest.fixture
def quick(prefect_worker: AwsWorld) -> Iterator[AwsWorld]:
    yield from running_quickly(prefect_worker)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_what_is_not_ours_survives(quick: AwsWorld, data: Any) -> None:
    """CLN-09, SEC-05: one of each kind, without tags or with almost ours: the same before and after."""
    quick.reset()
    quick.speed(SPEED)
    where = area()
    plant(quick, lambda: data.draw(st.sampled_from(ALMOST_OURS)))
    before = world(quick)
    assert look_twice_over(where).things == ()
    Laid(quick)
    remove(where, ALL, **QUICK)
    assert world(quick) == before


def test_what_is_in_the_way_is_named_and_nothing_is_touched(quick: AwsWorld) -> None:
    """CLN-06, CLN-09: each thing of others that stands in our network, or holds on to something of ours."""
    where = area()
    laid = Laid(quick)
    planted = {kind: make() for kind, make in in_the_way(laid).items()}
    quick.advance(120)
    there = world(quick)
    with pytest.raises(WrongState) as caught:
        remove(where, ALL, **QUICK)
    assert {kind: name for kind, name in planted.items() if name not in str(caught.value)} == {}
    assert "goes on where this one ended" in caught.value.advice
    assert world(quick) == there


def test_a_cleaning_that_was_held_up_goes_on(quick: AwsWorld) -> None:
    """CLN-06: somebody's interface comes into our network in the middle; once it is gone, the rest goes."""
    where, before = area(), world(quick)
    laid = Laid(quick)
    interface = in_the_way(laid)["interface"]
    theirs: list[str] = []

    def tell(line: str) -> None:
        if not theirs and "NAT gateway" in line:
            theirs.append(interface())

    with pytest.raises((WrongState, TimedOut)) as caught:
        remove(where, ALL, **QUICK | {"limit_s": 5.0}, tell=tell)
    assert theirs[0] in str(caught.value)
    assert theirs[0] in world(quick)["interfaces"]
    laid.ec2.delete_network_interface(NetworkInterfaceId=theirs[0])
    remove(where, ALL, **QUICK)
    assert world(quick) == before


def test_what_has_our_name_and_not_our_tag_is_found(quick: AwsWorld) -> None:
    """CLN-04, CLN-09: what lost its tag is not deleted, and not passed over: the region is not called clean."""
    where, before = area(), world(quick)
    laid = Laid(quick)
    named = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "Name", "Value": "groundwork-address"}]}]
    address = laid.ec2.allocate_address(Domain="vpc", TagSpecifications=named)["AllocationId"]
    laid.client("iam").untag_role(RoleName=laid.role, TagKeys=["groundwork:installation"])
    pair = laid.ec2.create_key_pair(KeyName="groundwork-somebody")["KeyPairId"]
    with pytest.raises(WrongState, match="without its tag") as caught:
        remove(where, ALL, **QUICK)
    for name in (address, laid.role, pair):
        assert name in str(caught.value)
    left = world(quick)
    assert left["networks"] == before["networks"]
    assert (left["addresses"], left["key pairs"]) == ({address}, {pair})
    assert laid.role in left["roles"]


def test_a_role_that_somebody_changed_is_named(quick: AwsWorld) -> None:
    """CLN-06, CLN-12: everything else goes; the reason is AWS's own, with how often it was tried."""
    where, before = area(), world(quick)
    laid, iam = Laid(quick), quick.client("iam")
    policy = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    iam.attach_role_policy(RoleName=laid.role, PolicyArn=policy)
    with pytest.raises(WrongState, match=rf"role {laid.role}: .*detach.* \(4 tries\)"):
        remove(where, ALL, **QUICK)
    assert world(quick) == {**before, "roles": before["roles"] | {laid.role}}
    iam.detach_role_policy(RoleName=laid.role, PolicyArn=policy)
    remove(where, ALL, **QUICK)
    assert world(quick) == before


LISTS = [
    *("ec2:DescribeVpcs", "ec2:DescribeSecurityGroups", "ec2:DescribeNatGateways", "ec2:DescribeAddresses"),
    *("efs:DescribeFileSystems", "ssm:DescribeParameters", "kms:ListAliases", "iam:GetRole", "s3:GetBucketLocation"),
    "resourcegroupstaggingapi:GetResources",
]


def test_credentials_that_fail_never_look_like_nothing_left(quick: AwsWorld) -> None:
    """ACC-18: each list in turn is refused, at first and after all was gone: no run says that the region is clean."""
    where = area()
    Laid(quick)
    there = world(quick)
    for name in LISTS:
        quick.fault("error", name, times=-1, code=CODES.get(name.partition(":")[0], "UnrecognizedClientException"))
        with pytest.raises(CredentialsInvalid):
            remove(where, ALL, **QUICK)
        quick.mend()
    assert world(quick) == there
    remove(where, ALL, **QUICK)
    for name in LISTS:
        quick.fault("error", name, times=-1, code=CODES.get(name.partition(":")[0], "UnrecognizedClientException"))
        with pytest.raises(CredentialsInvalid):
            remove(where, ALL, **QUICK)
        quick.mend()


CODES = {"ec2": "AuthFailure", "iam": "InvalidClientTokenId", "s3": "InvalidAccessKeyId"}


def test_a_policy_that_does_not_let_us_look(quick: AwsWorld) -> None:
    """ACC-18: an account whose policies lack a feature is not clean; the action is named."""
    where = area(features=[Feature.CLUSTERS, Feature.NETWORKS])
    Laid(quick)
    there = world(quick)
    with pytest.raises(AccessDenied, match="elasticfilesystem:DescribeFileSystems"):
        remove(where, ALL, **QUICK)
    assert world(quick) == there


def test_a_deletion_that_never_succeeds(quick: AwsWorld) -> None:
    """CLN-12: state, reason and tries are told when the time is over; later it goes on."""
    where, before = area(), world(quick)
    laid = Laid(quick)
    quick.fault("error", "ec2:DeleteSubnet", times=-1, code="DependencyViolation", message="it has dependencies")
    with pytest.raises(TimedOut) as caught:
        remove(where, ALL, **QUICK | {"limit_s": 6.0})
    said = str(caught.value)
    assert all(f"subnet {subnet}: " in said for subnet in laid.subnets.values())
    assert "it has dependencies" in said
    assert f"VPC {laid.vpc}: waits for others" in said
    first = laid.subnets["public-subnet-1"]
    tries = [call["at_s"] for call in quick.calls("ec2:DeleteSubnet") if call["params"]["SubnetId"] == first]
    assert f"({len(tries)} tries)" in said
    assert world(quick)["nat"] == before["nat"]
    quick.mend()
    remove(where, ALL, **QUICK)
    assert world(quick) == before


def test_throttling_and_stale_answers(quick: AwsWorld) -> None:
    """CLN-04: a describe call that misses what is there is no proof; AWS that is busy is asked later."""
    where, before = area(), world(quick)
    Laid(quick)
    for name in ("ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeNatGateways", "efs:DescribeFileSystems"):
        quick.fault("stale", name, ago=20, principal="assumed-role", times=1)
    quick.fault("error", "ec2:DescribeRouteTables", nth=2, times=7, code="RequestLimitExceeded", status=503)
    remove(where, ALL, **QUICK)
    assert world(quick) == before


def test_a_key_that_took_our_name(quick: AwsWorld) -> None:
    """CLN-06, CLN-09: somebody pointed our alias at a key of his: neither is touched, and the alias is told."""
    where = area()
    laid, kms = Laid(quick), quick.client("kms")
    theirs = kms.create_key()["KeyMetadata"]["Arn"]
    kms.update_alias(AliasName=f"alias/groundwork-{US}", TargetKeyId=theirs)
    with pytest.raises(WrongState, match=f"key alias alias/groundwork-{US}"):
        remove(where, ALL, **QUICK)
    left = world(quick)
    assert left["keys"] == {theirs}
    assert left["aliases"] == {f"alias/groundwork-{US}"}
    assert laid.vpc not in left["networks"]


def test_shared_files_in_a_network_of_the_users(quick: AwsWorld) -> None:
    """CLN-06, CLN-09: ours go, the network stays as it was; a node of the user's in our group is named first."""
    where, owner = area(), Owner(US)
    ec2, efs = quick.client("ec2"), quick.client("efs")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    quick.advance(5)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/20")["Subnet"]["SubnetId"]
    before = world(quick)
    group = ec2.create_security_group(
        GroupName="files", Description="-", VpcId=vpc, TagSpecifications=owner.born("security-group", "files")
    )["GroupId"]
    files = efs.create_file_system(CreationToken="ours", Tags=listed(owner.tags("shared-files")))["FileSystemId"]
    quick.advance(60)
    efs.create_mount_target(FileSystemId=files, SubnetId=subnet, SecurityGroups=[group])
    [node] = launch(ec2, SubnetId=subnet, SecurityGroupIds=[group])
    quick.advance(60)
    there = world(quick)
    with pytest.raises(WrongState, match=node["InstanceId"]):
        remove(where, ALL, **QUICK)
    assert world(quick) == there
    ec2.terminate_instances(InstanceIds=[node["InstanceId"]])
    quick.advance(120)
    remove(where, ALL, **QUICK)
    assert world(quick) == before
