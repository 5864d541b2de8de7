"""Launch templates in the AWS world: every field is applied, the call itself goes first (OPS-24)."""

import base64
from typing import Any

from tests.world.aws.a_network import group
from tests.world.aws.launches import image, instances, launch
from tests.world.aws.refusals import refused
from tests.worlds.aws_world import AwsWorld


def tagged(**tags: str) -> list[dict[str, Any]]:
    """Return tags for instances."""
    return [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def test_every_field_is_applied(aws: AwsWorld) -> None:
    """Bare moto takes type, key and tags of a template, and launches without its subnet, groups, EFA and placement."""
    ec2 = aws.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][1]
    nodes = group(ec2, subnet["VpcId"], "nodes")
    ec2.create_placement_group(GroupName="lab", Strategy="cluster")
    interface = {
        "DeviceIndex": 0,
        "SubnetId": subnet["SubnetId"],
        "Groups": [nodes],
        "InterfaceType": "efa",
        "DeleteOnTermination": True,
    }
    data = {
        "ImageId": image(ec2),
        "InstanceType": "c5n.18xlarge",
        "NetworkInterfaces": [interface],
        "Placement": {"GroupName": "lab"},
        "CpuOptions": {"CoreCount": 36, "ThreadsPerCore": 1},
        "MetadataOptions": {"HttpTokens": "required"},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 100}}],
        "UserData": base64.b64encode(b"echo hello").decode(),
        "TagSpecifications": tagged(of="template", cluster="lab"),
    }
    made = ec2.create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData=data)["LaunchTemplate"]
    named = {"LaunchTemplate": {"LaunchTemplateName": "nodes"}}
    ec2.run_instances(MinCount=1, MaxCount=1, **named, TagSpecifications=tagged(of="call"))
    (found,) = instances(ec2)
    assert found["InstanceType"] == "c5n.18xlarge"
    assert found["Placement"]["GroupName"] == "lab"
    assert found["CpuOptions"] == data["CpuOptions"]
    assert found["MetadataOptions"]["HttpTokens"] == "required"
    (nic,) = found["NetworkInterfaces"]
    assert (nic["SubnetId"], nic["Groups"][0]["GroupId"], nic["InterfaceType"]) == (subnet["SubnetId"], nodes, "efa")
    assert ec2.describe_volumes()["Volumes"][0]["Size"] == 100
    told = ec2.describe_instance_attribute(InstanceId=found["InstanceId"], Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(told) == b"echo hello"
    tags = {tag["Key"]: tag["Value"] for tag in found["Tags"]}
    assert tags == {
        "of": "call",
        "cluster": "lab",
        "aws:ec2launchtemplate:id": made["LaunchTemplateId"],
        "aws:ec2launchtemplate:version": "1",
    }
    both = {**named, "SubnetId": subnet["SubnetId"]}
    refused("InvalidParameterCombination", ec2.run_instances, MinCount=1, MaxCount=1, **both)


def test_versions(aws: AwsWorld) -> None:
    """A version is made from another one; the default one counts unless another is named."""
    ec2 = aws.client("ec2")
    data = {"ImageId": image(ec2), "InstanceType": "t3.micro"}
    ec2.create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData=data)
    more = {"LaunchTemplateName": "nodes", "LaunchTemplateData": {"InstanceType": "t3.small"}}
    made = ec2.create_launch_template_version(**more, SourceVersion="1")["LaunchTemplateVersion"]
    assert made["LaunchTemplateData"] == {**data, "InstanceType": "t3.small"}
    shown = ec2.describe_launch_template_versions(LaunchTemplateName="nodes", Versions=["2"])["LaunchTemplateVersions"]
    assert shown[0]["LaunchTemplateData"] == made["LaunchTemplateData"]
    for version, kind in ((None, "t3.micro"), ("$Latest", "t3.small"), ("2", "t3.small"), ("$Default", "t3.micro")):
        named = {"LaunchTemplateName": "nodes", **({"Version": version} if version else {})}
        (one,) = ec2.run_instances(MinCount=1, MaxCount=1, LaunchTemplate=named)["Instances"]
        assert one["InstanceType"] == kind
    named = {"LaunchTemplateName": "nodes"}
    assert launch(ec2, LaunchTemplate=named, InstanceType="t3.medium")[0]["InstanceType"] == "t3.medium"


def test_what_is_not_there_is_refused(aws: AwsWorld) -> None:
    """Bare moto fails with an internal error, or passes it over."""
    ec2 = aws.client("ec2")
    data = {"InstanceType": "t3.micro"}
    ec2.create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData=data)
    again = {"LaunchTemplateName": "nodes", "LaunchTemplateData": data}
    refused("InvalidLaunchTemplateName.AlreadyExistsException", ec2.create_launch_template, **again)
    run = {"MinCount": 1, "MaxCount": 1}
    for code, named in (
        ("InvalidLaunchTemplateId.NotFound", {"LaunchTemplateId": "lt-0123456789abcdef0"}),
        ("InvalidLaunchTemplateName.NotFoundException", {"LaunchTemplateName": "nobody"}),
        ("InvalidLaunchTemplateId.VersionNotFound", {"LaunchTemplateName": "nodes", "Version": "7"}),
        ("MissingParameter", {"LaunchTemplateName": "nodes"}),
    ):
        refused(code, ec2.run_instances, **run, LaunchTemplate=named)
    refused("InvalidLaunchTemplateId.VersionNotFound", ec2.create_launch_template_version, **again, SourceVersion="9")
    missing = {"LaunchTemplateIds": ["lt-0123456789abcdef0"]}
    refused("InvalidLaunchTemplateId.NotFound", ec2.describe_launch_templates, **missing)
    assert instances(ec2) == []
