"""What others have in the account: near our things, tagged almost as they are, or in their way."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.contract.region_ground import REGION, US, Laid
from tests.world.aws.launches import launch
from tests.worlds.aws_world import AwsWorld

TAG = "groundwork:installation"
ALMOST_OURS: list[dict[str, str]] = [
    {},
    {"Name": "network"},
    {"Name": US},
    {TAG: "anothers"},
    {TAG: f"{US}x", "Name": "groundwork-network"},
    {TAG: US[:-1]},
    {TAG.upper(): US},
    {"installation": US, "Name": f"my-groundwork-{US}"},
]
"""Tags of things that are not ours."""


def plant(aws: AwsWorld, draw: Callable[[], Mapping[str, str]]) -> None:
    """Make one of each kind that is not ours, each with tags of its own."""

    def born(kind: str) -> list[dict[str, Any]]:
        tags = as_list(draw())
        return [{"ResourceType": kind, "Tags": tags}] if tags else []

    ec2, efs, kms = aws.client("ec2"), aws.client("efs"), aws.client("kms")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=born("vpc"))["Vpc"]["VpcId"]
    aws.advance(5)
    subnet = ec2.create_subnet(
        VpcId=vpc, CidrBlock="10.0.0.0/20", AvailabilityZone=f"{REGION}a", TagSpecifications=born("subnet")
    )["Subnet"]["SubnetId"]
    ec2.create_route_table(VpcId=vpc, TagSpecifications=born("route-table"))
    ec2.create_internet_gateway(TagSpecifications=born("internet-gateway"))
    group = ec2.create_security_group(
        GroupName="shared-files-group", Description="-", VpcId=vpc, TagSpecifications=born("security-group")
    )["GroupId"]
    ec2.create_network_interface(SubnetId=subnet, Groups=[group], TagSpecifications=born("network-interface"))
    ec2.allocate_address(Domain="vpc", TagSpecifications=born("elastic-ip"))
    ec2.create_key_pair(KeyName="key", TagSpecifications=born("key-pair"))
    ec2.create_placement_group(GroupName="group", Strategy="cluster", TagSpecifications=born("placement-group"))
    ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1, TagSpecifications=born("volume"))
    launch(ec2, SubnetId=subnet, SecurityGroupIds=[group], TagSpecifications=born("instance"))
    files = efs.create_file_system(CreationToken="theirs", Tags=as_list(draw()))["FileSystemId"]
    aws.advance(60)
    efs.create_mount_target(FileSystemId=files, SubnetId=subnet, SecurityGroups=[group])
    key = kms.create_key(Tags=[{"TagKey": name, "TagValue": value} for name, value in draw().items()])["KeyMetadata"]
    kms.create_alias(AliasName=f"alias/groundwork-{US}x", TargetKeyId=key["KeyId"])
    aws.client("ssm").put_parameter(Name=f"/groundwork/{US}x/nodes/settings", Value="x", Type="String")
    aws.client("ssm").put_parameter(Name="/theirs", Value="x", Type="String", Tags=as_list(draw()))
    _identity(aws, f"groundwork-node-{US}x-{REGION}", draw())
    aws.client("s3").create_bucket(Bucket=f"groundwork-{US}x-222222222222-{REGION}")


def _identity(aws: AwsWorld, name: str, tags: Mapping[str, str]) -> None:
    iam = aws.client("iam")
    trusting = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trusting]})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, Tags=as_list(tags))
    iam.create_instance_profile(InstanceProfileName=name, Tags=as_list(tags))
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def in_the_way(laid: Laid) -> dict[str, Callable[[], str]]:
    """How somebody puts something of his into our network, or onto it; each returns the id by which it is told."""
    every = (_default_group, _group, _interface, _table, _subnet, _files, _nat, _acl, _node)
    return {make.__name__.strip("_"): partial(make, laid, laid.subnets["private-subnet-2"]) for make in every}


def _default_group(laid: Laid, _: str) -> str:
    wanted = [{"Name": "vpc-id", "Values": [laid.vpc]}, {"Name": "group-name", "Values": ["default"]}]
    [found] = laid.ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]
    rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": laid.group}]}
    laid.ec2.authorize_security_group_ingress(GroupId=found["GroupId"], IpPermissions=[rule])
    return str(found["GroupId"])


def _group(laid: Laid, _: str) -> str:
    return str(laid.ec2.create_security_group(GroupName="theirs", Description="-", VpcId=laid.vpc)["GroupId"])


def _interface(laid: Laid, subnet: str) -> str:
    made = laid.ec2.create_network_interface(SubnetId=subnet, Groups=[laid.group])
    return str(made["NetworkInterface"]["NetworkInterfaceId"])


def _table(laid: Laid, _: str) -> str:
    return str(laid.ec2.create_route_table(VpcId=laid.vpc)["RouteTable"]["RouteTableId"])


def _subnet(laid: Laid, _: str) -> str:
    return str(laid.ec2.create_subnet(VpcId=laid.vpc, CidrBlock="10.0.64.0/20")["Subnet"]["SubnetId"])


def _files(laid: Laid, subnet: str) -> str:
    theirs = laid.efs.create_file_system(CreationToken="theirs")["FileSystemId"]
    laid.aws.advance(60)
    laid.efs.create_mount_target(FileSystemId=theirs, SubnetId=subnet)
    return str(theirs)


def _nat(laid: Laid, subnet: str) -> str:
    made = laid.ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")
    return str(made["NatGateway"]["NatGatewayId"])


def _acl(laid: Laid, _: str) -> str:
    return str(laid.ec2.create_network_acl(VpcId=laid.vpc)["NetworkAcl"]["NetworkAclId"])


def _node(laid: Laid, subnet: str) -> str:
    return str(launch(laid.ec2, SubnetId=subnet)[0]["InstanceId"])
