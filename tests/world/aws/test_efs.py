"""EFS in the world: states by the clock, tokens, and what a mount target holds (OPS-24)."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.world.aws.refusals import refused
from tests.worlds.aws_world import INSTALLATION, AwsWorld

LONG_S = 60


class Ground:
    """A network with one subnet and one group, and a file system that is available."""

    def __init__(self, aws: AwsWorld) -> None:
        self.ec2, self.efs = aws.client("ec2"), aws.client("efs")
        self.vpc_id = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet_id = self.subnet("10.0.1.0/24", "us-east-1a")
        self.group_id = self.group("nfs", self.vpc_id)
        self.id = self.efs.create_file_system(CreationToken="one")["FileSystemId"]
        aws.advance(LONG_S)

    def subnet(self, cidr: str, zone: str) -> str:
        made = self.ec2.create_subnet(VpcId=self.vpc_id, CidrBlock=cidr, AvailabilityZone=zone)
        return str(made["Subnet"]["SubnetId"])

    def group(self, name: str, vpc_id: str) -> str:
        return str(self.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc_id)["GroupId"])

    def mount(self, **told: Any) -> dict[str, Any]:
        asked = {"FileSystemId": self.id, "SubnetId": self.subnet_id, "SecurityGroups": [self.group_id], **told}
        made: dict[str, Any] = self.efs.create_mount_target(**asked)
        return made

    def state(self) -> str:
        return str(self.efs.describe_file_systems(FileSystemId=self.id)["FileSystems"][0]["LifeCycleState"])

    def interfaces(self) -> list[Any]:
        found = self.ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [self.vpc_id]}])
        return list(found["NetworkInterfaces"])


@pytest.fixture
def ground(aws: AwsWorld) -> Ground:
    """A network and a file system in it."""
    return Ground(aws)


def test_a_file_system_comes_and_goes_by_the_clock(aws: AwsWorld) -> None:
    """Moto's is available at once and gone at once: who never waits would never be found out."""
    efs = aws.client("efs")
    aws.speed(0)
    made = efs.create_file_system(CreationToken="one", Encrypted=True, Tags=[{"Key": "Name", "Value": "lab"}])
    assert made["LifeCycleState"] == "creating"
    assert made["KmsKeyId"].startswith("arn:aws:kms:us-east-1:")

    def states() -> list[str]:
        return [system["LifeCycleState"] for system in efs.describe_file_systems()["FileSystems"]]

    assert states() == ["creating"]
    assert efs.describe_tags(FileSystemId=made["FileSystemId"])["Tags"] == [{"Key": "Name", "Value": "lab"}]
    refused("FileSystemNotFound", efs.describe_tags, FileSystemId="fs-01234567")
    aws.advance(LONG_S)
    assert states() == ["available"]
    efs.update_file_system(FileSystemId=made["FileSystemId"], ThroughputMode="elastic")
    assert states() == ["updating"]
    aws.advance(LONG_S)
    assert efs.describe_file_systems()["FileSystems"][0]["ThroughputMode"] == "elastic"
    efs.delete_file_system(FileSystemId=made["FileSystemId"])
    efs.delete_file_system(FileSystemId=made["FileSystemId"])
    assert states() == ["deleting"]
    aws.advance(LONG_S)
    assert states() == []
    refused("FileSystemNotFound", efs.delete_file_system, FileSystemId=made["FileSystemId"])


def test_a_creation_token_finds_what_exists(aws: AwsWorld) -> None:
    """Who lost the first reply finds the file system's id in the refusal, and it is there only once."""
    efs = aws.client("efs")
    made = efs.create_file_system(CreationToken="one")["FileSystemId"]
    with pytest.raises(ClientError) as error:
        efs.create_file_system(CreationToken="one", Tags=[{"Key": "a", "Value": "b"}])
    assert error.value.response["Error"]["Code"] == "FileSystemAlreadyExists"
    assert error.value.response["FileSystemId"] == made
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert len(efs.describe_file_systems(CreationToken="one")["FileSystems"]) == 1
    aws.client("efs", INSTALLATION).create_file_system(CreationToken="one")
    aws.client("efs", region="eu-west-1").create_file_system(CreationToken="one")


