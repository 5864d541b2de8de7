"""Launches in the AWS world: what is kept of them, what is refused, and that nothing is made twice (OPS-24)."""

import uuid
from typing import Any

import pytest

from tests.world.aws.a_network import group
from tests.world.aws.launches import image, instances, launch, named
from tests.world.aws.refusals import refused
from tests.worlds.aws_world import AwsWorld


def test_the_same_token_is_the_same_launch(aws: AwsWorld) -> None:
    """A flow that is run again finishes what it began: on bare moto it would start every node twice."""
    ec2 = aws.client("ec2")
    told = {"ImageId": image(ec2), "ClientToken": str(uuid.uuid4())}
    first, second = launch(ec2, 2, **told), launch(ec2, 2, **told)
    assert [one["InstanceId"] for one in first] == [one["InstanceId"] for one in second]
    assert len(instances(ec2)) == 2
    refused("IdempotentParameterMismatch", launch, ec2=ec2, count=3, **told)
    launch(aws.client("ec2", region="us-west-2"), ClientToken=told["ClientToken"])
    assert len(instances(ec2)) == 2
    assert len(instances(ec2, Filters=named("client-token", told["ClientToken"]))) == 2


def test_a_lost_reply_makes_one_instance(aws: AwsWorld) -> None:
    """boto3 asks again when a reply is lost, with its own token; the answer is then that of the first request."""
    ec2 = aws.client("ec2")
    wanted = image(ec2)
    aws.fault("lose_reply", "ec2:RunInstances")
    (made,) = launch(ec2, ImageId=wanted)
    assert [one["InstanceId"] for one in instances(ec2)] == [made["InstanceId"]]
    assert len(aws.calls("ec2:RunInstances")) == 2


def test_a_dry_run_launches_nothing(aws: AwsWorld) -> None:
    """Permissions are asked for by dry runs: one that launches bills."""
    ec2 = aws.client("ec2")
    refused("DryRunOperation", launch, ec2=ec2, DryRun=True)
    assert instances(ec2) == []


def test_a_hundred_instances_of_one_call(aws: AwsWorld) -> None:
    """Hostfiles need an address for each node, and launches by index an index for each."""
    ec2 = aws.client("ec2")
    made = launch(ec2, 100)
    assert len({one["PrivateIpAddress"] for one in made}) == 100
    assert [one["AmiLaunchIndex"] for one in made] == list(range(100))
    assert len({one["NetworkInterfaces"][0]["NetworkInterfaceId"] for one in made}) == 100


def test_all_that_was_asked_for_is_told(aws: AwsWorld) -> None:
    """Bare moto forgets the placement group, the cores and the card; a check after the launch would prove nothing."""
    ec2, iam = aws.client("ec2"), aws.client("iam")
    ec2.create_placement_group(GroupName="close", Strategy="cluster")
    ec2.create_key_pair(KeyName="team", KeyType="ed25519")
    profile = iam.create_instance_profile(InstanceProfileName="nodes")["InstanceProfile"]
    subnet = ec2.describe_subnets()["Subnets"][0]
    nodes = group(ec2, subnet["VpcId"], "nodes")
    kinds = ("instance", "volume", "network-interface", "spot-instances-request")
    root = {"VolumeSize": 300, "VolumeType": "gp3", "Iops": 4000, "Throughput": 250, "Encrypted": True}
    asked: dict[str, Any] = {
        "InstanceType": "c5n.18xlarge",
        "SubnetId": subnet["SubnetId"],
        "SecurityGroupIds": [nodes],
        "KeyName": "team",
        "UserData": "#!/bin/sh\necho hello\n",
        "IamInstanceProfile": {"Name": "nodes"},
        "CpuOptions": {"CoreCount": 36, "ThreadsPerCore": 1},
        "Placement": {"GroupName": "close"},
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": {"MaxPrice": "1.5"}},
        "InstanceInitiatedShutdownBehavior": "terminate",
        "EbsOptimized": True,
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": root}],
        "TagSpecifications": [{"ResourceType": kind, "Tags": [{"Key": "is", "Value": kind}]} for kind in kinds],
    }
    (made,) = launch(ec2, **asked)
    aws.advance(30)
    (told,) = instances(ec2)
    for found in (made, told):
        assert found["CpuOptions"] == asked["CpuOptions"]
        assert found["Placement"]["GroupName"] == "close"
        assert asked["MetadataOptions"].items() <= found["MetadataOptions"].items()
        assert found["IamInstanceProfile"] == {"Arn": profile["Arn"], "Id": profile["InstanceProfileId"]}
        assert (found["KeyName"], found["EbsOptimized"], found["InstanceLifecycle"]) == ("team", True, "spot")
        assert [one["GroupId"] for one in found["SecurityGroups"]] == [nodes]
        assert found["Tags"] == [{"Key": "is", "Value": "instance"}]
    (volume,) = ec2.describe_volumes(Filters=named("tag:is", "volume"))["Volumes"]
    assert {"Size": 300, "Iops": 4000, "Throughput": 250, "Encrypted": True}.items() <= volume.items()
    assert len(ec2.describe_network_interfaces(Filters=named("tag:is", "network-interface"))["NetworkInterfaces"]) == 1
    (request,) = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    assert (request["InstanceId"], request["State"], request["SpotPrice"]) == (told["InstanceId"], "active", "1.5")
    assert request["Tags"] == [{"Key": "is", "Value": "spot-instances-request"}]
    attribute = ec2.describe_instance_attribute(InstanceId=told["InstanceId"], Attribute="userData")
    assert attribute["UserData"]["Value"] == "IyEvYmluL3NoCmVjaG8gaGVsbG8K"


