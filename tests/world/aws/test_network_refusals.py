"""What AWS refuses of networks, and bare moto accepts or crashes on: the exact codes (OPS-24)."""

from collections.abc import Callable
from typing import Any

from tests.world.aws.a_network import ANYWHERE, Network, from_group, group, network, refusal, tagged
from tests.worlds.aws_world import AwsWorld

Cases = list[tuple[str, Callable[..., Any], dict[str, Any]]]
"""Wanted code, the call, its parameters."""


def refused(cases: Cases) -> None:
    """Make each call, and compare the codes."""
    told = [(wanted, refusal(call, **params)) for wanted, call, params in cases]
    assert [found for _, found in told] == [wanted for wanted, _ in told]


def test_vpcs_and_subnets(aws: AwsWorld) -> None:
    """Overlaps, sizes, zones, and attributes that AWS takes one at a time."""
    ec2 = aws.client("ec2", region="eu-west-1")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")
    unknown = "vpc-0123456789abcdef0"
    both = {"EnableDnsSupport": {"Value": True}, "EnableDnsHostnames": {"Value": True}}
    free = {"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}
    refused(
        [
            ("InvalidVpc.Range", ec2.create_vpc, {"CidrBlock": "10.0.0.0/8"}),
            ("InvalidVpcID.NotFound", ec2.describe_vpcs, {"VpcIds": [unknown]}),
            ("InvalidVpcID.NotFound", ec2.delete_vpc, {"VpcId": unknown}),
            ("InvalidVpcID.NotFound", ec2.create_subnet, {**free, "VpcId": unknown}),
            ("InvalidParameterCombination", ec2.modify_vpc_attribute, {"VpcId": vpc, **both}),
            ("InvalidSubnet.Conflict", ec2.create_subnet, {**free, "CidrBlock": "10.0.0.128/25"}),
            ("InvalidSubnet.Range", ec2.create_subnet, {**free, "CidrBlock": "10.1.0.0/24"}),
            ("InvalidSubnet.Range", ec2.create_subnet, {**free, "CidrBlock": "10.0.1.0/29"}),
            ("InvalidParameterValue", ec2.create_subnet, {**free, "CidrBlock": "10.0.1.0"[:6]}),
            ("InvalidParameterValue", ec2.create_subnet, {**free, "AvailabilityZone": "us-east-1a"}),
            ("InvalidParameterValue", ec2.create_subnet, {**free, "AvailabilityZone": "eu-west-1z"}),
            ("InvalidSubnetID.NotFound", ec2.delete_subnet, {"SubnetId": "subnet-0123456789abcdef0"}),
            ("DryRunOperation", ec2.create_vpc, {"CidrBlock": "10.0.0.0/16", "DryRun": True}),
            ("", ec2.create_subnet, free),
        ]
    )
    zones = {one["AvailabilityZone"] for one in ec2.describe_subnets()["Subnets"]}
    assert {zone[:-1] for zone in zones} == {"eu-west-1"}


def test_gateways_and_addresses(aws: AwsWorld) -> None:
    """A second gateway, a NAT gateway without what it needs, an address that is another's."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    second = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    lonely = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    alone = ec2.create_subnet(VpcId=lonely, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    offline = ec2.create_network_interface(SubnetId=alone)["NetworkInterface"]["NetworkInterfaceId"]
    free = ec2.allocate_address(Domain="vpc")["AllocationId"]
    held = ec2.describe_addresses(AllocationIds=[made.allocation])["Addresses"][0]
    unknown = "eipalloc-0123456789abcdef0"
    nat = {"SubnetId": made.public[1], "AllocationId": free}
    refused(
        [
            ("InvalidParameterValue", ec2.attach_internet_gateway, {"InternetGatewayId": second, "VpcId": made.vpc}),
            (
                "Resource.AlreadyAssociated",
                ec2.attach_internet_gateway,
                {"InternetGatewayId": made.gateway, "VpcId": lonely},
            ),
            ("DependencyViolation", ec2.delete_internet_gateway, {"InternetGatewayId": made.gateway}),
            ("Gateway.NotAttached", ec2.detach_internet_gateway, {"InternetGatewayId": second, "VpcId": made.vpc}),
            ("MissingParameter", ec2.create_nat_gateway, {"SubnetId": made.public[1]}),
            ("InvalidParameterCombination", ec2.create_nat_gateway, {**nat, "ConnectivityType": "private"}),
            ("InvalidAllocationID.NotFound", ec2.create_nat_gateway, {**nat, "AllocationId": unknown}),
            ("InvalidSubnetID.NotFound", ec2.create_nat_gateway, {**nat, "SubnetId": "subnet-0123456789abcdef0"}),
            ("NatGatewayNotFound", ec2.describe_nat_gateways, {"NatGatewayIds": ["nat-0123456789abcdef0"]}),
            ("NatGatewayNotFound", ec2.delete_nat_gateway, {"NatGatewayId": "nat-0123456789abcdef0"}),
            ("AuthFailure", ec2.release_address, {"AllocationId": made.allocation}),
            ("AuthFailure", ec2.disassociate_address, {"AssociationId": held["AssociationId"]}),
            ("AuthFailure", ec2.associate_address, {"AllocationId": made.allocation, "NetworkInterfaceId": offline}),
            ("Gateway.NotAttached", ec2.associate_address, {"AllocationId": free, "NetworkInterfaceId": offline}),
            ("InvalidAllocationID.NotFound", ec2.release_address, {"AllocationId": unknown}),
            (
                "InvalidAssociationID.NotFound",
                ec2.disassociate_address,
                {"AssociationId": "eipassoc-0123456789abcdef0"},
            ),
            ("InvalidAddress.NotFound", ec2.release_address, {"PublicIp": "192.0.2.1"}),
        ]
    )
    assert len(ec2.describe_nat_gateways()["NatGateways"]) == 1


def test_routes(aws: AwsWorld) -> None:
    """Routes said twice or leading nowhere, tables in use, subnets that have a table."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    lonely = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    loose = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    spare = ec2.create_route_table(VpcId=made.vpc)["RouteTable"]["RouteTableId"]
    foreign = ec2.create_route_table(VpcId=lonely)["RouteTable"]["RouteTableId"]
    mains = ec2.describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]}])["RouteTables"]
    main = next(one for one in mains if one["VpcId"] == made.vpc)
    association = main["Associations"][0]["RouteTableAssociationId"]
    prefixes = ec2.describe_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": ["com.amazonaws.us-east-1.s3"]}]
    )
    prefix = {"DestinationPrefixListId": prefixes["PrefixLists"][0]["PrefixListId"]}
    route = {"RouteTableId": made.public_table, "DestinationCidrBlock": "192.0.2.0/24"}
    again = {**route, "DestinationCidrBlock": ANYWHERE}
    refused(
        [
            ("RouteAlreadyExists", ec2.create_route, {**again, "NatGatewayId": made.nat}),
            ("MissingParameter", ec2.create_route, route),
            ("InvalidNatGatewayID.NotFound", ec2.create_route, {**route, "NatGatewayId": "nat-0123456789abcdef0"}),
            ("InvalidParameterValue", ec2.create_route, {**route, "GatewayId": loose}),
            ("InvalidParameterValue", ec2.create_route, {**again, "RouteTableId": foreign, "NatGatewayId": made.nat}),
            ("InvalidParameterValue", ec2.create_route, {**route, "DestinationCidrBlock": "any", "GatewayId": loose}),
            ("MissingParameter", ec2.create_route, {"RouteTableId": spare, "GatewayId": made.gateway}),
            ("InvalidInternetGatewayID.NotFound", ec2.create_route, {**route, "GatewayId": "igw-0123456789abcdef0"}),
            ("InvalidRouteTableID.NotFound", ec2.delete_route_table, {"RouteTableId": "rtb-0123456789abcdef0"}),
            ("InvalidParameterValue", ec2.delete_route, {**route, "DestinationCidrBlock": "10.0.0.0/16"}),
            ("InvalidParameterValue", ec2.delete_route, {"RouteTableId": made.public_table, **prefix}),
            ("InvalidRoute.NotFound", ec2.delete_route, route),
            ("DependencyViolation", ec2.delete_route_table, {"RouteTableId": made.public_table}),
            ("DependencyViolation", ec2.delete_route_table, {"RouteTableId": main["RouteTableId"]}),
            (
                "Resource.AlreadyAssociated",
                ec2.associate_route_table,
                {"RouteTableId": spare, "SubnetId": made.public[0]},
            ),
            ("InvalidParameterValue", ec2.associate_route_table, {"RouteTableId": foreign, "SubnetId": made.public[0]}),
            ("InvalidParameterValue", ec2.disassociate_route_table, {"AssociationId": association}),
            ("InvalidAssociationID.NotFound", ec2.disassociate_route_table, {"AssociationId": "rtbassoc-01234567"}),
            ("", ec2.associate_route_table, {"RouteTableId": made.public_table, "SubnetId": made.public[0]}),
            ("", ec2.create_route, {**route, "GatewayId": made.gateway}),
        ]
    )


