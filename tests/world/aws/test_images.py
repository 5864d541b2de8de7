"""Images and snapshots in the AWS world: made by the clock, shared between accounts (OPS-06, OPS-24)."""

from typing import Any

import pytest

from tests.world.aws.launches import image, instances, launch, named
from tests.world.aws.refusals import refused
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

STRANGER = "333333333333"


def copied(ec2: Any, name: str = "nodes-1", region: str = "us-east-1", **told: Any) -> str:
    """Return an image of the caller's own, copied of a public one; it is pending."""
    asked = {"SourceImageId": image(ec2), "SourceRegion": region, "Name": name, **told}
    return str(ec2.copy_image(**asked)["ImageId"])


def share(ec2: Any, image_id: str, *accounts: str, verb: str = "Add") -> None:
    """Give or take launch permissions."""
    permissions = [{"UserId": account} for account in accounts]
    ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={verb: permissions})


def seen(ec2: Any, **told: Any) -> list[str]:
    """Return the ids of the images that a question finds."""
    return [one["ImageId"] for one in ec2.describe_images(**told)["Images"]]


def test_an_image_is_shared_and_taken_back(aws: AwsWorld) -> None:
    """The product's image status asks for the installation's images by owner, in the customer's account: on bare moto
    a shared image is not found, and an image that was never shared would not be missed either."""
    aws.speed(0)
    owner, customer = aws.client("ec2", INSTALLATION), aws.client("ec2", CUSTOMER)
    mine = copied(owner)
    aws.advance(61)
    by_owner = {"Owners": [INSTALLATION]}
    assert seen(customer, **by_owner) == []
    refused("InvalidAMIID.NotFound", customer.describe_images, ImageIds=[mine])
    words = refused("AuthFailure", launch, ec2=customer, ImageId=mine)
    assert words == f"Not authorized for images: [{mine}]"
    share(owner, mine, CUSTOMER)
    for told in (
        by_owner,
        {"ExecutableUsers": ["self"]},
        {"ImageIds": [mine]},
        {"Filters": named("owner-id", INSTALLATION)},
        {**by_owner, "Filters": named("name", "nodes-*") + named("state", "available")},
    ):
        assert seen(customer, **told) == [mine], told
    assert seen(customer, Owners=["self"]) == []
    assert seen(aws.client("ec2", STRANGER), **by_owner) == []
    told = customer.describe_images(ImageIds=[mine])["Images"][0]
    assert (told["OwnerId"], told["Public"]) == (INSTALLATION, False)
    assert "Tags" not in told
    (made,) = launch(customer, ImageId=mine)
    assert made["ImageId"] == mine
    share(owner, mine, CUSTOMER, verb="Remove")
    assert seen(customer, **by_owner) == []
    refused("AuthFailure", launch, ec2=customer, ImageId=mine)
    assert len(instances(customer)) == 1


def test_images_by_region(aws: AwsWorld) -> None:
    """Image status is by region: an image that was copied to one is not in another."""
    aws.speed(0)
    owner = aws.client("ec2", INSTALLATION)
    first = copied(owner)
    aws.advance(61)
    there = aws.client("ec2", INSTALLATION, region="eu-west-1")
    asked = {"SourceImageId": first, "SourceRegion": "us-east-1", "Name": "nodes-1"}
    second = there.copy_image(**asked)["ImageId"]
    share(there, second, CUSTOMER)
    found = {
        region: [
            (one["ImageId"], one["State"])
            for one in aws.client("ec2", region=region).describe_images(Owners=[INSTALLATION])["Images"]
        ]
        for region in ("us-east-1", "eu-west-1", "ap-south-1")
    }
    assert found == {"us-east-1": [], "eu-west-1": [(second, "pending")], "ap-south-1": []}


