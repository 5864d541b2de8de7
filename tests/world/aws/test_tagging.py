"""The tagging API in the world: what has tags is found, here and nowhere else (OPS-24, CLU-38)."""

from typing import Any

import pytest

from tests.world.aws.refusals import refused
from tests.worlds.aws_world import INSTALLATION, AwsWorld

OURS = {"Key": "groundwork:cluster", "Value": "lab"}


def kinds_of(arns: list[str]) -> list[str]:
    """Return service and kind out of ARNs."""
    return sorted(f"{arn.split(':')[2]}:{arn.split(':', 5)[5].partition('/')[0]}" for arn in arns)


def found(tagging: Any, **asked: Any) -> list[str]:
    """Return the ARNs of all pages."""
    pages = tagging.get_paginator("get_resources").paginate(**asked)
    return [told["ResourceARN"] for page in pages for told in page["ResourceTagMappingList"]]


def spec(kind: str) -> dict[str, Any]:
    """Return the tag specification of a kind of EC2."""
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": [OURS]}]}


@pytest.fixture
def made(aws: AwsWorld) -> dict[str, str]:
    """One of many kinds, each tagged when it was made; ids by what they are."""
    ec2 = aws.client("ec2")
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16", **spec("vpc"))["Vpc"]["VpcId"]
    subnet_id = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24", **spec("subnet"))["Subnet"]["SubnetId"]
    ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc_id, **spec("security-group"))
    ec2.create_internet_gateway(**spec("internet-gateway"))
    address = ec2.allocate_address(Domain="vpc", **spec("elastic-ip"))["AllocationId"]
    key = ec2.create_key_pair(KeyName="lab", KeyType="ed25519", **spec("key-pair"))["KeyPairId"]
    ec2.create_network_interface(SubnetId=subnet_id, **spec("network-interface"))
    ec2.create_launch_template(
        LaunchTemplateName="lab", LaunchTemplateData={"InstanceType": "t3.micro"}, **spec("launch-template")
    )
    aws.client("efs").create_file_system(CreationToken="a", Tags=[OURS])
    aws.client("kms").create_key(Tags=[{"TagKey": OURS["Key"], "TagValue": OURS["Value"]}])
    aws.client("s3").create_bucket(Bucket="groundwork-lab")
    aws.client("s3").put_bucket_tagging(Bucket="groundwork-lab", Tagging={"TagSet": [OURS]})
    aws.client("secretsmanager").create_secret(Name="lab", SecretString="x", Tags=[OURS])
    aws.client("ssm").put_parameter(Name="/lab", Value="x", Type="String", Tags=[OURS])
    return {"vpc": vpc_id, "address": address, "key": key}


KINDS = [
    "ec2:elastic-ip",
    "ec2:internet-gateway",
    "ec2:key-pair",
    "ec2:launch-template",
    "ec2:network-interface",
    "ec2:security-group",
    "ec2:subnet",
    "ec2:vpc",
    "elasticfilesystem:file-system",
    "kms:key",
    "s3:groundwork-lab",
    "secretsmanager:secret:lab",
    "ssm:parameter",
]


def test_everything_with_tags_is_told(aws: AwsWorld, made: dict[str, str]) -> None:
    """A kind that is missing here would be left behind by every sweep and every report; moto leaves four out."""
    told = kinds_of(found(aws.client("resourcegroupstaggingapi")))
    assert [kind.rpartition("-")[0] if "secret:" in kind else kind for kind in told] == KINDS


def test_it_is_told_in_its_account_and_region_alone(aws: AwsWorld, made: dict[str, str]) -> None:
    """A sweep that asks elsewhere finds nothing of this."""
    assert found(aws.client("resourcegroupstaggingapi", INSTALLATION)) == []
    assert found(aws.client("resourcegroupstaggingapi", region="eu-west-1")) == []


def test_filters(aws: AwsWorld, made: dict[str, str]) -> None:
    """Filters are joined by and, their values by or; kinds go by service or by service and kind."""
    tagging = aws.client("resourcegroupstaggingapi")
    aws.client("ec2").create_tags(Resources=[made["vpc"]], Tags=[{"Key": "team", "Value": "blue"}])
    vpc = f"arn:aws:ec2:us-east-1:222222222222:vpc/{made['vpc']}"
    ours = {"Key": OURS["Key"], "Values": ["other", "lab"]}
    assert len(found(tagging, TagFilters=[ours])) == len(KINDS)
    assert found(tagging, TagFilters=[ours, {"Key": "team"}]) == [vpc]
    assert found(tagging, TagFilters=[{"Key": OURS["Key"], "Values": ["other"]}]) == []
    assert kinds_of(found(tagging, ResourceTypeFilters=["ec2:vpc", "kms"])) == ["ec2:vpc", "kms:key"]
    assert found(tagging, ResourceTypeFilters=["elasticfilesystem:access-point"]) == []
    assert found(tagging, ResourceARNList=[vpc]) == [vpc]
    refused("InvalidParameterException", tagging.get_resources, ResourceARNList=[vpc], ResourceTypeFilters=["ec2"])
    assert tagging.get_tag_keys()["TagKeys"] == [OURS["Key"], "team"]
    assert tagging.get_tag_values(Key=OURS["Key"])["TagValues"] == ["lab"]


def test_what_is_gone_is_told_no_longer(aws: AwsWorld, made: dict[str, str]) -> None:
    """Else nothing would ever look clean."""
    ec2 = aws.client("ec2")
    ec2.release_address(AllocationId=made["address"])
    ec2.delete_key_pair(KeyPairId=made["key"])
    ec2.delete_launch_template(LaunchTemplateName="lab")
    volume_id = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, **spec("volume"))["VolumeId"]
    ec2.delete_volume(VolumeId=volume_id)
    ec2.delete_tags(Resources=[made["vpc"]], Tags=[{"Key": OURS["Key"]}])
    aws.client("efs").delete_file_system(
        FileSystemId=aws.client("efs").describe_file_systems()["FileSystems"][0]["FileSystemId"]
    )
    aws.advance(60)
    told = kinds_of(found(aws.client("resourcegroupstaggingapi")))
    gone = {"elastic-ip", "key-pair", "launch-template", "volume", "vpc"}
    assert not {f"ec2:{kind}" for kind in gone} & set(told)
    assert "elasticfilesystem:file-system" not in told
    assert "ec2:subnet" in told


def test_pages(aws: AwsWorld, made: dict[str, str]) -> None:
    """Each is told once over all pages, and a token is of its question."""
    tagging = aws.client("resourcegroupstaggingapi")
    arns = found(tagging, ResourcesPerPage=3)
    assert len(arns) == len(set(arns)) == len(KINDS)
    token = tagging.get_resources(ResourcesPerPage=3)["PaginationToken"]
    refused(
        "PaginationTokenExpiredException", tagging.get_resources, PaginationToken=token, ResourceTypeFilters=["ec2"]
    )
    refused("InvalidParameterException", tagging.get_resources, ResourcesPerPage=101)
