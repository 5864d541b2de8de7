"""Networks in the AWS world: a whole one is built, its parts live by the clock, and lists tell what there is."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.world.aws.a_network import ANYWHERE, from_group, group, network, refusal, tagged
from tests.worlds.aws_world import AwsWorld


def nat_state(ec2: Any, nat: str) -> str:
    """Return the state of a NAT gateway."""
    return str(ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"])


def test_a_whole_network_is_built(aws: AwsWorld) -> None:
    """A world too strict for a right build would prove nothing about the product (OPS-24)."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    aws.advance(90)
    vpc = {"Filters": [{"Name": "vpc-id", "Values": [made.vpc]}]}
    assert ec2.describe_vpcs(VpcIds=[made.vpc])["Vpcs"][0]["State"] == "available"
    subnets = ec2.describe_subnets(**vpc)["Subnets"]
    assert {one["SubnetId"]: one["AvailabilityZone"][-1] for one in subnets} == {
        **dict(zip(made.public, "ab", strict=True)),
        **dict(zip(made.private, "ab", strict=True)),
    }
    assert not any(one["DefaultForAz"] or one["MapPublicIpOnLaunch"] for one in subnets)
    nat = ec2.describe_nat_gateways(Filters=vpc["Filters"])["NatGateways"][0]
    assert (nat["State"], nat["SubnetId"], nat["Tags"]) == (
        "available",
        made.public[0],
        [{"Key": "owner", "Value": "tests"}],
    )
    tables = {one["RouteTableId"]: one for one in ec2.describe_route_tables(**vpc)["RouteTables"]}
    routes = {told["DestinationCidrBlock"]: told for told in tables[made.private_table]["Routes"][:2]}
    assert (routes[ANYWHERE]["NatGatewayId"], routes[ANYWHERE]["State"]) == (made.nat, "active")
    assert any(told.get("GatewayId") == made.endpoint for told in tables[made.private_table]["Routes"])
    assert ec2.describe_vpc_endpoints(**vpc)["VpcEndpoints"][0]["State"] == "available"


def test_a_vpc_is_pending_for_a_moment(aws: AwsWorld) -> None:
    """Moto's VPC is there at once: code that does not wait would pass."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]
    assert vpc["State"] == "pending"
    assert ec2.describe_vpcs(VpcIds=[vpc["VpcId"]])["Vpcs"][0]["State"] == "pending"
    aws.advance(3)
    assert ec2.describe_vpcs(VpcIds=[vpc["VpcId"]])["Vpcs"][0]["State"] == "available"


def test_a_nat_gateway_lives_by_the_clock(aws: AwsWorld) -> None:
    """It is pending for a while, holds its address and interface until it is deleted, and is listed for an hour."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    made = network(ec2)
    assert nat_state(ec2, made.nat) == "pending"
    aws.advance(89)
    assert nat_state(ec2, made.nat) == "pending"
    aws.advance(1)
    assert nat_state(ec2, made.nat) == "available"
    ec2.delete_nat_gateway(NatGatewayId=made.nat)
    ec2.delete_nat_gateway(NatGatewayId=made.nat)
    assert nat_state(ec2, made.nat) == "deleting"
    held = {"Filters": [{"Name": "subnet-id", "Values": [made.public[0]]}]}
    assert ec2.describe_network_interfaces(**held)["NetworkInterfaces"][0]["InterfaceType"] == "nat_gateway"
    assert "AssociationId" in ec2.describe_addresses()["Addresses"][0]
    aws.advance(60)
    assert nat_state(ec2, made.nat) == "deleted"
    assert ec2.describe_network_interfaces(**held)["NetworkInterfaces"] == []
    assert "AssociationId" not in ec2.describe_addresses()["Addresses"][0]
    table = ec2.describe_route_tables(RouteTableIds=[made.private_table])["RouteTables"][0]
    assert {one["State"] for one in table["Routes"] if one.get("NatGatewayId")} == {"blackhole"}
    aws.advance(3600)
    assert refusal(ec2.describe_nat_gateways, NatGatewayIds=[made.nat]) == "NatGatewayNotFound"
    assert ec2.describe_nat_gateways()["NatGateways"] == []


