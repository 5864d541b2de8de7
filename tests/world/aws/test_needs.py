"""Which rights calls to EC2 and EFS need, part by part (ACC-07, ACC-10, SEC-12; checklist 5e of the facts)."""

import json
from collections.abc import Callable
from typing import Any

from tests.world.aws.identities import give, make_user, may, refusal
from tests.worlds.aws_world import CUSTOMER, AwsWorld

HERE = f"arn:aws:ec2:us-east-1:{CUSTOMER}:"
ROLE = f"arn:aws:iam::{CUSTOMER}:role"


def network(aws: AwsWorld) -> dict[str, str]:
    """Make a VPC with a subnet and a group, a key pair, and a profile with its role; return their ids."""
    ec2, iam = aws.client("ec2"), aws.client("iam")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    ec2.create_key_pair(KeyName="k")
    for name in ("nodes", "others"):
        ec2_trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [ec2_trust]})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    return {"vpc": vpc, "subnet": subnet, "group": group, "image": image}


def launch(made: dict[str, str], profile: str = "nodes", **more: Any) -> dict[str, Any]:
    """Return what to ask of RunInstances, as a dry run."""
    tags = [{"Key": "team", "Value": "red"}]
    return {
        "ImageId": made["image"],
        "InstanceType": "t3.micro",
        "MinCount": 1,
        "MaxCount": 1,
        "KeyName": "k",
        "SubnetId": made["subnet"],
        "SecurityGroupIds": [made["group"]],
        "IamInstanceProfile": {"Name": profile},
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
        "DryRun": True,
        **more,
    }


def test_a_launch_needs_every_part_of_it(aws: AwsWorld) -> None:
    """ACC-07 and ACC-10: without one right the launch is refused, and the refusal names what is missing."""
    made = network(aws)
    ec2 = aws.client("ec2", **make_user(aws, CUSTOMER))
    run = "ec2:RunInstances"
    rights = {
        f"{run} on resource: {HERE}instance/*": may(run, f"{HERE}instance/*"),
        f"{run} on resource: {HERE}volume/*": may(run, f"{HERE}volume/*"),
        f"{run} on resource: {HERE}network-interface/*": may(run, f"{HERE}network-interface/*"),
        f"{run} on resource: arn:aws:ec2:us-east-1::image/": may(run, "arn:aws:ec2:us-east-1::image/*"),
        f"{run} on resource: {HERE}subnet/{made['subnet']}": may(run, f"{HERE}subnet/*"),
        f"{run} on resource: {HERE}security-group/{made['group']}": may(run, f"{HERE}security-group/*"),
        f"{run} on resource: {HERE}key-pair/k": may(run, f"{HERE}key-pair/*"),
        f"ec2:CreateTags on resource: {HERE}instance/*": may("ec2:CreateTags", f"{HERE}instance/*"),
        f"ec2:CreateTags on resource: {HERE}volume/*": may("ec2:CreateTags", f"{HERE}volume/*"),
        f"iam:PassRole on resource: {ROLE}/nodes": may("iam:PassRole"),
    }
    for missing in rights:
        give(aws, *(statement for name, statement in rights.items() if name != missing))
        code, words = refusal(ec2.run_instances, **launch(made))
        assert (code, missing in words) == ("UnauthorizedOperation", True), (missing, words)
    give(aws, *rights.values())
    assert refusal(ec2.run_instances, **launch(made)) == ("", "")
    aws.client("ec2").create_placement_group(GroupName="pg", Strategy="cluster")
    words = refusal(ec2.run_instances, **launch(made, Placement={"GroupName": "pg"}))[1]
    assert f"{run} on resource: {HERE}placement-group/pg" in words


