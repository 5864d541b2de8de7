"""Volumes on instances in the AWS world (OPS-24)."""

from tests.world.aws.launches import instances, launch
from tests.world.aws.refusals import refused
from tests.worlds.aws_world import AwsWorld


def test_a_volume_is_attached_where_it_can_be(aws: AwsWorld) -> None:
    """Bare moto attaches a volume of another zone, twice, to an instance that is not there yet."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    (made,) = launch(ec2, Placement={"AvailabilityZone": "us-east-1a"})
    near, far, more = (
        ec2.create_volume(Size=10, AvailabilityZone=f"us-east-1{zone}")["VolumeId"] for zone in ("a", "b", "a")
    )
    here = {"InstanceId": made["InstanceId"], "Device": "/dev/sdf"}
    refused("IncorrectState", ec2.attach_volume, VolumeId=near, **here)
    aws.advance(21)
    refused("InvalidVolume.ZoneMismatch", ec2.attach_volume, VolumeId=far, **here)
    ec2.attach_volume(VolumeId=near, **here)
    refused("VolumeInUse", ec2.attach_volume, VolumeId=near, **here)
    refused("VolumeInUse", ec2.delete_volume, VolumeId=near)
    refused("InvalidParameterValue", ec2.attach_volume, VolumeId=more, **here)
    refused("IncorrectState", ec2.detach_volume, VolumeId=more)
    root = instances(ec2)[0]["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    refused("OperationNotPermitted", ec2.detach_volume, VolumeId=root)
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    aws.advance(31)
    left = {one["VolumeId"]: one["State"] for one in ec2.describe_volumes()["Volumes"]}
    assert left == {near: "available", far: "available", more: "available"}