def test_a_lost_reply_leaves_one_file_system(aws: AwsWorld) -> None:
    """boto3 asks again by itself with the same token, and then hears that it exists."""
    aws.fault("lose_reply", "efs:CreateFileSystem")
    refused("FileSystemAlreadyExists", aws.client("efs").create_file_system, CreationToken="one")
    assert len(aws.client("efs").describe_file_systems()["FileSystems"]) == 1


def test_what_a_mount_target_wants(aws: AwsWorld, ground: Ground) -> None:
    """Each refusal has its own advice; moto makes most of these."""
    efs = ground.efs
    other_vpc = ground.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    fresh = efs.create_file_system(CreationToken="two")["FileSystemId"]
    refused("IncorrectFileSystemLifeCycleState", ground.mount, FileSystemId=fresh)
    refused("FileSystemNotFound", ground.mount, FileSystemId="fs-00000000000000000")
    refused("SubnetNotFound", ground.mount, SubnetId="subnet-00000000000000000")
    refused("SecurityGroupNotFound", ground.mount, SecurityGroups=["sg-00000000000000000"])
    refused("SecurityGroupNotFound", ground.mount, SecurityGroups=[ground.group("far", other_vpc)])
    refused(
        "SecurityGroupLimitExceeded", ground.mount, SecurityGroups=[ground.group(f"g{n}", other_vpc) for n in "123456"]
    )
    made = ground.mount(IpAddress="10.0.1.77")
    assert made["LifeCycleState"] == "creating"
    refused("MountTargetConflict", ground.mount)
    aws.advance(LONG_S)
    refused("IpAddressInUse", ground.mount, FileSystemId=fresh, IpAddress="10.0.1.77")
    told = efs.describe_mount_targets(FileSystemId=ground.id)["MountTargets"]
    assert [(target["LifeCycleState"], target["IpAddress"]) for target in told] == [("available", "10.0.1.77")]


def test_a_one_zone_file_system_is_mounted_in_its_zone(aws: AwsWorld, ground: Ground) -> None:
    """A mount target in another zone is refused, not made and unused."""
    one_zone = ground.efs.create_file_system(CreationToken="z", AvailabilityZoneName="us-east-1b")["FileSystemId"]
    aws.advance(LONG_S)
    refused("AvailabilityZonesMismatch", ground.mount, FileSystemId=one_zone)
    ground.mount(FileSystemId=one_zone, SubnetId=ground.subnet("10.0.2.0/24", "us-east-1b"))


def test_a_subnet_without_addresses_takes_no_mount_target(aws: AwsWorld, ground: Ground) -> None:
    """A /28 has eleven addresses; the twelfth is refused."""
    small = ground.subnet("10.0.9.0/28", "us-east-1c")
    for _ in range(11):
        ground.ec2.create_network_interface(SubnetId=small)
    refused("NoFreeAddressesInSubnet", ground.mount, SubnetId=small)


def test_a_mount_target_holds_its_network_until_it_is_gone(aws: AwsWorld, ground: Ground) -> None:
    """Deleting the subnet or the group before the mount target is gone is the commonest wrong order of a cleanup."""
    ec2, efs = ground.ec2, ground.efs
    aws.speed(0)
    target = ground.mount()["MountTargetId"]
    aws.advance(LONG_S)
    (interface,) = ground.interfaces()
    assert (interface["Status"], interface["RequesterManaged"]) == ("in-use", True)
    assert ground.id in interface["Description"]
    assert [group["GroupId"] for group in interface["Groups"]] == [ground.group_id]
    refused("InvalidParameterValue", ec2.delete_network_interface, NetworkInterfaceId=interface["NetworkInterfaceId"])
    refused("FileSystemInUse", efs.delete_file_system, FileSystemId=ground.id)
    efs.delete_mount_target(MountTargetId=target)
    assert efs.describe_mount_targets(MountTargetId=target)["MountTargets"][0]["LifeCycleState"] == "deleting"
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=ground.subnet_id)
    refused("DependencyViolation", ec2.delete_security_group, GroupId=ground.group_id)
    refused("FileSystemInUse", efs.delete_file_system, FileSystemId=ground.id)
    aws.advance(LONG_S)
    ec2.delete_subnet(SubnetId=ground.subnet_id)
    ec2.delete_security_group(GroupId=ground.group_id)
    refused("MountTargetNotFound", efs.describe_mount_targets, MountTargetId=target)
    efs.delete_file_system(FileSystemId=ground.id)
    assert ground.interfaces() == []