UNKNOWN = "0123456789abcdef0"
REFUSALS: dict[str, tuple[str, dict[str, Any]]] = {
    "no such type": ("InvalidParameterValue", {"InstanceType": "t3.giant"}),
    "no such image": ("InvalidAMIID.NotFound", {"ImageId": f"ami-{UNKNOWN}"}),
    "no image": ("InvalidAMIID.Malformed", {"ImageId": "ubuntu"}),
    "no such key": ("InvalidKeyPair.NotFound", {"KeyName": "nobody"}),
    "no such group": ("InvalidGroup.NotFound", {"SecurityGroupIds": [f"sg-{UNKNOWN}"]}),
    "no such group by name": ("InvalidGroup.NotFound", {"SecurityGroups": ["nobody"]}),
    "no such subnet": ("InvalidSubnetID.NotFound", {"SubnetId": f"subnet-{UNKNOWN}"}),
    "no such profile": ("InvalidParameterValue", {"IamInstanceProfile": {"Name": "nobody"}}),
    "no such profile by ARN": ("InvalidParameterValue", {"IamInstanceProfile": {"Arn": "arn:aws:iam::1:x/y"}}),
    "no such placement group": ("InvalidPlacementGroup.Unknown", {"Placement": {"GroupName": "nobody"}}),
    "no such interface": (
        "InvalidNetworkInterfaceID.NotFound",
        {"NetworkInterfaces": [{"NetworkInterfaceId": f"eni-{UNKNOWN}", "DeviceIndex": 0}]},
    ),
    "more at least than at most": ("InvalidParameterValue", {"MinCount": 2, "MaxCount": 1}),
    "none": ("InvalidParameterValue", {"MinCount": 0, "MaxCount": 0}),
    "user data over 16 KB": ("InvalidParameterValue", {"UserData": "x" * 16385}),
    "not offered in the zone": (
        "Unsupported",
        {"InstanceType": "p4d.24xlarge", "Placement": {"AvailabilityZone": "us-east-1f"}},
    ),
    "cores that the type has not": (
        "InvalidParameterValue",
        {"InstanceType": "c5n.18xlarge", "CpuOptions": {"CoreCount": 37, "ThreadsPerCore": 1}},
    ),
    "threads that the type has not": (
        "InvalidParameterValue",
        {"InstanceType": "c5n.18xlarge", "CpuOptions": {"CoreCount": 36, "ThreadsPerCore": 4}},
    ),
    "half of the cpu options": ("MissingParameter", {"CpuOptions": {"CoreCount": 1}}),
    "root smaller than the image": (
        "InvalidBlockDeviceMapping",
        {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 4}}]},
    ),
    "a volume of no size": (
        "MissingParameter",
        {"BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeType": "gp3"}}]},
    ),
    "a key without encryption": (
        "InvalidParameterDependency",
        {"BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 9, "KmsKeyId": "alias/x"}}]},
    ),
    "a tag that is AWS's own": (
        "InvalidParameterValue",
        {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "aws:mine", "Value": "x"}]}]},
    ),
    "a tag for what is not made": (
        "InvalidParameterValue",
        {"TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "x"}]}]},
    ),
    "too many tags": (
        "TagLimitExceeded",
        {
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": f"k{n}", "Value": "x"} for n in range(51)]}
            ]
        },
    ),
    "spot tags on demand": (
        "InvalidParameterCombination",
        {"TagSpecifications": [{"ResourceType": "spot-instances-request", "Tags": [{"Key": "a", "Value": "x"}]}]},
    ),
    "metadata hops": ("InvalidParameterValue", {"MetadataOptions": {"HttpPutResponseHopLimit": 65}}),
}


