"""A network of the user's, broken one property at a time: that one is named, with its field, and nothing is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from blocks.aws_account import Variant
from blocks.aws_cluster import AwsClusterSpec
from tasks.providers.aws import own_network, policies
from tasks.providers.aws.session import AwsSession, assumed
from tests.contract import own_ground
from tests.contract.least_rights import EXTERNAL_ID, OURS, role
from tests.contract.own_ground import REGION, Own, endpoint
from tests.world.aws.a_network import ANYWHERE, from_group, group
from tests.worlds.aws_fixtures import become_prefect_worker
from tests.worlds.aws_world import CUSTOMER, AwsWorld

EPHEMERAL = {"From": 32768, "To": 65535}
IN, OUT = {"Egress": False, "RuleNumber": 100}, {"Egress": True, "RuleNumber": 100}
ALL_IN = {**IN, "Protocol": "-1"}
ALL_OUT = {**OUT, "Protocol": "-1"}


@dataclass
class Account:
    """The customer's account, our way into it with no more than clusters need, and a network of the customer's."""

    aws: AwsWorld
    us: AwsSession
    own: Own

    def found(self, spec: AwsClusterSpec, *, is_begun: bool = False) -> list[tuple[str, str]]:
        """What is wrong, as field and words; all of it are errors."""
        told = own_network.check(self.us, spec, is_begun=is_begun)
        assert {one.severity for one in told} <= {"error"}
        return [(one.field, one.text) for one in told]


@pytest.fixture(scope="module")
def account(_one_aws_world: AwsWorld) -> Iterator[Account]:
    """One account for all tests: who breaks something in it mends it."""
    aws = _one_aws_world
    aws.reset()
    with pytest.MonkeyPatch.context() as patch:
        become_prefect_worker(patch, aws)
        documents = policies.permission_policies(Variant.AUTOMATED, [], account_id=CUSTOMER)
        us = assumed(role("groundwork-access", documents), EXTERNAL_ID, REGION)
        own = own_ground.own_network(aws.client("ec2"))
        aws.advance(100)
        aws.settings(page_size=5)
        yield Account(aws, us, own)
    assert aws.unanswered() == []


@pytest.fixture
def own(account: Account) -> Own:
    return account.own


@pytest.fixture(scope="module")
def lonely(account: Account) -> Own:
    """Another network, from which no way leads out; it has no group for nodes."""
    ec2 = account.own.ec2
    vpc = ec2.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    subnets = {}
    for number, zone in enumerate("ab"):
        asked = {"VpcId": vpc, "CidrBlock": f"10.30.{number}.0/24", "AvailabilityZone": f"{REGION}{zone}"}
        subnets[f"private-{zone}"] = ec2.create_subnet(**asked)["Subnet"]["SubnetId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnets["private-a"])
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return Own(ec2, vpc, subnets, {"private": table}, gateway, "", "")


def test_a_network_in_which_nodes_can_live(account: Account, own: Own) -> None:
    """NET-02, NET-03: nothing is wrong with it, with its group or without one, and we only looked."""
    assert account.found(own.spec()) == []
    assert account.found(own.spec(security_group_id="")) == []
    assert account.found(own.spec(subnet_id=own.subnets["public-b"], public_addresses=True)) == []
    ours = [
        call for call in account.aws.calls() if "groundwork-access" in call["principal"] and call["service"] == "ec2"
    ]
    assert len(ours) >= 27
    assert {call["operation"] for call in ours if not call["operation"].startswith("Describe")} == set()


def test_what_is_not_there(account: Account, own: Own) -> None:
    """NET-03: an id of another region, or mistyped, is told by its field; without the network nothing else is."""
    no_vpc, no_subnet, no_group = (f"{kind}-0123456789abcdef0" for kind in ("vpc", "subnet", "sg"))
    assert account.found(own.spec(vpc_id=no_vpc)) == [("vpc_id", f"there is no network {no_vpc} in {REGION}")]
    assert account.found(own.spec(subnet_id=no_subnet)) == [
        ("subnet_id", f"there is no subnet {no_subnet} in {REGION}")
    ]
    [(field, text)] = account.found(own.spec(security_group_id=no_group))
    assert (field, text) == ("security_group_id", f"there is no security group {no_group} in {REGION}")


@contextmanager
def attribute(own: Own, name: str) -> Iterator[None]:
    own.ec2.modify_vpc_attribute(VpcId=own.vpc, **{name: {"Value": False}})
    yield
    own.ec2.modify_vpc_attribute(VpcId=own.vpc, **{name: {"Value": True}})


def test_dns(account: Account, own: Own) -> None:
    """NET-03: nodes find the shared files and each other by name."""
    with attribute(own, "EnableDnsHostnames"):
        assert account.found(own.spec()) == [("vpc_id", "DNS hostnames are off")]
        with attribute(own, "EnableDnsSupport"):
            told = account.found(own.spec())
            assert [text for _, text in told] == ["DNS support is off", "DNS hostnames are off"]
    with attribute(own, "EnableDnsSupport"):
        assert account.found(own.spec()) == [("vpc_id", "DNS support is off")]


def test_a_network_of_ours_is_not_the_users(account: Account, own: Own) -> None:
    """NET-02: cleaning the region would take it away from under the cluster."""
    own.ec2.create_tags(Resources=[own.vpc], Tags=OURS)
    assert account.found(own.spec()) == [("vpc_id", f"{own.vpc} is a network that Groundwork made")]
    own.ec2.delete_tags(Resources=[own.vpc], Tags=OURS)


def test_a_subnet_of_another_network(account: Account, own: Own, lonely: Own) -> None:
    """NET-03: both are told."""
    [(field, text)] = account.found(own.spec(subnet_id=lonely.subnets["private-a"]))
    assert (field, text) == ("subnet_id", f"it is in {lonely.vpc}, and vpc_id says {own.vpc}")


def test_two_zones(account: Account, lonely: Own) -> None:
    """NET-03: in one zone alone there is nowhere to go when it has no room."""
    spec = lonely.spec(security_group_id="")
    assert "vpc_id" not in {field for field, _ in account.found(spec)}
    lonely.ec2.delete_subnet(SubnetId=lonely.subnets["private-b"])
    assert ("vpc_id", f"all its subnets are in {REGION}a") in account.found(spec)
    asked = {"VpcId": lonely.vpc, "CidrBlock": "10.30.1.0/24", "AvailabilityZone": f"{REGION}b"}
    lonely.subnets["private-b"] = lonely.ec2.create_subnet(**asked)["Subnet"]["SubnetId"]


def subnet(own: Own, cidr: str) -> str:
    """Add a subnet with a way out."""
    made = own.ec2.create_subnet(VpcId=own.vpc, CidrBlock=cidr, AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
    own.ec2.associate_route_table(RouteTableId=own.tables["private"], SubnetId=made)
    return str(made)


def test_free_addresses(account: Account, own: Own) -> None:
    """NET-03: AWS keeps five of each subnet, and the shared files take one."""
    small = subnet(own, "10.20.64.0/26")
    assert account.found(own.spec(subnet_id=small, node_count=58)) == []
    [(field, text)] = account.found(own.spec(subnet_id=small, node_count=59))
    assert field == "subnet_id"
    assert text == "59 addresses are free; 59 nodes and the shared files need 60"
    assert account.found(own.spec(subnet_id=small, node_count=59), is_begun=True) == []


def test_the_subnets_size(account: Account, own: Own) -> None:
    """NET-04: a subnet of the user's is /17 to /26."""
    tiny = subnet(own, "10.20.65.0/27")
    assert account.found(own.spec(subnet_id=tiny)) == [("subnet_id", "10.20.65.0/27 is not between /17 and /26")]


