"""What stands beside a network of the user's for nodes in it: shared files of ours; the network stays as it was."""

from contextlib import suppress
from typing import Any

import pytest

from blocks.aws_account import AwsAccount, Feature, Variant
from blocks.errors import BadInput, NotFound, PlaceFailed, PlaceUnreachable, TimedOut
from tasks.providers.aws import own_ground, own_network, policies
from tasks.providers.aws.naming import PART_TAG, Owner
from tasks.providers.aws.region.ground import RegionGround
from tasks.providers.aws.region.site import Site
from tasks.providers.aws.removal.deleting import Wishes
from tasks.providers.aws.removal.removing import remove
from tasks.providers.aws.removal.things import Area
from tasks.providers.aws.session import assumed
from tests.contract import own_ground as users
from tests.contract.least_rights import EXTERNAL_ID, role
from tests.contract.own_ground import REGION, Own
from tests.contract.region_ground import QUICK, world
from tests.worlds.aws_regions import Standing, again, quick
from tests.worlds.aws_world import CUSTOMER, AwsWorld

OWNER = Owner("lab")


class Place:
    """The customer's account with a network of the customer's, and our role with the rights of a variant."""

    def __init__(self, aws: AwsWorld, variant: Variant) -> None:
        quick(aws)
        self.aws = aws
        self.own: Own = users.own_network(aws.client("ec2"))
        self.bounds = {"vpc_id": self.own.vpc, "instance_profile": "nodes"} if variant is Variant.RESTRICTED else {}
        documents: Any = policies.permission_policies(
            variant, [Feature.EFS], account_id=CUSTOMER, installation="lab", **self.bounds
        )
        session = assumed(role("groundwork-access", documents), EXTERNAL_ID, REGION)
        self.site = Site(session, REGION, OWNER, CUSTOMER, pace=0.05)
        self.account = AwsAccount(external_id="x", account_id=CUSTOMER, variant=variant, **self.bounds)  # type: ignore[arg-type]
        self.standing = Standing(aws)

    def lay(self, site: Site | None = None, **told: Any) -> RegionGround:
        return own_ground.lay(site or self.site, self.account, self.own.spec(**told))

    def find(self, **told: Any) -> RegionGround | None:
        return own_ground.find(self.site.session, self.account, self.own.spec(**told), OWNER)

    def targets(self, ground: RegionGround) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.standing.to("efs").describe_mount_targets(
            FileSystemId=ground.file_system_id
        )["MountTargets"]
        return found


@pytest.fixture
def automated(prefect_worker: AwsWorld) -> Place:
    return Place(prefect_worker, Variant.AUTOMATED)


@pytest.fixture
def restricted(prefect_worker: AwsWorld) -> Place:
    return Place(prefect_worker, Variant.RESTRICTED)


def test_beside_a_network_of_the_users(automated: Place) -> None:
    """NET-02: shared files with our key in the given subnet, open to the network; nothing of the network is ours."""
    own, standing = automated.own, automated.standing
    before = world(automated.aws)
    assert automated.find() is None
    ground = automated.lay()
    own_ground.wait_files(automated.site, ground)
    assert automated.lay(again(automated.site)) == ground
    found = automated.find()
    assert found is not None
    assert (found.file_system_id, found.key_arn, found.bucket) == (ground.file_system_id, ground.key_arn, ground.bucket)
    assert (found.instance_profile, found.private_subnets) == (ground.instance_profile, ground.private_subnets)
    assert ground.private_subnets == ground.public_subnets == ((f"{REGION}a", own.subnets["private-a"]),)
    assert standing.parts() == ["bucket", "key", "shared-files", "shared-files-group"]
    [system] = standing.to("efs").describe_file_systems()["FileSystems"]
    assert (system["FileSystemId"], system["KmsKeyId"]) == (ground.file_system_id, ground.key_arn)
    [target] = automated.targets(ground)
    assert (target["SubnetId"], target["LifeCycleState"]) == (own.subnets["private-a"], "available")
    [group] = own.ec2.describe_security_groups(GroupIds=[ground.files_group_id])["SecurityGroups"]
    [rule] = group["IpPermissions"]
    assert (rule["FromPort"], [one["CidrIp"] for one in rule["IpRanges"]]) == (2049, [users.CIDR])
    # The user's own things bear no tag of ours: the index of tags tells the four above alone.
    assert own_network.check(automated.site.session, own.spec()) == []
    assert remove(Area(automated.site.session, REGION, "lab", CUSTOMER), Wishes(delete_bucket=True), **QUICK) == []
    assert world(automated.aws) == before