def test_what_does_not_fit_is_refused_and_makes_nothing(aws: AwsWorld) -> None:
    """Each of these passes on bare moto, or has another code there; the flow's error would be untested (CLU-14)."""
    ec2 = aws.client("ec2")
    wanted = image(ec2)
    for what, (code, told) in REFUSALS.items():
        print(what)
        refused(code, launch, ec2=ec2, **{"ImageId": wanted, **told})
    assert instances(ec2) == []
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    assert ec2.describe_volumes()["Volumes"] == []


def test_an_image_for_another_processor_is_refused(aws: AwsWorld) -> None:
    """CLU-05: an ARM type with an x86 image must fail in tests as it does at AWS."""
    ec2 = aws.client("ec2")
    words = refused("InvalidParameterValue", launch, ec2=ec2, InstanceType="c6g.large")
    assert "architecture 'arm64'" in words
    assert "'x86_64' of the specified AMI" in words
    (made,) = launch(ec2, InstanceType="c6g.large", ImageId=image(ec2, "arm64"))
    assert made["Architecture"] == "arm64"
    assert made["CpuOptions"] == {"CoreCount": 2, "ThreadsPerCore": 1}


def test_networks_that_do_not_go_together_are_refused(aws: AwsWorld) -> None:
    """A group of another VPC, a zone that is not the subnet's, a subnet beside interfaces, an address not its own."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    asked = {"VpcId": vpc, "CidrBlock": "10.0.0.0/28", "AvailabilityZone": "us-east-1a"}
    subnet = ec2.create_subnet(**asked)["Subnet"]["SubnetId"]
    mine, other = group(ec2, vpc, "mine"), ec2.describe_vpcs(Filters=named("is-default", "true"))["Vpcs"][0]["VpcId"]
    foreign = group(ec2, other, "foreign")
    here = {"ec2": ec2, "ImageId": image(ec2), "SubnetId": subnet}
    refused("InvalidParameter", launch, **here, SecurityGroupIds=[mine, foreign])
    refused("InvalidParameterValue", launch, **here, Placement={"AvailabilityZone": "us-east-1b"})
    refused("InvalidParameterCombination", launch, **here, SecurityGroups=["mine"])
    refused("InvalidParameterCombination", launch, **here, NetworkInterfaces=[{"DeviceIndex": 0}])
    refused("InvalidParameterValue", launch, **here, PrivateIpAddress="10.0.1.5")
    launch(**here, PrivateIpAddress="10.0.0.9", SecurityGroupIds=[mine])
    refused("InvalidIPAddress.InUse", launch, **here, PrivateIpAddress="10.0.0.9")
    refused("InsufficientFreeAddressesInSubnet", launch, **here, count=11)
    made = launch(**here, count=10)
    addresses = {one["PrivateIpAddress"] for one in made}
    assert addresses == {f"10.0.0.{n}" for n in range(4, 15)} - {"10.0.0.9"}
    refused("InsufficientFreeAddressesInSubnet", launch, **here)


def efa(card: int, device: int, **told: Any) -> dict[str, Any]:
    """Return an interface of a launch that is an EFA."""
    return {"NetworkCardIndex": card, "DeviceIndex": device, "InterfaceType": "efa", **told}


def test_efa_on_every_card(aws: AwsWorld) -> None:
    """Bare moto makes two plain interfaces of four EFAs (NET-14)."""
    ec2 = aws.client("ec2")
    cards = [efa(card, min(card, 1)) for card in range(4)]
    (made,) = launch(ec2, InstanceType="p4d.24xlarge", NetworkInterfaces=cards)
    found = [
        (one["Attachment"]["NetworkCardIndex"], one["Attachment"]["DeviceIndex"], one["InterfaceType"])
        for one in instances(ec2)[0]["NetworkInterfaces"]
    ]
    assert found == [(0, 0, "efa"), (1, 1, "efa"), (2, 1, "efa"), (3, 1, "efa")]
    wanted = named("attachment.instance-id", made["InstanceId"])
    told = ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"]
    assert sorted(one["Attachment"]["NetworkCardIndex"] for one in told) == [0, 1, 2, 3]
    assert {one["InterfaceType"] for one in told} == {"efa"}
    aws.advance(30)
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    aws.advance(31)
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


@pytest.mark.parametrize(
    ("code", "kind", "interfaces"),
    [
        ("InvalidParameterCombination", "t3.micro", [efa(0, 0)]),
        ("AttachmentLimitExceeded", "c5n.18xlarge", [efa(0, 0), efa(0, 1)]),
        ("InvalidParameterValue", "c5n.18xlarge", [efa(0, 0), efa(1, 1)]),
        ("InvalidParameterCombination", "p4d.24xlarge", [efa(1, 1)]),
        ("InvalidParameterCombination", "p4d.24xlarge", [efa(0, 0, InterfaceType="efa-only")]),
        ("InvalidParameterValue", "p4d.24xlarge", [efa(0, 0), efa(1, 1), efa(1, 1)]),
        ("InvalidParameterCombination", "p4d.24xlarge", [efa(0, 0, AssociatePublicIpAddress=True), efa(1, 1)]),
        ("AttachmentLimitExceeded", "t3.micro", [{"DeviceIndex": number} for number in range(3)]),
    ],
)
def test_interfaces_that_a_type_cannot_have(
    aws: AwsWorld, code: str, kind: str, interfaces: list[dict[str, Any]]
) -> None:
    """CLU-05: what EFA a type has is its NetworkInfo; more is refused."""
    refused(code, launch, ec2=aws.client("ec2"), InstanceType=kind, NetworkInterfaces=interfaces)


def test_a_new_profile_is_not_known_at_once(aws: AwsWorld) -> None:
    """A profile made a second ago is refused: who does not try again fails at AWS and passes on bare moto."""
    aws.speed(0)
    aws.settings(new_profile_delay_s=8)
    ec2, iam = aws.client("ec2"), aws.client("iam")
    arn = iam.create_instance_profile(InstanceProfileName="nodes")["InstanceProfile"]["Arn"]
    for named_so, words in (({"Name": "nodes"}, "Profile name"), ({"Arn": arn}, "Profile ARN")):
        told = refused("InvalidParameterValue", launch, ec2=ec2, IamInstanceProfile=named_so)
        assert told.endswith(f"Invalid IAM Instance {words}")
    aws.advance(8)
    made = launch(ec2, 2, IamInstanceProfile={"Name": "nodes"})
    assert [one["IamInstanceProfile"]["Arn"] for one in made] == [arn, arn]
    associated = ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    assert len(associated) == 2


def test_quotas_of_vcpus(aws: AwsWorld) -> None:
    """QuotaExceeded is never tried again by the product: the world must know running, stopped and pending apart."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    aws.settings(limits={"L-1216C47A": 64})
    words = refused("VcpuLimitExceeded", launch, ec2=ec2, count=9, InstanceType="c5.2xlarge")
    assert "vCPU limit of 64 " in words
    made = launch(ec2, 8, InstanceType="c5.2xlarge")
    refused("VcpuLimitExceeded", launch, ec2=ec2)
    launch(ec2, InstanceType="g5.xlarge")
    launch(ec2, InstanceMarketOptions={"MarketType": "spot"})
    aws.advance(21)
    ec2.stop_instances(InstanceIds=[made[0]["InstanceId"]])
    aws.advance(31)
    launch(ec2)
    refused("VcpuLimitExceeded", ec2.start_instances, InstanceIds=[made[0]["InstanceId"]])
    ec2.terminate_instances(InstanceIds=[made[1]["InstanceId"]])
    ec2.start_instances(InstanceIds=[made[0]["InstanceId"]])