def test_a_nat_gateway_fails_by_itself(aws: AwsWorld) -> None:
    """AWS takes the request and fails later: only the state tells, with a code."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    lonely = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    alone = ec2.create_subnet(VpcId=lonely, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    wanted = {
        "Gateway.NotAttached": {"SubnetId": alone, "AllocationId": address},
        "Resource.AlreadyAssociated": {"SubnetId": made.public[1], "AllocationId": made.allocation},
    }
    nats = {code: ec2.create_nat_gateway(**asked)["NatGateway"] for code, asked in wanted.items()}
    assert {nat["State"] for nat in nats.values()} == {"pending"}
    aws.advance(90)
    found = ec2.describe_nat_gateways(Filters=[{"Name": "state", "Values": ["failed"]}])["NatGateways"]
    assert {one["FailureCode"]: one["NatGatewayId"] for one in found} == {
        code: nat["NatGatewayId"] for code, nat in nats.items()
    }
    assert nat_state(ec2, made.nat) == "available"
    assert (
        ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [alone, made.public[1]]}])[
            "NetworkInterfaces"
        ]
        == []
    )
    ec2.release_address(AllocationId=address)
    ec2.delete_subnet(SubnetId=alone)


def test_ten_creations_with_one_token_make_one_nat_gateway(aws: AwsWorld) -> None:
    """Bare moto makes one and refuses nine; a resumed step would fail, or pay twice."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    asked = {"SubnetId": made.public[1], "AllocationId": address, "ClientToken": "one-nat"}
    clients = [aws.client("ec2") for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        told = list(pool.map(lambda client: client.create_nat_gateway(**asked)["NatGateway"]["NatGatewayId"], clients))
    assert len(set(told)) == 1
    assert {one["NatGatewayId"] for one in ec2.describe_nat_gateways()["NatGateways"]} == {made.nat, told[0]}
    other = {**asked, "SubnetId": made.public[0]}
    assert refusal(ec2.create_nat_gateway, **other) == "IdempotentParameterMismatch"


def test_an_endpoint_is_made_once_for_a_token(aws: AwsWorld) -> None:
    """CreateVpcEndpoint's token is not filled in by botocore: what the product passes must hold."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    service = "com.amazonaws.us-east-1.dynamodb"
    asked = {"VpcId": made.vpc, "ServiceName": service, "RouteTableIds": [made.private_table], "ClientToken": "t"}
    told = {ec2.create_vpc_endpoint(**asked)["VpcEndpoint"]["VpcEndpointId"] for _ in range(2)}
    found = ec2.describe_vpc_endpoints(Filters=[{"Name": "service-name", "Values": [service]}])["VpcEndpoints"]
    assert {one["VpcEndpointId"] for one in found} == told


def test_an_interface_endpoint_lives_by_the_clock(aws: AwsWorld) -> None:
    """It is pending, has an interface in each subnet with its groups, and takes them along when it is gone."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    made = network(ec2)
    asked = {"VpcId": made.vpc, "ServiceName": "com.amazonaws.us-east-1.ssm", "VpcEndpointType": "Interface"}
    point = ec2.create_vpc_endpoint(**asked, SubnetIds=list(made.private), SecurityGroupIds=[made.nodes_group])
    endpoint = point["VpcEndpoint"]["VpcEndpointId"]
    assert point["VpcEndpoint"]["State"] == "pending"
    held = {"Filters": [{"Name": "group-id", "Values": [made.nodes_group]}]}
    interfaces = ec2.describe_network_interfaces(**held)["NetworkInterfaces"]
    assert {one["SubnetId"] for one in interfaces} == set(made.private)
    aws.advance(60)
    asked = {"Filters": [{"Name": "vpc-endpoint-state", "Values": ["available"]}]}
    assert endpoint in {one["VpcEndpointId"] for one in ec2.describe_vpc_endpoints(**asked)["VpcEndpoints"]}
    assert refusal(ec2.delete_security_group, GroupId=made.nodes_group) == "DependencyViolation"
    unknown = "vpce-0123456789abcdef0"
    told = ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint, unknown])["Unsuccessful"]
    assert [(one["ResourceId"], one["Error"]["Code"]) for one in told] == [(unknown, "InvalidVpcEndpointId.NotFound")]
    assert len(ec2.describe_network_interfaces(**held)["NetworkInterfaces"]) == 2
    aws.advance(30)
    assert ec2.describe_network_interfaces(**held)["NetworkInterfaces"] == []
    assert refusal(ec2.describe_vpc_endpoints, VpcEndpointIds=[endpoint]) == "InvalidVpcEndpointId.NotFound"