def test_only_the_owner_changes_an_image(aws: AwsWorld) -> None:
    """A shared image is not the customer's: neither permissions nor the image itself."""
    aws.speed(0)
    owner, customer = aws.client("ec2", INSTALLATION), aws.client("ec2", CUSTOMER)
    mine = copied(owner)
    share(owner, mine, CUSTOMER)
    give = {"LaunchPermission": {"Add": [{"UserId": STRANGER}]}}
    refused("AuthFailure", customer.modify_image_attribute, ImageId=mine, **give)
    refused("AuthFailure", customer.describe_image_attribute, ImageId=mine, Attribute="launchPermission")
    refused("AuthFailure", customer.deregister_image, ImageId=mine)
    refused("AuthFailure", customer.deregister_image, ImageId=image(customer))
    short = {"LaunchPermission": {"Add": [{"UserId": "1234"}]}}
    refused("InvalidAMIAttributeItemValue", owner.modify_image_attribute, ImageId=mine, **short)
    owner.modify_image_attribute(ImageId=mine, OperationType="add", Attribute="launchPermission", UserIds=[STRANGER])
    told = owner.describe_image_attribute(ImageId=mine, Attribute="launchPermission")["LaunchPermissions"]
    assert told == [{"UserId": CUSTOMER}, {"UserId": STRANGER}]
    owner.reset_image_attribute(ImageId=mine, Attribute="launchPermission")
    assert owner.describe_image_attribute(ImageId=mine, Attribute="launchPermission")["LaunchPermissions"] == []


def test_an_image_of_an_instance(aws: AwsWorld) -> None:
    """An image is pending with its snapshots, has the instance's volumes, and cannot be launched before it is there."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    disks = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 30}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 50, "Encrypted": True}},
    ]
    (made,) = launch(ec2, BlockDeviceMappings=disks)
    asked = {"InstanceId": made["InstanceId"], "Name": "nodes"}
    refused("IncorrectInstanceState", ec2.create_image, **asked)
    aws.advance(21)
    tags = [{"ResourceType": kind, "Tags": [{"Key": "is", "Value": kind}]} for kind in ("image", "snapshot")]
    new = ec2.create_image(**asked, TagSpecifications=tags)["ImageId"]
    refused("InvalidAMIName.Duplicate", ec2.create_image, **asked)
    refused("InvalidAMIName.Malformed", ec2.create_image, InstanceId=made["InstanceId"], Name="n" * 129)
    told = ec2.describe_images(Owners=["self"], Filters=named("tag:is", "image"))["Images"][0]
    assert (told["ImageId"], told["State"], told["SourceInstanceId"]) == (new, "pending", made["InstanceId"])
    assert {one["State"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]} == {"pending"}
    refused("InvalidAMIID.Unavailable", launch, ec2=ec2, ImageId=new)
    aws.advance(61)
    assert [(one["DeviceName"], one["Ebs"]["VolumeSize"]) for one in told["BlockDeviceMappings"]] == [
        ("/dev/xvda", 30),
        ("/dev/sdf", 50),
    ]
    snapshots = ec2.describe_snapshots(Filters=named("tag:is", "snapshot"))["Snapshots"]
    assert sorted((one["State"], one["VolumeSize"], one["Encrypted"]) for one in snapshots) == [
        ("completed", 30, False),
        ("completed", 50, True),
    ]
    small = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 29}}]
    refused("InvalidBlockDeviceMapping", launch, ec2=ec2, ImageId=new, BlockDeviceMappings=small)
    (second,) = launch(ec2, ImageId=new)
    wanted = named("attachment.instance-id", second["InstanceId"])
    assert sorted(one["Size"] for one in ec2.describe_volumes(Filters=wanted)["Volumes"]) == [30, 50]


def test_an_image_goes_before_its_snapshots(aws: AwsWorld) -> None:
    """Deleting a backup: the image first, then what it is made of; neither twice."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    mine = copied(ec2)
    aws.advance(61)
    snapshot = ec2.describe_images(ImageIds=[mine])["Images"][0]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    refused("InvalidSnapshot.InUse", ec2.delete_snapshot, SnapshotId=snapshot)
    ec2.deregister_image(ImageId=mine)
    assert ec2.describe_images(ImageIds=[mine])["Images"] == []
    refused("InvalidAMIID.Unavailable", launch, ec2=ec2, ImageId=mine)
    refused("InvalidAMIID.Unavailable", ec2.deregister_image, ImageId=mine)
    ec2.delete_snapshot(SnapshotId=snapshot)
    refused("InvalidSnapshot.NotFound", ec2.describe_snapshots, SnapshotIds=[snapshot])