def test_groups(aws: AwsWorld) -> None:
    """Rules said twice, groups of another VPC, ports and texts that AWS does not take."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    lonely = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    foreign = group(ec2, lonely, "foreign")
    unknown = "sg-0123456789abcdef0"
    default = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])["SecurityGroups"][0]
    nodes, files = made.nodes_group, made.files_group
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": ANYWHERE}]}
    allow = ec2.authorize_security_group_ingress

    def told(*permissions: dict[str, Any]) -> dict[str, Any]:
        return {"GroupId": files, "IpPermissions": list(permissions)}

    by_id = {"GroupId": files, "SecurityGroupRuleIds": ["sgr-0123456789abcdef0"]}
    new = {"GroupName": "new", "Description": "new", "VpcId": made.vpc}
    refused(
        [
            ("InvalidGroup.Duplicate", ec2.create_security_group, {**new, "GroupName": "nodes"}),
            ("InvalidVpcID.NotFound", ec2.create_security_group, {**new, "VpcId": "vpc-0123456789abcdef0"}),
            ("InvalidParameterValue", ec2.create_security_group, {**new, "GroupName": "default"}),
            ("InvalidParameterValue", ec2.create_security_group, {**new, "GroupName": "sg-new"}),
            ("InvalidParameterValue", ec2.create_security_group, {**new, "Description": "für alle"}),
            ("CannotDelete", ec2.delete_security_group, {"GroupId": default["GroupId"]}),
            ("DependencyViolation", ec2.delete_security_group, {"GroupId": nodes}),
            ("InvalidGroup.NotFound", ec2.delete_security_group, {"GroupId": unknown}),
            ("InvalidGroup.NotFound", ec2.delete_security_group, {"GroupName": "nodes"}),
            ("InvalidPermission.Duplicate", allow, told(ssh, from_group("tcp", nodes, 2049, Description="again"))),
            ("InvalidPermission.Duplicate", allow, told(ssh, ssh)),
            ("InvalidGroup.NotFound", allow, told(ssh, from_group("tcp", unknown, 22))),
            ("InvalidGroup.NotFound", allow, told(ssh, from_group("tcp", foreign, 22))),
            ("InvalidParameterValue", allow, told({**ssh, "ToPort": 21})),
            ("InvalidParameterValue", allow, told({"IpProtocol": "tcp", "IpRanges": ssh["IpRanges"]})),
            ("InvalidParameterValue", allow, told({**ssh, "IpRanges": [{"CidrIp": "10.0.0.0/99"}]})),
            ("InvalidParameterValue", allow, told({**ssh, "IpRanges": [{"CidrIp": ANYWHERE, "Description": "a\nb"}]})),
            ("InvalidParameterValue", allow, told({**ssh, "IpRanges": []})),
            ("InvalidPermission.NotFound", ec2.revoke_security_group_ingress, told(ssh)),
            ("InvalidSecurityGroupRuleId.NotFound", ec2.revoke_security_group_ingress, by_id),
            ("InvalidPermission.Duplicate", ec2.authorize_security_group_egress, told({**ssh, "IpProtocol": "-1"})),
            ("", allow, told(ssh)),
        ]
    )
    many = [{**ssh, "IpRanges": [{"CidrIp": f"192.0.2.{last}/32"} for last in range(59)]}]
    assert refusal(allow, **told(*many)) == "RulesPerSecurityGroupLimitExceeded"
    rules = ec2.describe_security_groups(GroupIds=[files])["SecurityGroups"][0]["IpPermissions"]
    # Nothing is added of a list with a fault in it: moto adds what comes before the fault.
    assert sorted(one["FromPort"] for one in rules) == [22, 2049]


def test_interfaces(aws: AwsWorld) -> None:
    """Groups of another VPC and unknown ones (moto makes them up), addresses that are not free."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    lonely = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    foreign = group(ec2, lonely, "foreign")
    asked = {"SubnetId": made.private[0]}
    mine = ec2.create_network_interface(**asked, PrivateIpAddress="10.0.16.9")["NetworkInterface"]["NetworkInterfaceId"]
    nat = ec2.describe_nat_gateways()["NatGateways"][0]["NatGatewayAddresses"][0]["NetworkInterfaceId"]
    create = ec2.create_network_interface
    attach = {"NetworkInterfaceId": nat, "InstanceId": "i-0123456789abcdef0", "DeviceIndex": 1}
    six = [made.nodes_group, made.files_group, *(group(ec2, made.vpc, f"g{number}") for number in range(4))]
    refused(
        [
            ("InvalidGroup.NotFound", create, {**asked, "Groups": ["sg-0123456789abcdef0"]}),
            ("InvalidParameter", create, {**asked, "Groups": [foreign]}),
            ("SecurityGroupsPerInterfaceLimitExceeded", create, {**asked, "Groups": six}),
            ("InvalidSubnetID.NotFound", create, {"SubnetId": "subnet-0123456789abcdef0"}),
            ("InvalidIPAddress.InUse", create, {**asked, "PrivateIpAddress": "10.0.16.9"}),
            ("InvalidParameterValue", create, {**asked, "PrivateIpAddress": "10.0.0.9"}),
            ("InvalidParameterValue", create, {**asked, "PrivateIpAddress": "10.0.16.3"}),
            ("InvalidParameterValue", ec2.delete_network_interface, {"NetworkInterfaceId": nat}),
            (
                "InvalidParameter",
                ec2.modify_network_interface_attribute,
                {"NetworkInterfaceId": mine, "Groups": [foreign]},
            ),
            (
                "InvalidNetworkInterfaceID.NotFound",
                ec2.delete_network_interface,
                {"NetworkInterfaceId": "eni-01234567"},
            ),
            ("InvalidNetworkInterface.InUse", ec2.attach_network_interface, attach),
            ("", ec2.delete_network_interface, {"NetworkInterfaceId": mine}),
        ]
    )
    assert refusal(ec2.describe_security_groups, GroupIds=["sg-0123456789abcdef0"]) == "InvalidGroup.NotFound"