def test_no_way_out(account: Account, lonely: Own) -> None:
    """NET-03, NET-12: without a route, the endpoints that are missing are listed; with all of them it is no fault."""
    spec, table = lonely.spec(security_group_id=""), lonely.tables["private"]
    words = "no way leads out of it ({}), and these endpoints are missing in the network: {}"
    assert account.found(spec) == [("subnet_id", words.format("no route to 0.0.0.0/0", "logs, s3, ssm"))]
    # One that only another route table knows serves nobody here.
    main = lonely.ec2.create_route_table(VpcId=lonely.vpc)["RouteTable"]["RouteTableId"]
    endpoint(lonely, "s3", table=main)
    endpoint(lonely, "logs")
    account.aws.advance(120)
    assert account.found(spec) == [("subnet_id", words.format("no route to 0.0.0.0/0", "s3, ssm"))]
    lonely.ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, GatewayId=lonely.gateway)
    [(_, text)] = account.found(spec)
    assert text == words.format("an internet gateway needs nodes with public addresses", "s3, ssm")
    assert account.found(lonely.spec(security_group_id="", public_addresses=True)) == []
    lonely.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE)
    endpoint(lonely, "s3", table=table)
    endpoint(lonely, "ssm")
    account.aws.advance(120)
    assert account.found(spec) == []


