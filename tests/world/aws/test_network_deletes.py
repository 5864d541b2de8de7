"""Deleting a network in the AWS world: in a wrong order refused at each step, in the right one nothing is left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import jmespath
from moto.server import ThreadedMotoServer

from tests.world.aws.a_network import Network, network, refusal, tagged
from tests.worlds.aws_world import AwsWorld


@dataclass(frozen=True)
class Step:
    """One step of a cleanup, and the steps that it must wait for."""

    name: str
    do: Callable[[], Any]
    after: frozenset[str] = frozenset()
    code: str = "DependencyViolation"


def cleanup(aws: AwsWorld, ec2: Any, made: Network, interface: str) -> list[Step]:
    """Return all steps of deleting a network, in a right order."""

    def step(
        name: str, do: Callable[..., Any], after: str = "", code: str = "DependencyViolation", **params: Any
    ) -> Step:
        return Step(name, lambda: do(**params), frozenset(after.split()), code)

    detach = {"InternetGatewayId": made.gateway, "VpcId": made.vpc}
    return [
        step("delete interface", ec2.delete_network_interface, NetworkInterfaceId=interface),
        step("delete endpoint", ec2.delete_vpc_endpoints, VpcEndpointIds=[made.endpoint]),
        step("delete nat", ec2.delete_nat_gateway, NatGatewayId=made.nat),
        step("wait", aws.advance, seconds=60),
        step("release", ec2.release_address, "wait", "AuthFailure", AllocationId=made.allocation),
        step("public a", ec2.delete_subnet, "wait", SubnetId=made.public[0]),
        step("public b", ec2.delete_subnet, SubnetId=made.public[1]),
        step("private a", ec2.delete_subnet, "interface", SubnetId=made.private[0]),
        step("private b", ec2.delete_subnet, SubnetId=made.private[1]),
        step("public table", ec2.delete_route_table, "public", RouteTableId=made.public_table),
        step("private table", ec2.delete_route_table, "private", RouteTableId=made.private_table),
        step("files", ec2.delete_security_group, GroupId=made.files_group),
        step("nodes", ec2.delete_security_group, "interface files", GroupId=made.nodes_group),
        step("detach", ec2.detach_internet_gateway, "wait", **detach),
        step("gateway", ec2.delete_internet_gateway, "detach", InternetGatewayId=made.gateway),
        step("vpc", ec2.delete_vpc, "endpoint wait public private table files nodes detach", VpcId=made.vpc),
    ]


def test_a_network_is_deleted_in_the_right_order_only(aws: AwsWorld) -> None:
    """The sweep's and the provider's order is proven by this refusal alone: bare moto deletes in any order (OPS-24)."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    made = network(ec2)
    aws.advance(90)
    asked = {
        "SubnetId": made.private[0],
        "Groups": [made.nodes_group],
        "TagSpecifications": tagged("network-interface"),
    }
    interface = ec2.create_network_interface(**asked)["NetworkInterface"]["NetworkInterfaceId"]
    steps = cleanup(aws, ec2, made, interface)
    refused = 0
    while steps:
        for step in steps:
            if any(word in other.name for word in step.after for other in steps if other is not step):
                assert refusal(step.do) == step.code, f"{step.name} before {steps[0].name}"
                refused += 1
        steps.pop(0).do()
    assert refused > 50
    nothing_is_left(aws, ec2, made)


def nothing_is_left(aws: AwsWorld, ec2: Any, made: Network) -> None:
    """Look at every list for what was of the network."""
    here = {"Filters": [{"Name": "vpc-id", "Values": [made.vpc]}]}
    for kind, member in {
        "vpcs": "Vpcs",
        "subnets": "Subnets",
        "route_tables": "RouteTables",
        "security_groups": "SecurityGroups",
        "network_interfaces": "NetworkInterfaces",
        "network_acls": "NetworkAcls",
        "vpc_endpoints": "VpcEndpoints",
    }.items():
        assert getattr(ec2, f"describe_{kind}")(**here)[member] == [], kind
    assert ec2.describe_addresses()["Addresses"] == []
    assert (
        refusal(ec2.describe_internet_gateways, InternetGatewayIds=[made.gateway])
        == "InvalidInternetGatewayID.NotFound"
    )
    assert [one["State"] for one in ec2.describe_nat_gateways(**here)["NatGateways"]] == ["deleted"]
    aws.advance(3600)
    assert ec2.describe_nat_gateways(**here)["NatGateways"] == []
    assert ec2.describe_tags(Filters=[{"Name": "key", "Values": ["owner"]}])["Tags"] == []