def test_endpoints(aws: AwsWorld) -> None:
    """Services that are not there, or not of this type; tables that have a route; names in a VPC without names."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    lonely = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    service = "com.amazonaws.us-east-1."
    asked = {"VpcId": made.vpc, "ServiceName": service + "s3"}
    ssm = {"VpcEndpointType": "Interface", "ServiceName": service + "ssm", "SubnetIds": [made.private[0]]}
    create = ec2.create_vpc_endpoint
    ec2.create_vpc_endpoint(**{**asked, **ssm})
    full = ec2.create_subnet(VpcId=made.vpc, CidrBlock="10.0.2.0/28")["Subnet"]["SubnetId"]
    ec2.create_network_interface(SubnetId=full, SecondaryPrivateIpAddressCount=10)
    sts = {**ssm, "ServiceName": service + "sts", "SubnetIds": [full]}
    refused(
        [
            ("InvalidServiceName", create, {**asked, "ServiceName": service + "s4"}),
            ("InvalidServiceName", create, {**asked, "ServiceName": "com.amazonaws.eu-west-1.s3"}),
            ("InvalidParameter", create, {**asked, "ServiceName": service + "ssm"}),
            ("InvalidVpcID.NotFound", create, {**asked, "VpcId": "vpc-0123456789abcdef0"}),
            ("RouteAlreadyExists", create, {**asked, "RouteTableIds": [made.public_table]}),
            ("InvalidRouteTableId.NotFound", create, {**asked, "VpcId": lonely, "RouteTableIds": [made.public_table]}),
            ("InsufficientFreeAddressesInSubnet", create, {**asked, **sts}),
            ("InvalidParameter", create, {**asked, **ssm}),
            ("InvalidParameter", create, {**asked, **ssm, "VpcId": lonely}),
            ("InvalidSubnetId.NotFound", create, {**asked, **ssm, "VpcId": lonely, "PrivateDnsEnabled": False}),
        ]
    )


def test_tags(aws: AwsWorld) -> None:
    """Reserved keys, too many, of another kind, on what is not there; and nothing is made of a refused request."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    many = {f"k{number}": "v" for number in range(50)}
    vpc = {"CidrBlock": "10.9.0.0/16"}
    unknown = {
        "i": "InvalidInstanceID.NotFound",
        "vpc": "InvalidVpcID.NotFound",
        "subnet": "InvalidSubnetID.NotFound",
        "sg": "InvalidGroup.NotFound",
        "igw": "InvalidInternetGatewayID.NotFound",
        "nat": "NatGatewayNotFound",
        "eipalloc": "InvalidAllocationID.NotFound",
        "rtb": "InvalidRouteTableID.NotFound",
        "eni": "InvalidNetworkInterfaceID.NotFound",
        "vpce": "InvalidVpcEndpointId.NotFound",
        "vol": "InvalidVolume.NotFound",
        "ami": "InvalidAMIID.NotFound",
        "nonsense": "InvalidID",
    }
    one = [{"Key": "a", "Value": "b"}]
    cases: Cases = [
        (code, ec2.create_tags, {"Resources": [made.vpc, f"{prefix}-0123456789abcdef0"], "Tags": one})
        for prefix, code in unknown.items()
    ]
    on_vpc = {"Resources": [made.vpc]}
    cases += [
        ("InvalidParameterValue", ec2.create_vpc, {**vpc, "TagSpecifications": tagged("vpc", **{"aws:x": "y"})}),
        ("InvalidParameter", ec2.create_vpc, {**vpc, "TagSpecifications": tagged("subnet")}),
        ("InvalidParameter", ec2.create_vpc, {**vpc, "TagSpecifications": [{"ResourceType": "vpc"}]}),
        ("TagLimitExceeded", ec2.create_vpc, {**vpc, "TagSpecifications": tagged("vpc", **many)}),
        ("InvalidParameterValue", ec2.create_tags, {**on_vpc, "Tags": [{"Key": "AWS:x", "Value": "y"}]}),
        ("InvalidParameterValue", ec2.create_tags, {**on_vpc, "Tags": [{"Key": "x" * 129, "Value": "y"}]}),
        ("InvalidParameterValue", ec2.create_tags, {**on_vpc, "Tags": [{"Key": "x", "Value": "y" * 257}]}),
        ("InvalidParameterValue", ec2.create_tags, {**on_vpc, "Tags": [*one, *one]}),
        ("TagLimitExceeded", ec2.create_tags, {**on_vpc, "Tags": [{"Key": key, "Value": "v"} for key in many]}),
    ]
    refused(cases)
    assert ec2.describe_vpcs(VpcIds=[made.vpc])["Vpcs"][0]["Tags"] == [{"Key": "owner", "Value": "tests"}]
    assert len(ec2.describe_vpcs()["Vpcs"]) == 2
    ec2.create_tags(Resources=[made.nat, made.endpoint], Tags=one)
    ec2.delete_tags(Resources=[made.nat], Tags=[{"Key": "owner", "Value": "another"}, {"Key": "a"}])
    assert ec2.describe_nat_gateways()["NatGateways"][0]["Tags"] == [{"Key": "owner", "Value": "tests"}]
    assert ec2.describe_vpc_endpoints(Filters=[{"Name": "tag:a", "Values": ["b"]}])["VpcEndpoints"]


