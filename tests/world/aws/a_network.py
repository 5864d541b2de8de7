"""A whole network, as the product builds one: two public and two private subnets in two zones."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class Network:
    """Ids of all that was made."""

    vpc: str
    public: tuple[str, str]
    private: tuple[str, str]
    gateway: str
    allocation: str
    nat: str
    public_table: str
    private_table: str
    endpoint: str
    nodes_group: str
    files_group: str


def network(ec2: Any, *, region: str = "us-east-1") -> Network:
    """Build a network through the caller's client. The NAT gateway is pending when it returns."""
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc"))["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    public = _subnets(ec2, vpc, ("10.0.0.0/24", "10.0.1.0/24"), region)
    private = _subnets(ec2, vpc, ("10.0.16.0/20", "10.0.32.0/20"), region)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    allocation = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))["AllocationId"]
    asked = {"SubnetId": public[0], "AllocationId": allocation, "TagSpecifications": tagged("natgateway")}
    nat = ec2.create_nat_gateway(**asked)["NatGateway"]["NatGatewayId"]
    public_table, private_table = _table(ec2, vpc, public), _table(ec2, vpc, private)
    ec2.create_route(RouteTableId=public_table, DestinationCidrBlock=ANYWHERE, GatewayId=gateway)
    ec2.create_route(RouteTableId=private_table, DestinationCidrBlock=ANYWHERE, NatGatewayId=nat)
    tables = [public_table, private_table]
    asked = {"VpcId": vpc, "ServiceName": f"com.amazonaws.{region}.s3", "RouteTableIds": tables}
    endpoint = ec2.create_vpc_endpoint(**asked)["VpcEndpoint"]["VpcEndpointId"]
    nodes, files = group(ec2, vpc, "nodes"), group(ec2, vpc, "files")
    ec2.authorize_security_group_ingress(GroupId=nodes, IpPermissions=[from_group("-1", nodes)])
    ec2.authorize_security_group_ingress(GroupId=files, IpPermissions=[from_group("tcp", nodes, 2049)])
    return Network(vpc, public, private, gateway, allocation, nat, public_table, private_table, endpoint, nodes, files)


def tagged(kind: str, **tags: str) -> list[dict[str, Any]]:
    """Return a tag specification."""
    told = {"owner": "tests", **tags}
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in told.items()]}]


def group(ec2: Any, vpc: str, name: str) -> str:
    """Make a security group."""
    return str(ec2.create_security_group(GroupName=name, Description=f"for {name}", VpcId=vpc)["GroupId"])


def from_group(protocol: str, source: str, port: int | None = None, **told: str) -> dict[str, Any]:
    """Return a permission for a group's members."""
    ports = {"FromPort": port, "ToPort": port} if port else {}
    return {"IpProtocol": protocol, **ports, "UserIdGroupPairs": [{"GroupId": source, **told}]}


def refusal(call: Any, **params: Any) -> str:
    """Return AWS's code of a refused call, or an empty text where it was not refused."""
    try:
        call(**params)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def _subnets(ec2: Any, vpc: str, blocks: tuple[str, str], region: str) -> tuple[str, str]:
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=f"{region}{zone}")["Subnet"]["SubnetId"]
        for block, zone in zip(blocks, "ab", strict=True)
    ]
    return made[0], made[1]


def _table(ec2: Any, vpc: str, subnets: tuple[str, str]) -> str:
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    for subnet in subnets:
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    return str(table)