def test_a_launch_through_a_template_needs_the_same(aws: AwsWorld) -> None:
    """What a template says counts as if it were asked for."""
    made = network(aws)
    asked_later = ("MinCount", "MaxCount", "DryRun", "SubnetId", "SecurityGroupIds")
    told = {name: value for name, value in launch(made).items() if name not in asked_later}
    told["NetworkInterfaces"] = [{"DeviceIndex": 0, "SubnetId": made["subnet"], "Groups": [made["group"]]}]
    template = aws.client("ec2").create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData=told)
    template_id = template["LaunchTemplate"]["LaunchTemplateId"]
    ec2 = aws.client("ec2", **make_user(aws, CUSTOMER))
    asked = {"LaunchTemplate": {"LaunchTemplateName": "nodes"}, "MinCount": 1, "MaxCount": 1, "DryRun": True}
    give(aws, may(["ec2:RunInstances", "ec2:CreateTags"]))
    assert "iam:PassRole" in refusal(ec2.run_instances, **asked)[1]
    no_big_ones = may(["ec2:RunInstances"], f"{HERE}instance/*", StringNotEquals={"ec2:InstanceType": "t3.micro"})
    give(aws, may(["ec2:RunInstances", "ec2:CreateTags", "iam:PassRole"]), {**no_big_ones, "Effect": "Deny"})
    assert refusal(ec2.run_instances, **asked) == ("", "")
    assert "explicit deny" in refusal(ec2.run_instances, **asked, InstanceType="t3.large")[1]
    aws.client("ec2").run_instances(**asked | {"DryRun": False})
    needed = {tuple(need) for need in aws.calls("ec2:RunInstances")[-1]["actions"]}
    assert ("ec2:RunInstances", f"{HERE}launch-template/{template_id}") in needed
    assert ("ec2:RunInstances", f"{HERE}subnet/{made['subnet']}") in needed


def test_a_policy_for_one_profile_and_one_network(aws: AwsWorld) -> None:
    """The restricted variant (products 1.3): nodes only with this profile and in this VPC, and no others stopped."""
    made = network(aws)
    root, profile = aws.client("ec2"), f"arn:aws:iam::{CUSTOMER}:instance-profile/nodes"
    ours = {"ArnLike": {"ec2:InstanceProfile": profile}}
    inside = {"ArnLike": {"ec2:vpc": f"{HERE}vpc/{made['vpc']}"}}
    rest = ("volume", "image", "snapshot", "network-interface", "key-pair", "security-group")
    key = make_user(aws, CUSTOMER)
    give(
        aws,
        may("ec2:Describe*"),
        may("iam:PassRole", f"{ROLE}/nodes", StringEquals={"iam:PassedToService": "ec2.amazonaws.com"}),
        may("ec2:RunInstances", "arn:aws:ec2:*:*:instance/*", **ours),
        may("ec2:RunInstances", "arn:aws:ec2:*:*:subnet/*", **inside),
        may(["ec2:StopInstances", "ec2:TerminateInstances", "ec2:CreateTags"], "arn:aws:ec2:*:*:instance/*", **ours),
        may("ec2:RunInstances", [f"arn:aws:ec2:*:*:{kind}/*" for kind in rest]),
        may(["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"], **inside),
    )  # fmt: skip
    ec2 = aws.client("ec2", **key)
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "red"}]}]
    right = launch(made, TagSpecifications=tags, DryRun=False)
    mine = ec2.run_instances(**right)["Instances"][0]["InstanceId"]
    other = root.run_instances(**{**right, "IamInstanceProfile": {"Name": "others"}})["Instances"][0]["InstanceId"]
    default = root.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][0]
    outside = {**right, "SubnetId": default["SubnetId"], "SecurityGroupIds": []}
    for wrong in ({**right, "IamInstanceProfile": {"Name": "others"}}, outside):
        assert refusal(ec2.run_instances, **wrong)[0] == "UnauthorizedOperation"
    bare = {name: value for name, value in right.items() if name != "IamInstanceProfile"}
    assert refusal(ec2.run_instances, **bare)[0] == "UnauthorizedOperation"
    for ids, code in (([other], "UnauthorizedOperation"), ([mine, other], "UnauthorizedOperation"), ([mine], "")):
        assert refusal(ec2.terminate_instances, InstanceIds=ids, DryRun=True)[0] == code
    rule = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    groups = {group["VpcId"]: group["GroupId"] for group in root.describe_security_groups()["SecurityGroups"]}
    assert refusal(ec2.authorize_security_group_ingress, GroupId=groups[made["vpc"]], IpPermissions=rule)[0] == ""
    foreign = refusal(ec2.authorize_security_group_ingress, GroupId=groups[default["VpcId"]], IpPermissions=rule)
    assert foreign[0] == "UnauthorizedOperation"