def test_a_nat_gateway_that_is_gone(account: Account, own: Own) -> None:
    """NET-03: the route is still there, and leads nowhere."""
    ec2, table = own.ec2, own.tables["private"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=own.subnets["public-b"], AllocationId=address)["NatGateway"]["NatGatewayId"]
    account.aws.advance(100)
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, NatGatewayId=nat)
    assert account.found(own.spec()) == []
    ec2.delete_nat_gateway(NatGatewayId=nat)
    account.aws.advance(70)
    told = account.found(own.spec())
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, NatGatewayId=own.nat)
    [(field, text)] = told
    assert field == "subnet_id"
    assert text.startswith("no way leads out of it (")
    assert account.found(own.spec()) == []


def test_the_main_route_table_is_that_of_a_subnet_without_one(account: Account, own: Own) -> None:
    """NET-03: a subnet that nobody gave a table has the network's main one, which leads nowhere at first."""
    asked = {"VpcId": own.vpc, "CidrBlock": "10.20.66.0/24", "AvailabilityZone": f"{REGION}a"}
    bare = own.ec2.create_subnet(**asked)["Subnet"]["SubnetId"]
    [(field, text)] = account.found(own.spec(subnet_id=bare))
    assert field == "subnet_id"
    assert "no route to 0.0.0.0/0" in text


def test_the_group_of_another_network(account: Account, own: Own, lonely: Own) -> None:
    """NET-03: AWS would refuse the first node only, with other words."""
    other = group(own.ec2, lonely.vpc, "elsewhere")
    [told] = account.found(own.spec(security_group_id=other))
    assert told == ("security_group_id", f"it is in {lonely.vpc}, and vpc_id says {own.vpc}")


TCP_IN = ("security_group_id", "it does not admit all TCP from itself: nodes speak to each other on any port")
TCP_OUT = ("security_group_id", "it does not admit all TCP to itself: nodes speak to each other on any port")