def test_an_image_of_a_snapshot(aws: AwsWorld) -> None:
    """A registered image is what was said of it: without ENA it does not start on today's types."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    volume = ec2.create_volume(Size=10, AvailabilityZone="us-east-1a")["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume)
    assert snapshot["State"] == "pending"
    disk = [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot["SnapshotId"]}}]
    asked = {"RootDeviceName": "/dev/sda1", "VirtualizationType": "hvm", "BlockDeviceMappings": disk}
    refused("IncorrectState", ec2.register_image, Name="early", **asked)
    aws.advance(31)
    old = ec2.register_image(Name="old", Architecture="x86_64", **asked)["ImageId"]
    new = ec2.register_image(Name="new", Architecture="x86_64", EnaSupport=True, ImdsSupport="v2.0", **asked)["ImageId"]
    aws.advance(61)
    refused("InvalidParameterCombination", launch, ec2=ec2, ImageId=old)
    (made,) = launch(ec2, ImageId=new)
    assert made["MetadataOptions"]["HttpTokens"] == "required"
    nothing = {**asked, "BlockDeviceMappings": []}
    refused("InvalidBlockDeviceMapping", ec2.register_image, Name="empty", **nothing)


def test_a_shared_image_is_copied_with_its_storage_only(aws: AwsWorld) -> None:
    """A launch permission is not enough to copy: the snapshot must be shared too."""
    aws.speed(0)
    owner, customer = aws.client("ec2", INSTALLATION), aws.client("ec2", CUSTOMER)
    mine = copied(owner)
    asked = {"SourceImageId": mine, "SourceRegion": "us-east-1", "Name": "own"}
    refused("AuthFailure", customer.copy_image, **asked)
    share(owner, mine, CUSTOMER)
    refused("InvalidAMIID.Unavailable", customer.copy_image, **asked)
    aws.advance(61)
    refused("InvalidRequest", customer.copy_image, **asked)
    snapshot = owner.describe_snapshots(OwnerIds=["self"])["Snapshots"][0]["SnapshotId"]
    assert customer.describe_snapshots(OwnerIds=[INSTALLATION])["Snapshots"] == []
    told = {"SnapshotId": snapshot, "Attribute": "createVolumePermission", "OperationType": "add"}
    owner.modify_snapshot_attribute(**told, UserIds=[CUSTOMER])
    assert len(customer.describe_snapshots(OwnerIds=[INSTALLATION])["Snapshots"]) == 1
    refused("InvalidSnapshot.NotFound", customer.delete_snapshot, SnapshotId=snapshot)
    own = customer.copy_image(**asked)["ImageId"]
    assert seen(customer, Owners=["self"]) == [own]


def test_snapshots_of_others_are_not_ones_own(aws: AwsWorld) -> None:
    """Bare moto tells a thousand snapshots of Amazon's images as each account's own: a sweep would go for them."""
    ec2 = aws.client("ec2")
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    assert ec2.describe_snapshots()["Snapshots"] == []
    amazon = ec2.describe_images(ImageIds=[image(ec2)])["Images"][0]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    refused("InvalidSnapshot.NotFound", ec2.delete_snapshot, SnapshotId=amazon)


@pytest.mark.parametrize("told", [{"ImageIds": ["ami-0123456789abcdef0"]}, {"ImageIds": ["ubuntu"]}])
def test_an_unknown_image_is_refused(aws: AwsWorld, told: dict[str, Any]) -> None:
    """Two codes: an id that is none, and one that nothing has."""
    code = "InvalidAMIID.NotFound" if "ami-" in told["ImageIds"][0] else "InvalidAMIID.Malformed"
    refused(code, aws.client("ec2").describe_images, **told)
