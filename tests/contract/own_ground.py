"""A network as a user makes it for clusters, and how one property of it at a time is broken."""

from dataclasses import dataclass, field
from typing import Any

from blocks.aws_cluster import AwsClusterSpec
from tests.world.aws.a_network import ANYWHERE, from_group, group

REGION = "us-east-1"
CIDR = "10.20.0.0/16"


@dataclass
class Own:
    """A VPC with a public and a private subnet in each of two zones, a NAT gateway, and a group for nodes."""

    ec2: Any
    vpc: str
    subnets: dict[str, str]
    tables: dict[str, str]
    gateway: str
    nat: str
    group: str
    extra: dict[str, str] = field(default_factory=dict)

    def spec(self, **told: Any) -> AwsClusterSpec:
        asked = {
            "name": "lab",
            "account": "aws-account/team",
            "region": REGION,
            "vpc_id": self.vpc,
            "subnet_id": self.subnets["private-a"],
            "security_group_id": self.group,
        }
        return AwsClusterSpec(**{**asked, **told})

    def acl(self, *entries: dict[str, Any], subnet: str = "private-a") -> str:
        """Give a subnet a network ACL with these entries and no other."""
        acl = self.ec2.create_network_acl(VpcId=self.vpc)["NetworkAcl"]["NetworkAclId"]
        for entry in entries:
            told = {"Protocol": "6", "RuleAction": "allow", "CidrBlock": ANYWHERE, **entry}
            self.ec2.create_network_acl_entry(NetworkAclId=acl, **told)
        filters = [{"Name": "association.subnet-id", "Values": [self.subnets[subnet]]}]
        [old] = self.ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
        [link] = [one for one in old["Associations"] if one["SubnetId"] == self.subnets[subnet]]
        self.ec2.replace_network_acl_association(AssociationId=link["NetworkAclAssociationId"], NetworkAclId=acl)
        return str(acl)


def own_network(ec2: Any, cidr: str = CIDR) -> Own:
    """Make a network in which nodes can live."""
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    start = cidr.removesuffix(".0.0/16")
    blocks = {"public-a": "0.0/24", "public-b": "1.0/24", "private-a": "16.0/20", "private-b": "32.0/20"}
    subnets = {
        name: ec2.create_subnet(VpcId=vpc, CidrBlock=f"{start}.{block}", AvailabilityZone=f"{REGION}{name[-1]}")
        for name, block in blocks.items()
    }
    ids = {name: made["Subnet"]["SubnetId"] for name, made in subnets.items()}
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    tables = {}
    for kind in ("public", "private"):
        tables[kind] = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        for zone in "ab":
            ec2.associate_route_table(RouteTableId=tables[kind], SubnetId=ids[f"{kind}-{zone}"])
    ec2.create_route(RouteTableId=tables["public"], DestinationCidrBlock=ANYWHERE, GatewayId=gateway)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=ids["public-a"], AllocationId=address)["NatGateway"]["NatGatewayId"]
    ec2.create_route(RouteTableId=tables["private"], DestinationCidrBlock=ANYWHERE, NatGatewayId=nat)
    nodes = group(ec2, vpc, "nodes")
    ec2.authorize_security_group_ingress(GroupId=nodes, IpPermissions=[from_group("-1", nodes)])
    return Own(ec2, vpc, ids, tables, gateway, nat, nodes)


def endpoint(own: Own, service: str, *, table: str = "") -> None:
    """Add an endpoint: of a route table, or with interfaces in the private subnets."""
    name = f"com.amazonaws.{REGION}.{service}"
    if table:
        own.ec2.create_vpc_endpoint(VpcId=own.vpc, ServiceName=name, RouteTableIds=[table])
    else:
        subnets = [own.subnets["private-a"]]
        own.ec2.create_vpc_endpoint(VpcId=own.vpc, ServiceName=name, VpcEndpointType="Interface", SubnetIds=subnets)