def test_an_endpoint_changes_its_route_tables(aws: AwsWorld) -> None:
    """Moto changes the list only: the routes would not be there."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    ec2.modify_vpc_endpoint(VpcEndpointId=made.endpoint, RemoveRouteTableIds=[made.public_table])
    asked = {"Filters": [{"Name": "route.gateway-id", "Values": [made.endpoint]}]}
    assert [one["RouteTableId"] for one in ec2.describe_route_tables(**asked)["RouteTables"]] == [made.private_table]
    ec2.modify_vpc_endpoint(VpcEndpointId=made.endpoint, AddRouteTableIds=[made.public_table])
    assert len(ec2.describe_route_tables(**asked)["RouteTables"]) == 2
    spare = ec2.create_route_table(VpcId=made.vpc)["RouteTable"]["RouteTableId"]
    ec2.modify_vpc_endpoint(VpcEndpointId=made.endpoint, AddRouteTableIds=[spare])
    ec2.delete_route_table(RouteTableId=spare)
    tables = ec2.describe_vpc_endpoints(VpcEndpointIds=[made.endpoint])["VpcEndpoints"][0]["RouteTableIds"]
    assert sorted(tables) == sorted([made.public_table, made.private_table])


def test_a_subnet_counts_its_addresses(aws: AwsWorld) -> None:
    """AWS keeps five of each subnet, every interface takes one, and a deleted one gives it back."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.16/28")["Subnet"]

    def free() -> int:
        return int(ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"][0]["AvailableIpAddressCount"])

    def interface(**asked: Any) -> dict[str, Any]:
        made: dict[str, Any] = ec2.create_network_interface(SubnetId=subnet["SubnetId"], **asked)["NetworkInterface"]
        return made

    assert subnet["AvailableIpAddressCount"] == 11
    made = [
        interface(PrivateIpAddress="10.0.0.21"),
        *(interface() for _ in range(8)),
        interface(SecondaryPrivateIpAddressCount=1),
    ]
    addresses = [told["PrivateIpAddress"] for one in made for told in one["PrivateIpAddresses"]]
    assert sorted(addresses) == sorted(f"10.0.0.{last}" for last in range(20, 31))
    assert free() == 0
    assert refusal(ec2.create_network_interface, SubnetId=subnet["SubnetId"]) == "InsufficientFreeAddressesInSubnet"
    for one in made[:4]:
        ec2.delete_network_interface(NetworkInterfaceId=one["NetworkInterfaceId"])
    assert free() == 4
    for _ in range(4):
        interface()
    assert free() == 0


def test_a_full_subnet_has_no_room_for_a_nat_gateway(aws: AwsWorld) -> None:
    """The gateway is made and fails."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    small = ec2.create_subnet(VpcId=made.vpc, CidrBlock="10.0.2.0/28")["Subnet"]["SubnetId"]
    ec2.create_network_interface(SubnetId=small, SecondaryPrivateIpAddressCount=10)
    nat = ec2.create_nat_gateway(SubnetId=small, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    aws.advance(90)
    found = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]
    assert (found["State"], found["FailureCode"]) == ("failed", "InsufficientFreeAddressesInSubnet")


def test_blocks_are_told_in_their_canonical_form(aws: AwsWorld) -> None:
    """AWS clears the bits of the host; code that compares blocks as text must see it."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.3.1/16")["Vpc"]
    subnet = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.0.3.1/24")["Subnet"]
    assert (vpc["CidrBlock"], subnet["CidrBlock"]) == ("10.0.0.0/16", "10.0.3.0/24")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc["VpcId"])
    table = ec2.create_route_table(VpcId=vpc["VpcId"])["RouteTable"]["RouteTableId"]
    route = {"RouteTableId": table, "GatewayId": gateway}
    ec2.create_route(**route, DestinationCidrBlock="192.0.2.9/24")
    asked = {"Filters": [{"Name": "route.destination-cidr-block", "Values": ["192.0.2.0/24"]}]}
    assert [one["RouteTableId"] for one in ec2.describe_route_tables(**asked)["RouteTables"]] == [table]
    assert refusal(ec2.create_route, **route, DestinationCidrBlock="192.0.2.0/24") == "RouteAlreadyExists"