def test_unknown_filters(aws: AwsWorld) -> None:
    """Moto crashes on a filter that it does not know, or passes it over and lists everything."""
    ec2 = aws.client("ec2")
    kinds = (
        *("addresses", "availability_zones", "internet_gateways", "nat_gateways", "network_acls", "network_interfaces"),
        *("prefix_lists", "route_tables", "security_group_rules", "security_groups", "subnets", "tags"),
        *("vpc_endpoints", "vpcs"),
    )
    asked = {"Filters": [{"Name": "cluster", "Values": ["lab"]}]}
    told = {kind: refusal(getattr(ec2, f"describe_{kind}"), **asked) for kind in kinds}
    assert told == dict.fromkeys(kinds, "InvalidParameterValue")
    assert refusal(ec2.describe_vpcs, Filters=[{"Values": ["lab"]}]) == "InvalidParameterValue"
    by_tag = {"Filters": [{"Name": "tag:owner", "Values": ["tests"]}]}
    assert refusal(ec2.describe_availability_zones, **by_tag) == "InvalidParameterValue"


def test_pages_together_with_ids(aws: AwsWorld) -> None:
    """DescribeNetworkInterfaces takes one of them only."""
    ec2 = aws.client("ec2")
    nat = ec2.describe_nat_gateways(NatGatewayIds=[network(ec2).nat])["NatGateways"][0]
    ids = [nat["NatGatewayAddresses"][0]["NetworkInterfaceId"]]
    asked = {"NetworkInterfaceIds": ids, "MaxResults": 5}
    assert refusal(ec2.describe_network_interfaces, **asked) == "InvalidParameterCombination"