def tcp(first: int, last: int, **told: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": first, "ToPort": last, **told}


def test_the_group_admits_itself(account: Account, own: Own) -> None:
    """NET-03: on all ports, however it says so: by itself, by the subnet's addresses, in one rule or in several."""
    ec2, made = own.ec2, group(own.ec2, own.vpc, "many")
    spec = own.spec(security_group_id=made)
    members, around = {"UserIdGroupPairs": [{"GroupId": made}]}, {"IpRanges": [{"CidrIp": "10.20.0.0/16"}]}
    cases: list[tuple[list[dict[str, Any]], list[tuple[str, str]]]] = [
        ([], [TCP_IN]),
        ([from_group("tcp", made, 22)], [TCP_IN]),
        ([tcp(0, 65535, **members)], []),
        ([tcp(0, 65535, **around)], []),
        ([tcp(0, 65535, IpRanges=[{"CidrIp": "10.20.0.0/24"}])], [TCP_IN]),
        ([tcp(0, 2000, **members), tcp(2001, 65535, **around)], []),
        ([tcp(0, 2000, **members), tcp(2002, 65535, **members)], [TCP_IN]),
        ([tcp(0, 65535, UserIdGroupPairs=[{"GroupId": own.group}])], [TCP_IN]),
        ([{"IpProtocol": "udp", "FromPort": 0, "ToPort": 65535, **members}], [TCP_IN]),
    ]
    for rules, expected in cases:
        if rules:
            ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=rules)
        assert account.found(spec) == expected, rules
        if rules:
            ec2.revoke_security_group_ingress(GroupId=made, IpPermissions=rules)
    ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[from_group("-1", made)])
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": ANYWHERE}]}
    ec2.revoke_security_group_egress(GroupId=made, IpPermissions=[everything])
    assert account.found(spec) == [TCP_OUT]
    ec2.authorize_security_group_egress(GroupId=made, IpPermissions=[tcp(0, 65535, **members)])
    assert account.found(spec) == []


def test_efa_needs_all_traffic_within_the_group(account: Account, own: Own) -> None:
    """NET-14: in and out, by the group itself; addresses do not do."""
    spec = own.spec(efa=True, node_type="c5n.18xlarge")
    assert account.found(spec) == [("security_group_id", "it does not admit all traffic to itself, which EFA needs")]
    out = [from_group("-1", own.group)]
    own.ec2.authorize_security_group_egress(GroupId=own.group, IpPermissions=out)
    assert account.found(spec) == []
    own.ec2.revoke_security_group_egress(GroupId=own.group, IpPermissions=out)


ACLS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "ephemeral both ways": ([{**IN, "PortRange": EPHEMERAL}, {**OUT, "PortRange": EPHEMERAL}], []),
    "none in": ([ALL_OUT], ["in"]),
    "none out": ([ALL_IN], ["out"]),
    "nothing": ([], ["in", "out"]),
    "a part": ([ALL_OUT, {**IN, "PortRange": {"From": 32768, "To": 60999}}], ["in"]),
    "two parts": (
        [
            ALL_OUT,
            {**IN, "PortRange": {"From": 1024, "To": 40000}},
            {**IN, "RuleNumber": 110, "PortRange": {"From": 40001, "To": 65535}},
        ],
        [],
    ),
    "a hole first": (
        [ALL_OUT, {**ALL_IN, "RuleNumber": 90, "RuleAction": "deny", "Protocol": "6", "PortRange": EPHEMERAL}, ALL_IN],
        ["in"],
    ),
    "a hole last": (
        [ALL_OUT, ALL_IN, {**IN, "RuleNumber": 200, "RuleAction": "deny", "PortRange": EPHEMERAL}],
        [],
    ),
    "one who is shut out": (
        [ALL_OUT, {**ALL_IN, "RuleNumber": 90, "RuleAction": "deny", "CidrBlock": "198.51.100.0/24"}, ALL_IN],
        [],
    ),
    "the network alone": ([ALL_OUT, {**ALL_IN, "CidrBlock": "10.20.0.0/16"}], ["in"]),
    "UDP": ([ALL_OUT, {**IN, "Protocol": "17", "PortRange": EPHEMERAL}], ["in"]),
}


@pytest.mark.parametrize("name", ACLS)
def test_the_network_acl(account: Account, own: Own, name: str) -> None:
    """NET-03: answers come in at ephemeral ports; the first entry that fits a port counts."""
    entries, closed = ACLS[name]
    acl = own.acl(*entries)
    words = "its network ACL {} does not let TCP 32768-65535 {}: answers are lost"
    assert account.found(own.spec()) == [("subnet_id", words.format(acl, way)) for way in closed]