def test_regions_are_those_of_the_account(aws: AwsWorld) -> None:
    """Moto tells regions that nobody has opted into, whatever is asked: each call there would fail on AWS."""
    ec2 = aws.client("ec2")
    told = {one["OptInStatus"] for one in ec2.describe_regions()["Regions"]}
    assert told
    assert "not-opted-in" not in told
    everywhere = ec2.describe_regions(AllRegions=True)["Regions"]
    assert "not-opted-in" in {one["OptInStatus"] for one in everywhere}
    mine = [{"Name": "region-name", "Values": ["eu-west-*"]}]
    found = {one["RegionName"] for one in ec2.describe_regions(Filters=mine)["Regions"]}
    assert found == {"eu-west-1", "eu-west-2", "eu-west-3"}
    assert refusal(ec2.describe_regions, RegionNames=["eu-west-9"]) == "InvalidParameterValue"
    assert refusal(ec2.describe_availability_zones, ZoneNames=["eu-west-1a"]) == "InvalidParameterValue"
    assert refusal(ec2.describe_availability_zones, ZoneIds=["euw1-az1"]) == "InvalidParameterValue"


def test_the_default_vpc_reaches_the_internet(aws: AwsWorld) -> None:
    """Moto's has no internet gateway: a check of a user's own network would call AWS's default one badly set."""
    ec2 = aws.client("ec2", region="eu-west-1")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    gateway = gateway_of(ec2, vpc)
    main = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    routes = ec2.describe_route_tables(Filters=main)["RouteTables"][0]["Routes"]
    assert (ANYWHERE, gateway, "active") in {
        (one["DestinationCidrBlock"], one["GatewayId"], one["State"]) for one in routes
    }
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_vpc(VpcId=vpc)
    own = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    first = ec2.create_subnet(VpcId=own, CidrBlock="10.0.0.0/24")["Subnet"]
    assert not first["DefaultForAz"], "moto takes the first subnet of a zone for the default one"
    assert gateway_of(ec2, ec2.create_default_vpc()["Vpc"]["VpcId"]) != gateway


def gateway_of(ec2: Any, vpc: str) -> str:
    """Return the internet gateway of a VPC."""
    attached = {"Filters": [{"Name": "attachment.vpc-id", "Values": [vpc]}]}
    return str(ec2.describe_internet_gateways(**attached)["InternetGateways"][0]["InternetGatewayId"])


def test_lists_are_filtered_as_aws_does(aws: AwsWorld) -> None:
    """Moto ignores some filters, crashes on others, and takes two values to mean both at once."""
    ec2 = aws.client("ec2")
    made = network(ec2)

    def nats(name: str, *values: str) -> int:
        return len(ec2.describe_nat_gateways(Filters=[{"Name": name, "Values": list(values)}])["NatGateways"])

    assert (nats("tag:owner", "tests"), nats("tag:owner", "te?t*"), nats("tag:owner", "TESTS")) == (1, 1, 0)
    assert (nats("tag-key", "owner", "other"), nats("tag:other", "tests")) == (1, 0)
    assert (nats("state", "failed", "pending"), nats("state", "deleted")) == (1, 0)
    blocks = {name: [{"Name": name, "Values": ["10.0.0.0/16"]}] for name in ("cidr", "cidr-block")}
    assert {ec2.describe_vpcs(Filters=one)["Vpcs"][0]["VpcId"] for one in blocks.values()} == {made.vpc}
    both = [{"Name": "association.subnet-id", "Values": [made.public[0], made.private[0]]}]
    tables = {one["RouteTableId"] for one in ec2.describe_route_tables(Filters=both)["RouteTables"]}
    assert tables == {made.public_table, made.private_table}
    named = [{"Name": "group-name", "Values": ["node[s]"]}]
    assert ec2.describe_security_groups(Filters=named)["SecurityGroups"] == []
    tags = [{"Name": "tag:owner", "Values": ["tests"]}]
    kinds = {(one["ResourceType"], one["ResourceId"]) for one in ec2.describe_tags(Filters=tags)["Tags"]}
    assert kinds == {("vpc", made.vpc), ("elastic-ip", made.allocation), ("natgateway", made.nat)}