def test_quotas(aws: AwsWorld) -> None:
    """Five VPCs, the default one included, addresses and internet gateways; each region and account has its own."""
    ec2 = aws.client("ec2")

    def until_refused(call: Callable[..., Any], **params: Any) -> tuple[int, str]:
        codes = []
        while len(codes) < 10 and not any(codes):
            codes.append(refusal(call, **params))
        return len(codes) - 1, codes[-1]

    assert until_refused(ec2.create_vpc, CidrBlock="10.0.0.0/16") == (4, "VpcLimitExceeded")
    assert until_refused(ec2.allocate_address, Domain="vpc") == (5, "AddressLimitExceeded")
    assert until_refused(ec2.create_internet_gateway) == (4, "InternetGatewayLimitExceeded")
    assert refusal(aws.client("ec2", region="eu-west-1").allocate_address) == ""
    assert refusal(aws.client("ec2", "333333333333").allocate_address) == ""
    aws.settings(limits={"L-0263D0A3": 6})
    assert until_refused(ec2.allocate_address, Domain="vpc") == (1, "AddressLimitExceeded")


def test_quotas_within_a_network(aws: AwsWorld) -> None:
    """The rest of the table of quotas that networks have, each lowered to what is there already."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    asked = {"VpcId": made.vpc}
    dynamodb = {**asked, "ServiceName": "com.amazonaws.us-east-1.dynamodb"}
    ssm = {**asked, "ServiceName": "com.amazonaws.us-east-1.ssm", "VpcEndpointType": "Interface"}
    taken = len(ec2.describe_security_groups()["SecurityGroups"])
    there = {"L-407747CB": 4, "L-589F43AA": 3, "L-E79EC296": taken, "L-1B52E74A": 1, "L-29B6F2EB": 0}
    aws.settings(limits=there)
    cases: Cases = [
        ("SubnetLimitExceeded", ec2.create_subnet, {**asked, "CidrBlock": "10.0.2.0/24"}),
        ("RouteTableLimitExceeded", ec2.create_route_table, asked),
        ("SecurityGroupLimitExceeded", ec2.create_security_group, {**asked, "GroupName": "x", "Description": "x"}),
        ("VpcEndpointLimitExceeded", ec2.create_vpc_endpoint, dynamodb),
        ("VpcEndpointLimitExceeded", ec2.create_vpc_endpoint, ssm),
    ]
    refused(cases)
    aws.settings(limits={code: number + 1 for code, number in there.items()})
    refused([("", call, params) for _, call, params in cases])


def test_nat_gateways_of_a_zone_are_counted(aws: AwsWorld) -> None:
    """A failed or deleted one does not count."""
    ec2 = aws.client("ec2")
    made: Network = network(ec2)
    asked = {"ConnectivityType": "private", "SubnetId": made.private[0]}
    for _ in range(4):
        last = ec2.create_nat_gateway(**asked)["NatGateway"]["NatGatewayId"]
    assert refusal(ec2.create_nat_gateway, **asked) == "NatGatewayLimitExceeded"
    assert refusal(ec2.create_nat_gateway, **{**asked, "SubnetId": made.private[1]}) == ""
    ec2.delete_nat_gateway(NatGatewayId=last)
    aws.advance(60)
    assert refusal(ec2.create_nat_gateway, **asked) == ""