def test_no_capacity(aws: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """NoCapacity fails over to another zone: AWS says it with HTTP 500, which boto3 tries again unless told not to."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    aws.speed(0)
    ec2 = aws.client("ec2")
    aws.settings(no_capacity={"us-east-1a": ["p4d.24xlarge"]}, capacity={"us-east-1b": {"p4d.24xlarge": 2}})
    asked = {"ec2": ec2, "InstanceType": "p4d.24xlarge", "ImageId": image(ec2)}
    refused("InsufficientInstanceCapacity", launch, **asked, Placement={"AvailabilityZone": "us-east-1a"})
    assert [call["status"] for call in aws.calls("ec2:RunInstances")] == [500]
    there = {"Placement": {"AvailabilityZone": "us-east-1b"}}
    refused("InsufficientInstanceCapacity", launch, **asked, count=3, **there)
    assert len(launch(**asked, MinCount=1, MaxCount=3, **there)) == 2, "as many as there are, above the least number"
    aws.fault("error", "ec2:RunInstances", code="InsufficientInstanceCapacity", status=500, times=-1)
    refused("InsufficientInstanceCapacity", launch, ec2=ec2)


def test_lists_are_looked_through_by_every_filter_in_use(aws: AwsWorld) -> None:
    """A filter that is passed over finds too much; a sweep would delete another team's nodes (OPS-23)."""
    ec2 = aws.client("ec2")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "cluster", "Value": "lab-1"}]}]
    (mine,) = launch(ec2, TagSpecifications=tags)
    (other,) = launch(ec2, InstanceType="t3.small")
    for name, value in (
        ("tag:cluster", "lab-*"),
        ("tag-key", "cluster"),
        ("instance-type", "t3.m?cro"),
        ("private-ip-address", mine["PrivateIpAddress"]),
        ("network-interface.network-interface-id", mine["NetworkInterfaces"][0]["NetworkInterfaceId"]),
    ):
        assert [one["InstanceId"] for one in instances(ec2, Filters=named(name, value))] == [mine["InstanceId"]], name
    both = named("vpc-id", mine["VpcId"]) + named("instance-id", mine["InstanceId"], other["InstanceId"])
    assert len(instances(ec2, Filters=both)) == 2
    assert instances(ec2, Filters=named("tag:cluster", "lab")) == []
    refused("InvalidParameterValue", ec2.describe_instances, Filters=named("nonsense", "x"))
    ids = {"InstanceIds": [mine["InstanceId"]], "MaxResults": 5}
    refused("InvalidParameterCombination", ec2.describe_instances, **ids)
    aws.settings(page_size=1)
    assert len(instances(ec2)) == 2
    assert "NextToken" in ec2.describe_instances()