def test_rules_keep_their_descriptions(aws: AwsWorld) -> None:
    """Moto tells a rule's description for addresses only, and does not change one for groups."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    office = {**ssh, "IpRanges": [{"CidrIp": "192.0.2.0/24", "Description": "the office"}]}
    nodes = from_group("tcp", made.nodes_group, 22, Description="nodes")
    told = ec2.authorize_security_group_ingress(GroupId=made.files_group, IpPermissions=[office, nodes])
    assert [one["Description"] for one in told["SecurityGroupRules"]] == ["the office", "nodes"]
    changed = from_group("tcp", made.nodes_group, 22, Description="all nodes")
    ec2.update_security_group_rule_descriptions_ingress(GroupId=made.files_group, IpPermissions=[changed])
    asked = {"Filters": [{"Name": "group-id", "Values": [made.files_group]}]}
    rules = ec2.describe_security_group_rules(**asked)["SecurityGroupRules"]
    assert {one.get("Description") for one in rules} == {None, "the office", "all nodes"}
    ec2.revoke_security_group_ingress(GroupId=made.files_group, IpPermissions=[from_group("tcp", made.nodes_group, 22)])
    ids = [one["SecurityGroupRuleId"] for one in rules if one.get("Description") == "the office"]
    ec2.revoke_security_group_ingress(GroupId=made.files_group, SecurityGroupRuleIds=ids)
    left = ec2.describe_security_groups(GroupIds=[made.files_group])["SecurityGroups"][0]["IpPermissions"]
    assert [(one["FromPort"], one["UserIdGroupPairs"][0]["GroupId"]) for one in left] == [(2049, made.nodes_group)]


def test_an_address_moves_with_its_interface(aws: AwsWorld) -> None:
    """AWS moves an address that is in use unless told not to; the interface's owner sees it go."""
    ec2 = aws.client("ec2")
    made = network(ec2)
    first, second = (
        ec2.create_network_interface(SubnetId=made.public[1])["NetworkInterface"]["NetworkInterfaceId"]
        for _ in range(2)
    )
    told = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))
    assert (told["PublicIpv4Pool"], told["NetworkBorderGroup"]) == ("amazon", "us-east-1")
    address = told["AllocationId"]
    ec2.associate_address(AllocationId=address, NetworkInterfaceId=first)
    asked = {"AllocationId": address, "NetworkInterfaceId": second}
    assert refusal(ec2.associate_address, **asked, AllowReassociation=False) == "Resource.AlreadyAssociated"
    ec2.associate_address(**asked)
    found = ec2.describe_network_interfaces(NetworkInterfaceIds=[first, second])["NetworkInterfaces"]
    assert {one["NetworkInterfaceId"]: "Association" in one for one in found} == {first: False, second: True}
    assert refusal(ec2.release_address, AllocationId=address) == "InvalidIPAddress.InUse"
    ec2.delete_network_interface(NetworkInterfaceId=second)
    ec2.release_address(AllocationId=address)


def test_groups_of_two_accounts_do_not_meet(aws: AwsWorld) -> None:
    """Names and ids of one account are nothing in another."""
    made = network(aws.client("ec2"))
    other = aws.client("ec2", "333333333333")
    assert refusal(other.describe_security_groups, GroupIds=[made.nodes_group]) == "InvalidGroup.NotFound"
    vpc = other.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert group(other, vpc, "nodes") != made.nodes_group
