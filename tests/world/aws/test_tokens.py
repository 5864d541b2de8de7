"""Client tokens in the world: asked twice, made once (OPS-24, CLU-11)."""

from typing import Any

import pytest

from tests.world.aws.launches import image, instances, launch
from tests.world.aws.refusals import refused
from tests.worlds.aws_world import INSTALLATION, AwsWorld


@pytest.fixture
def subnet_id(aws: AwsWorld) -> str:
    """A subnet."""
    ec2 = aws.client("ec2")
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return str(ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"])


def made(answer: dict[str, Any]) -> str:
    """Return the id of the interface in an answer."""
    return str(answer["NetworkInterface"]["NetworkInterfaceId"])


def test_the_same_token_makes_one(aws: AwsWorld, subnet_id: str) -> None:
    """Moto makes a second one, or says that it exists."""
    ec2 = aws.client("ec2")
    asked = {"SubnetId": subnet_id, "ClientToken": "one"}
    first = made(ec2.create_network_interface(**asked))
    assert made(ec2.create_network_interface(**asked)) == first
    assert made(ec2.create_network_interface(**{**asked, "ClientToken": "two"})) != first
    assert made(ec2.create_network_interface(SubnetId=subnet_id)) != first
    assert (
        len(
            ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet_id]}])["NetworkInterfaces"]
        )
        == 3
    )


def test_a_token_is_of_one_request(aws: AwsWorld, subnet_id: str) -> None:
    """Else a changed request would get the answer to another one."""
    ec2 = aws.client("ec2")
    asked = {"SubnetId": subnet_id, "ClientToken": "one"}
    first = made(ec2.create_network_interface(**asked))
    refused("IdempotentParameterMismatch", ec2.create_network_interface, **asked, Description="another")
    assert made(ec2.create_network_interface(**asked)) == first
    address = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, ClientToken="one")  # another operation
    assert address["VolumeId"]


def test_a_token_is_of_one_account_and_region(aws: AwsWorld) -> None:
    """The same token elsewhere makes another thing."""
    places = [(aws.client("ec2"), "us-east-1a"), (aws.client("ec2", INSTALLATION), "us-east-1a")]
    places += [(aws.client("ec2", region="eu-west-1"), "eu-west-1a")]
    ids = {ec2.create_volume(AvailabilityZone=zone, Size=1, ClientToken="one")["VolumeId"] for ec2, zone in places}
    assert len(ids) == 3


def test_a_refused_request_leaves_no_token(aws: AwsWorld, subnet_id: str) -> None:
    """Who mends the cause may ask again with the same token."""
    ec2 = aws.client("ec2")
    asked = {"SubnetId": subnet_id, "ClientToken": "one", "PrivateIpAddress": "10.0.0.9"}
    holder = made(ec2.create_network_interface(SubnetId=subnet_id, PrivateIpAddress="10.0.0.9"))
    refused("InvalidIPAddress.InUse", ec2.create_network_interface, **asked)
    ec2.delete_network_interface(NetworkInterfaceId=holder)
    assert made(ec2.create_network_interface(**asked)) != holder


def test_a_token_has_at_most_64_characters(aws: AwsWorld, subnet_id: str) -> None:
    """A token made of long names would fail in AWS alone."""
    ec2 = aws.client("ec2")
    refused("InvalidParameterValue", ec2.create_network_interface, SubnetId=subnet_id, ClientToken="x" * 65)
    refused("InvalidParameterValue", ec2.create_network_interface, SubnetId=subnet_id, ClientToken="ü")
    ec2.create_network_interface(SubnetId=subnet_id, ClientToken="x" * 64)


def test_a_launch_asked_for_again_is_told_as_it_is_now(aws: AwsWorld) -> None:
    """CLU-12: by the state a product sees that what a token launched is gone, and that the token is spent."""
    ec2 = aws.client("ec2")
    asked = {"ImageId": image(ec2), "ClientToken": "one"}
    [first] = launch(ec2, **asked)
    assert first["State"]["Name"] == "pending"
    seen = []
    for act in (lambda: None, lambda: ec2.terminate_instances(InstanceIds=[first["InstanceId"]])):
        act()
        aws.advance(60)
        [again] = launch(ec2, **asked)
        seen.append(again.pop("State")["Name"])
        assert again == {name: value for name, value in first.items() if name != "State"}
    aws.advance(3700)
    assert instances(ec2) == []
    [again] = launch(ec2, **asked)
    assert (again["InstanceId"], again["State"]["Name"]) == (first["InstanceId"], "terminated")
    assert seen == ["running", "terminated"]