def test_another_account_sees_and_ends_nothing(aws: AwsWorld) -> None:
    """Instances are their account's."""
    name = launch(aws.client("ec2"))[0]["InstanceId"]
    stranger = aws.client("ec2", "333333333333")
    assert instances(stranger) == []
    refused("InvalidInstanceID.NotFound", stranger.terminate_instances, InstanceIds=[name])
    assert instances(aws.client("ec2", region="eu-west-1")) == []


def test_attributes_are_changed_one_at_a_time(aws: AwsWorld) -> None:
    """Resizing a node and hardening its metadata: bare moto forgets what a call does not say."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    name = launch(ec2, MetadataOptions={"HttpTokens": "required"})[0]["InstanceId"]
    ec2.modify_instance_metadata_options(InstanceId=name, HttpPutResponseHopLimit=2)
    options = instances(ec2)[0]["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 2)
    two = {"InstanceId": name, "EbsOptimized": {"Value": True}, "SourceDestCheck": {"Value": False}}
    refused("InvalidParameterCombination", ec2.modify_instance_attribute, **two)
    aws.advance(21)
    new = group(ec2, instances(ec2)[0]["VpcId"], "new")
    ec2.modify_instance_attribute(InstanceId=name, Groups=[new])
    assert [one["GroupId"] for one in instances(ec2)[0]["SecurityGroups"]] == [new]
    ec2.modify_instance_attribute(InstanceId=name, SourceDestCheck={"Value": False})
    assert instances(ec2)[0]["NetworkInterfaces"][0]["SourceDestCheck"] is False
    gone = {"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}
    ec2.modify_instance_attribute(InstanceId=name, BlockDeviceMappings=[gone])
    assert instances(ec2)[0]["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"] is False
    ec2.stop_instances(InstanceIds=[name])
    aws.advance(31)
    arm = {"InstanceId": name, "InstanceType": {"Value": "c6g.large"}}
    refused("InvalidInstanceAttributeValue", ec2.modify_instance_attribute, **arm)
    ec2.modify_instance_attribute(InstanceId=name, Attribute="instanceType", Value="c5.xlarge")
    assert instances(ec2)[0]["CpuOptions"] == {"CoreCount": 2, "ThreadsPerCore": 2}


def test_spot_instances_are_taken_back(aws: AwsWorld) -> None:
    """CLU-32: a spot node ends by AWS's hand, with AWS's reason, and cannot be stopped before."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    (made,) = launch(ec2, InstanceMarketOptions={"MarketType": "spot"})
    aws.advance(21)
    refused("UnsupportedOperation", ec2.stop_instances, InstanceIds=[made["InstanceId"]])
    aws.settings(spot_reclaimed=[made["InstanceId"]])
    assert instances(ec2)[0]["State"]["Name"] == "shutting-down"
    aws.advance(31)
    assert instances(ec2)[0]["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    (request,) = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    assert (request["State"], request["Status"]["Code"]) == ("closed", "instance-terminated-no-capacity")