def test_in_a_restricted_account(restricted: Place) -> None:
    """NET-02: AWS's own keys, the user's group and instance profile; all that we make is the shared files."""
    ground = restricted.lay()
    own_ground.wait_files(restricted.site, ground)
    assert restricted.lay(again(restricted.site)) == ground == restricted.find()
    assert (ground.key_arn, ground.bucket, ground.instance_profile) == ("", "", "nodes")
    assert restricted.standing.parts() == ["shared-files"]
    [system] = restricted.standing.to("efs").describe_file_systems()["FileSystems"]
    assert system["Encrypted"] is True
    [target] = restricted.targets(ground)
    interface = {"NetworkInterfaceIds": [target["NetworkInterfaceId"]]}
    [told] = restricted.own.ec2.describe_network_interfaces(**interface)["NetworkInterfaces"]
    assert [one["GroupId"] for one in told["Groups"]] == [restricted.own.group]
    with pytest.raises(BadInput, match="security_group_id"):
        restricted.lay(security_group_id="")


def test_two_subnets_of_one_zone(automated: Place) -> None:
    """NET-02: a file system has one mount target in a zone: it serves both subnets, and nobody waits for a second."""
    first = automated.lay()
    other = automated.lay(again(automated.site), subnet_id=automated.own.subnets["public-a"])
    own_ground.wait_files(automated.site, other)
    assert other.file_system_id == first.file_system_id
    assert len(automated.targets(first)) == 1
    third = automated.lay(again(automated.site), subnet_id=automated.own.subnets["private-b"])
    own_ground.wait_files(automated.site, third)
    assert {one["AvailabilityZoneName"] for one in automated.targets(first)} == {f"{REGION}a", f"{REGION}b"}


def test_each_network_has_its_own_files(automated: Place) -> None:
    """NET-02: a file system is mounted in one network only, and no cluster finds another network's."""
    ground = automated.lay()
    other = users.own_network(automated.aws.client("ec2"), "10.40.0.0/16")
    told = {"vpc_id": other.vpc, "subnet_id": other.subnets["private-a"], "security_group_id": other.group}
    assert automated.find(**told) is None
    there = automated.lay(again(automated.site), **told)
    assert there.file_system_id != ground.file_system_id
    assert there.key_arn == ground.key_arn


def test_a_subnet_of_the_networks_further_addresses(automated: Place) -> None:
    """NET-02: a VPC may have several blocks: nodes of each reach the shared files."""
    ec2, vpc = automated.own.ec2, automated.own.vpc
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="100.64.0.0/16")
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="100.64.1.0/24", AvailabilityZone=f"{REGION}b")
    automated.lay()
    for _ in range(2):
        ground = automated.lay(again(automated.site), subnet_id=made["Subnet"]["SubnetId"])
    [group] = ec2.describe_security_groups(GroupIds=[ground.files_group_id])["SecurityGroups"]
    admitted = {(rule["FromPort"], one["CidrIp"]) for rule in group["IpPermissions"] for one in rule["IpRanges"]}
    assert admitted == {(2049, users.CIDR), (2049, "100.64.1.0/24")}


def test_a_subnet_that_is_gone(automated: Place) -> None:
    """NET-02: nothing is made beside what is not there."""
    with pytest.raises(NotFound, match="subnet-0123456789abcdef0"):
        automated.lay(subnet_id="subnet-0123456789abcdef0")
    assert automated.standing.parts() == []


def test_cut_off_it_is_finished_by_the_next_run(restricted: Place) -> None:
    """NET-02: whatever became of a call, there is one file system with one mount target in the end."""
    site = restricted.site
    for kind, operation in (
        ("drop", "CreateFileSystem"),
        ("lose_reply", "CreateFileSystem"),
        ("drop", "CreateMountTarget"),
        ("lose_reply", "CreateMountTarget"),
    ):
        restricted.aws.fault(kind, f"efs:{operation}", times=5)
        with suppress(PlaceUnreachable, PlaceFailed, TimedOut):
            restricted.lay(site)
        restricted.aws.mend()
        site = again(site)
    ground = restricted.lay(site)
    own_ground.wait_files(site, ground)
    assert [tags[PART_TAG] for tags in restricted.standing.tagged().values()] == ["shared-files"]
    assert len(restricted.targets(ground)) == 1