@contextmanager
def bare_moto() -> Iterator[str]:
    """Moto's own server, as it comes: with nothing of this world before it; its address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def test_bare_moto_deletes_what_is_in_use() -> None:
    """The control of the test above: where moto itself refuses, our rule is not needed any more (OPS-24)."""
    with bare_moto() as url:
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        ec2 = boto3.client("ec2", "us-east-1", endpoint_url=url, **keys)
        made = network(ec2)
        wrong: list[tuple[Callable[..., Any], dict[str, str]]] = [
            (ec2.release_address, {"AllocationId": made.allocation}),
            (ec2.detach_internet_gateway, {"InternetGatewayId": made.gateway, "VpcId": made.vpc}),
            (ec2.delete_subnet, {"SubnetId": made.public[0]}),
            (ec2.delete_security_group, {"GroupId": made.nodes_group}),
        ]
        assert [refusal(call, **params) for call, params in wrong] == ["", "", "", ""]


def test_an_instance_holds_its_subnet_and_its_groups(aws: AwsWorld) -> None:
    """The commonest wrong order: the network is taken away while the nodes are still shutting down."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    image = ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][0]["ImageId"]
    asked = {"ImageId": image, "InstanceType": "t3.micro", "SubnetId": made.private[1]}
    launched = ec2.run_instances(**asked, SecurityGroupIds=[made.nodes_group], MinCount=1, MaxCount=1)
    instance = launched["Instances"][0]["InstanceId"]
    interface = launched["Instances"][0]["NetworkInterfaces"][0]["NetworkInterfaceId"]
    address = {"AllocationId": ec2.allocate_address(Domain="vpc")["AllocationId"], "InstanceId": instance}
    assert refusal(ec2.associate_address, **address) == "InvalidInstanceID"
    wrong = [
        (ec2.delete_subnet, {"SubnetId": made.private[1]}),
        (ec2.delete_security_group, {"GroupId": made.nodes_group}),
        (ec2.delete_vpc, {"VpcId": made.vpc}),
    ]
    ec2.delete_security_group(GroupId=made.files_group)
    assert {refusal(call, **params) for call, params in wrong} == {"DependencyViolation"}
    assert refusal(ec2.delete_network_interface, NetworkInterfaceId=interface) == "InvalidParameterValue"
    aws.advance(60)
    ec2.associate_address(**address)
    assert refusal(ec2.release_address, AllocationId=address["AllocationId"]) == "InvalidIPAddress.InUse"
    ec2.terminate_instances(InstanceIds=[instance])
    assert {refusal(call, **params) for call, params in wrong} == {"DependencyViolation"}
    aws.advance(60)
    ec2.release_address(AllocationId=address["AllocationId"])
    ec2.delete_subnet(SubnetId=made.private[1])
    ec2.delete_security_group(GroupId=made.nodes_group)


def test_a_mount_target_holds_its_subnet_and_its_group(aws: AwsWorld) -> None:
    """A file system outlives its cluster, and its mount target keeps an interface in the network."""
    ec2, efs = aws.client("ec2"), aws.client("efs")
    made = network(ec2)
    files = efs.create_file_system(CreationToken="files")["FileSystemId"]
    aws.advance(120)
    asked = {"FileSystemId": files, "SubnetId": made.private[0], "SecurityGroups": [made.files_group]}
    mount = efs.create_mount_target(**asked)
    aws.advance(300)
    assert refusal(ec2.delete_subnet, SubnetId=made.private[0]) == "DependencyViolation"
    assert refusal(ec2.delete_security_group, GroupId=made.files_group) == "DependencyViolation"
    held = {"NetworkInterfaceId": mount["NetworkInterfaceId"]}
    assert refusal(ec2.delete_network_interface, **held) == "InvalidParameterValue"
    efs.delete_mount_target(MountTargetId=mount["MountTargetId"])
    aws.advance(300)
    efs.describe_mount_targets(FileSystemId=files)
    ec2.delete_subnet(SubnetId=made.private[0])
    ec2.delete_security_group(GroupId=made.files_group)


ALONE = [
    ("security_group", {"GroupName": "own", "Description": "own"}, "GroupId", "GroupId"),
    ("subnet", {"CidrBlock": "10.0.0.0/24"}, "Subnet.SubnetId", "SubnetId"),
    ("route_table", {}, "RouteTable.RouteTableId", "RouteTableId"),
    ("network_acl", {}, "NetworkAcl.NetworkAclId", "NetworkAclId"),
    (
        "egress_only_internet_gateway",
        {},
        "EgressOnlyInternetGateway.EgressOnlyInternetGatewayId",
        "EgressOnlyInternetGatewayId",
    ),
]
"""What a VPC may have: the kind, further parameters to make one, where its id is told, and what takes the id."""


def test_each_thing_alone_holds_a_vpc(aws: AwsWorld) -> None:
    """Bare moto deletes a VPC that has nothing but a group, an endpoint or a list of rules of its own."""
    ec2 = aws.client("ec2")
    for kind, asked, where, member in ALONE:
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        made = jmespath.search(where, getattr(ec2, f"create_{kind}")(VpcId=vpc, **asked))
        assert refusal(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation", kind
        getattr(ec2, f"delete_{kind}")(**{member: made})
        ec2.delete_vpc(VpcId=vpc)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    endpoint = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3")["VpcEndpoint"]
    assert refusal(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
    aws.advance(30)
    ec2.delete_vpc(VpcId=vpc)