def needed_by(aws: AwsWorld, call: Callable[..., Any], **told: Any) -> str:
    """Return what the record says that a call needed: ``action on resource, resource; action on resource``."""
    refusal(call, **told)
    needed: dict[str, list[str]] = {}
    for action, resource in aws.calls()[-1]["actions"]:
        needed.setdefault(action.removeprefix("ec2:"), []).append(resource.removeprefix(HERE))
    return "; ".join(f"{action} on {', '.join(sorted(resources))}" for action, resources in needed.items())


def test_the_record_tells_what_calls_needed(aws: AwsWorld) -> None:
    """Checklist 5e, ACC-10: policies are held against these pairs. By the Service Authorization Reference."""
    made = network(aws)
    ec2, vpc, subnet, group, image = aws.client("ec2"), made["vpc"], made["subnet"], made["group"], made["image"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    tags = [{"Key": "a", "Value": "b"}]
    told: dict[str, tuple[dict[str, Any], str]] = {
        "create_vpc": ({"CidrBlock": "10.9.0.0/16"}, "CreateVpc on vpc/*"),
        "create_subnet": ({"VpcId": vpc, "CidrBlock": "10.0.9.0/24"}, f"CreateSubnet on subnet/*, vpc/{vpc}"),
        "create_nat_gateway": (
            {"SubnetId": subnet, "AllocationId": address},
            f"CreateNatGateway on elastic-ip/{address}, natgateway/*, subnet/{subnet}",
        ),
        "create_route": (
            {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway},
            f"CreateRoute on route-table/{table}",
        ),
        "attach_internet_gateway": (
            {"InternetGatewayId": gateway, "VpcId": vpc},
            f"AttachInternetGateway on internet-gateway/{gateway}, vpc/{vpc}",
        ),
        "disassociate_route_table": (
            {"AssociationId": association}, f"DisassociateRouteTable on route-table/{table}",
        ),
        "authorize_security_group_ingress": (
            {"GroupId": group, "IpPermissions": [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]},
            f"AuthorizeSecurityGroupIngress on security-group/{group}",
        ),
        "allocate_address": (
            {"Domain": "vpc", "TagSpecifications": [{"ResourceType": "elastic-ip", "Tags": tags}]},
            "AllocateAddress on elastic-ip/*; CreateTags on elastic-ip/*",
        ),
        "create_tags": (
            {"Resources": [vpc, subnet], "Tags": tags}, f"CreateTags on subnet/{subnet}, vpc/{vpc}",
        ),
        "delete_key_pair": ({"KeyName": "k"}, "DeleteKeyPair on key-pair/k"),
        "create_placement_group": (
            {"GroupName": "pg", "Strategy": "cluster"}, "CreatePlacementGroup on placement-group/pg",
        ),
        "delete_placement_group": ({"GroupName": "pg"}, "DeletePlacementGroup on placement-group/pg"),
        "copy_image": (
            {"Name": "copy", "SourceImageId": image, "SourceRegion": "us-east-1"},
            f"CopyImage on arn:aws:ec2:us-east-1::image/*, arn:aws:ec2:us-east-1::image/{image}",
        ),
        "describe_vpc_attribute": (
            {"VpcId": vpc, "Attribute": "enableDnsSupport"}, f"DescribeVpcAttribute on vpc/{vpc}",
        ),
        "describe_vpcs": ({"VpcIds": [vpc]}, "DescribeVpcs on *"),
    }  # fmt: skip
    for operation, (params, expected) in told.items():
        assert needed_by(aws, getattr(ec2, operation), **params, DryRun=True) == expected