def test_a_mount_target_gives_its_address_back(aws: AwsWorld, ground: Ground) -> None:
    """A remade mount target may have the same address."""
    target = ground.mount(IpAddress="10.0.1.77")["MountTargetId"]
    aws.advance(LONG_S)
    ground.efs.delete_mount_target(MountTargetId=target)
    aws.advance(LONG_S)
    assert ground.mount(IpAddress="10.0.1.77")["IpAddress"] == "10.0.1.77"


def test_groups_of_a_mount_target(aws: AwsWorld, ground: Ground) -> None:
    """Without groups it gets the network's default one; others may be put on it when it is available."""
    efs = ground.efs
    target = ground.mount(SecurityGroups=[])["MountTargetId"]
    change = {"MountTargetId": target, "SecurityGroups": [ground.group_id]}
    refused("IncorrectMountTargetState", efs.modify_mount_target_security_groups, **change)
    aws.advance(LONG_S)
    default = ground.ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [ground.vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"][0]["GroupId"]
    assert efs.describe_mount_target_security_groups(MountTargetId=target)["SecurityGroups"] == [default]
    efs.modify_mount_target_security_groups(**change)
    assert [group["GroupId"] for group in ground.interfaces()[0]["Groups"]] == [ground.group_id]
    wrong = {**change, "SecurityGroups": ["sg-00000000000000000"]}
    refused("SecurityGroupNotFound", efs.modify_mount_target_security_groups, **wrong)


def test_what_else_efs_refuses(aws: AwsWorld, ground: Ground) -> None:
    """Each of these moto accepts, or stumbles over."""
    efs = ground.efs
    nowhere = "fs-00000000000000000"
    refused("BadRequest", efs.create_file_system, CreationToken="a", ThroughputMode="provisioned")
    refused("BadRequest", efs.create_file_system, CreationToken="a", Encrypted=True, KmsKeyId="alias/nothing")
    refused("FileSystemNotFound", efs.describe_access_points, FileSystemId=nowhere)
    refused("AccessPointNotFound", efs.describe_mount_targets, AccessPointId="fsap-00000000000000000")
    refused("AccessPointNotFound", efs.delete_access_point, AccessPointId="fsap-00000000000000000")
    refused("FileSystemNotFound", efs.tag_resource, ResourceId=nowhere, Tags=[{"Key": "a", "Value": "b"}])
    refused("FileSystemNotFound", efs.list_tags_for_resource, ResourceId=nowhere)
    refused("FileSystemNotFound", efs.describe_backup_policy, FileSystemId=nowhere)
    refused("PolicyNotFound", efs.describe_backup_policy, FileSystemId=ground.id)
    refused("InvalidPolicyException", efs.put_file_system_policy, FileSystemId=ground.id, Policy="{}")
    efs.put_backup_policy(FileSystemId=ground.id, BackupPolicy={"Status": "ENABLED"})
    assert efs.describe_backup_policy(FileSystemId=ground.id)["BackupPolicy"]["Status"] == "ENABLED"
    aws.settings(limits={"L-848C634D": 1})
    refused("FileSystemLimitExceeded", efs.create_file_system, CreationToken="b")


def test_access_points(aws: AwsWorld, ground: Ground) -> None:
    """They come and go by the clock as well, and one token makes one."""
    efs = ground.efs
    aws.speed(0)
    asked = {"ClientToken": "x", "FileSystemId": ground.id, "PosixUser": {"Uid": 1000, "Gid": 1000}}
    made = efs.create_access_point(**asked)
    with pytest.raises(ClientError) as error:
        efs.create_access_point(**asked)
    assert error.value.response["AccessPointId"] == made["AccessPointId"]

    def states() -> list[str]:
        return [point["LifeCycleState"] for point in efs.describe_access_points()["AccessPoints"]]

    assert states() == ["creating"]
    aws.advance(LONG_S)
    assert states() == ["available"]
    efs.delete_access_point(AccessPointId=made["AccessPointId"])
    assert states() == ["deleting"]
    aws.advance(LONG_S)
    assert states() == []
