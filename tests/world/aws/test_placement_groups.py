"""Placement groups in the AWS world, which moto has none of (NET-14, OPS-24)."""

import pytest

from tests.world.aws.launches import image, instances, launch, named
from tests.world.aws.refusals import refused
from tests.worlds.aws_world import AwsWorld


def test_groups_are_made_told_and_deleted(aws: AwsWorld) -> None:
    """A cluster's group is made with its tags, found by them, and made only once."""
    ec2 = aws.client("ec2")
    tags = [{"ResourceType": "placement-group", "Tags": [{"Key": "cluster", "Value": "lab"}]}]
    made = ec2.create_placement_group(GroupName="lab", Strategy="cluster", TagSpecifications=tags)["PlacementGroup"]
    assert (made["State"], made["Strategy"]) == ("available", "cluster")
    refused("InvalidPlacementGroup.Duplicate", ec2.create_placement_group, GroupName="lab", Strategy="spread")
    parts = ec2.create_placement_group(GroupName="parts", Strategy="partition", PartitionCount=3)
    assert parts["PlacementGroup"]["PartitionCount"] == 3
    assert ec2.describe_placement_groups(Filters=named("tag:cluster", "lab"))["PlacementGroups"] == [made]
    assert len(ec2.describe_placement_groups(GroupNames=["lab", "parts"])["PlacementGroups"]) == 2
    ec2.create_tags(Resources=[made["GroupId"]], Tags=[{"Key": "late", "Value": "yes"}])
    assert len(ec2.describe_placement_groups(Filters=named("tag-key", "late"))["PlacementGroups"]) == 1
    assert aws.client("ec2", "333333333333").describe_placement_groups()["PlacementGroups"] == []
    ec2.delete_placement_group(GroupName="lab")
    refused("InvalidPlacementGroup.Unknown", ec2.describe_placement_groups, GroupNames=["lab"])
    refused("InvalidPlacementGroup.Unknown", ec2.delete_placement_group, GroupName="lab")


def test_bad_groups_are_refused(aws: AwsWorld) -> None:
    """A strategy that is none, and partitions where there are none, or too many."""
    ec2 = aws.client("ec2")
    refused("InvalidParameterValue", ec2.create_placement_group, GroupName="x", Strategy="close")
    refused("MissingParameter", ec2.create_placement_group, Strategy="cluster")
    for strategy, count in (("cluster", 2), ("partition", 8)):
        code = "InvalidParameterCombination" if strategy == "cluster" else "InvalidParameterValue"
        refused(code, ec2.create_placement_group, GroupName="x", Strategy=strategy, PartitionCount=count)


def test_a_group_in_use_is_not_deleted_and_is_of_one_zone(aws: AwsWorld) -> None:
    """The commonest wrong order of a cleanup: the group goes before its instances have ended (CLU-30)."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    ec2.create_placement_group(GroupName="lab", Strategy="cluster")
    asked = {"ec2": ec2, "InstanceType": "c5.large", "ImageId": image(ec2)}
    (made,) = launch(**asked, Placement={"GroupName": "lab", "AvailabilityZone": "us-east-1a"})
    elsewhere = {"GroupName": "lab", "AvailabilityZone": "us-east-1b"}
    refused("InvalidPlacementGroup.InUse", launch, **asked, Placement=elsewhere)
    unsupported = {**asked, "InstanceType": "t3.micro"}
    refused("InvalidParameterCombination", launch, **unsupported, Placement={"GroupName": "lab"})
    assert [one["InstanceId"] for one in instances(ec2, Filters=named("placement-group-name", "lab"))] == [
        made["InstanceId"]
    ]
    aws.advance(21)
    ec2.stop_instances(InstanceIds=[made["InstanceId"]])
    aws.advance(31)
    refused("InvalidPlacementGroup.InUse", ec2.delete_placement_group, GroupName="lab")
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    refused("InvalidPlacementGroup.InUse", ec2.delete_placement_group, GroupName="lab")
    aws.advance(31)
    launch(**asked, Placement=elsewhere)
    ec2.terminate_instances(InstanceIds=[instances(ec2)[-1]["InstanceId"]])
    aws.advance(31)
    ec2.delete_placement_group(GroupName="lab")


def test_a_spread_group_holds_seven_in_a_zone(aws: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than seven instances of a spread group do not start in one zone; a partition must be one of the group's."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    ec2 = aws.client("ec2")
    ec2.create_placement_group(GroupName="apart", Strategy="spread")
    ec2.create_placement_group(GroupName="parts", Strategy="partition", PartitionCount=2)
    asked = {"ec2": ec2, "ImageId": image(ec2)}
    for zone in ("us-east-1a", "us-east-1b"):
        launch(**asked, count=7, Placement={"GroupName": "apart", "AvailabilityZone": zone})
        one_more = {"GroupName": "apart", "AvailabilityZone": zone}
        refused("InsufficientInstanceCapacity", launch, **asked, Placement=one_more)
    told = {"GroupName": "parts", "PartitionNumber": 2}
    (made,) = launch(**asked, Placement=told)
    assert told.items() <= made["Placement"].items()
    refused("InvalidParameterValue", launch, **asked, Placement={**told, "PartitionNumber": 3})


def test_a_group_may_take_its_time(aws: AwsWorld) -> None:
    """Its API knows ``pending`` and ``deleting``: who makes it and goes on at once must bear them."""
    aws.speed(0)
    aws.settings(placement_group_s={"pending": 5, "deleting": 5})
    ec2 = aws.client("ec2")
    states = []
    ec2.create_placement_group(GroupName="lab", Strategy="cluster")
    for do in (lambda: aws.advance(5), lambda: ec2.delete_placement_group(GroupName="lab"), lambda: aws.advance(5)):
        states.append([one["State"] for one in ec2.describe_placement_groups()["PlacementGroups"]])
        do()
    states.append([one["State"] for one in ec2.describe_placement_groups()["PlacementGroups"]])
    assert states == [["pending"], ["available"], ["deleting"], []]
