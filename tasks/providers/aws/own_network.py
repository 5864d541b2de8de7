"""A network that the user made: whether nodes can live in it, property by property. Nothing in it is ever changed.

What nodes need of a network: Amazon EC2 and Amazon VPC User Guides ("Subnet sizing", "DNS attributes for your VPC",
"Ephemeral ports"), and what Hopsworks and Bodo ask of a user's own VPC.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blocks.aws_cluster import AwsClusterSpec
from blocks.errors import NotFound
from blocks.exposure import EVERYONE
from tasks.providers.aws import own_rules
from tasks.providers.aws.findings import PlanFinding, error
from tasks.providers.aws.naming import told
from tasks.providers.aws.policies import TAG
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        NetworkAclTypeDef,
        RouteTableTypeDef,
        SecurityGroupTypeDef,
        SubnetTypeDef,
        VpcEndpointTypeDef,
        VpcTypeDef,
    )

AWS_KEEPS = 5
"""Addresses of each subnet that nobody gets: the first four and the last ("Subnet CIDR blocks")."""

AWS_MASKS = (16, 28)
"""The largest and the smallest network and subnet that AWS makes."""

OWN_MASKS = (17, 26)
"""The largest and the smallest subnet of the user's own that Bodo takes for nodes."""

NEEDED_SERVICES = ("logs", "s3", "ssm")
"""What nodes call in AWS; where no route leads out, endpoints must lead there."""


@dataclass(frozen=True)
class OwnNetwork:
    """What AWS tells of the user's network; None: it does not know the id that was given.

    Args:
        vpc: The network.
        resolves: Whether DNS support is on in it.
        names: Whether it gives host names.
        subnets: All of its subnets.
        subnet: The one that was given, wherever it is.
        tables: Its route tables.
        nats: Its NAT gateways by id, each with its state.
        endpoints: Its endpoints.
        acls: Its network ACLs.
        group: The security group that was given, wherever it is.
    """

    vpc: "VpcTypeDef | None"
    resolves: bool = True
    names: bool = True
    subnets: "Sequence[SubnetTypeDef]" = ()
    subnet: "SubnetTypeDef | None" = None
    tables: "Sequence[RouteTableTypeDef]" = ()
    nats: "dict[str, str] | None" = None
    endpoints: "Sequence[VpcEndpointTypeDef]" = ()
    acls: "Sequence[NetworkAclTypeDef]" = ()
    group: "SecurityGroupTypeDef | None" = None


def check(session: AwsSession, spec: AwsClusterSpec, *, is_begun: bool = False) -> list[PlanFinding]:
    """Return what keeps nodes from living in the user's network, in the order of the form's fields; nothing is changed.

    Args:
        session: How we come into the account.
        spec: With ``vpc_id`` and ``subnet_id``, maybe ``security_group_id``.
        is_begun: An earlier run began with the same cluster: addresses are not counted again.

    Raises:
        GroundworkError: AWS does not tell. An id that it does not know is a finding.
    """
    seen = look(session, spec)
    if seen.vpc is None:
        return [error("vpc_id", f"there is no network {spec.vpc_id} in {spec.region}", "Check the region.")]
    found = [*_of_vpc(seen, spec), *_of_subnet(seen, spec, is_begun=is_begun)]
    if spec.security_group_id:
        found += own_rules.of_group(seen.group, (seen.subnet or seen.vpc)["CidrBlock"], spec)
    return found


# ------------------------------------------------------------------------------------------------------ looking


def look(session: AwsSession, spec: AwsClusterSpec) -> OwnNetwork:
    """Ask AWS for all that the checks need: calls side by side, in one flat list of answers.

    Raises:
        GroundworkError: AWS does not tell.
    """
    ec2 = session.client("ec2", spec.region)
    here = [{"Name": "vpc-id", "Values": [spec.vpc_id]}]
    told_vpc = _known(lambda: ec2.describe_vpcs(VpcIds=[spec.vpc_id])["Vpcs"], spec.vpc_id)
    if told_vpc is None:
        return OwnNetwork(None)

    def listed(operation: str, member: str, **asked: Any) -> list[Any]:
        with translated(f"network {spec.vpc_id}"):
            pages = ec2.get_paginator(operation).paginate(**(asked or {"Filters": here}))  # type: ignore[call-overload]
            return list(pages.build_full_result()[member])

    def attribute(name: str, member: str) -> bool:
        with translated(f"network {spec.vpc_id}"):
            answer: Any = ec2.describe_vpc_attribute(VpcId=spec.vpc_id, Attribute=name)  # type: ignore[arg-type]
            return bool(answer[member]["Value"])

    def group() -> Any:
        if not spec.security_group_id:
            return None
        asked = {"GroupIds": [spec.security_group_id]}
        return _known(lambda: listed("describe_security_groups", "SecurityGroups", **asked), spec.security_group_id)

    def subnet() -> Any:
        asked = {"SubnetIds": [spec.subnet_id]}
        return _known(lambda: listed("describe_subnets", "Subnets", **asked), spec.subnet_id)

    with ThreadPoolExecutor(8) as side:
        resolves = side.submit(attribute, "enableDnsSupport", "EnableDnsSupport")
        names = side.submit(attribute, "enableDnsHostnames", "EnableDnsHostnames")
        subnets = side.submit(listed, "describe_subnets", "Subnets")
        tables = side.submit(listed, "describe_route_tables", "RouteTables")
        nats = side.submit(listed, "describe_nat_gateways", "NatGateways")
        endpoints = side.submit(listed, "describe_vpc_endpoints", "VpcEndpoints")
        acls = side.submit(listed, "describe_network_acls", "NetworkAcls")
        given_group = side.submit(group)
        given_subnet = side.submit(subnet)
    return OwnNetwork(
        vpc=told_vpc,
        resolves=resolves.result(),
        names=names.result(),
        subnets=subnets.result(),
        subnet=given_subnet.result(),
        tables=tables.result(),
        nats={nat["NatGatewayId"]: nat["State"] for nat in nats.result()},
        endpoints=endpoints.result(),
        acls=acls.result(),
        group=given_group.result(),
    )


def _known(ask: Any, thing: str) -> Any:
    """Return the one thing that AWS tells of an id, or None where it knows no such id."""
    try:
        with translated(thing):
            found = ask()
    except NotFound:
        return None
    return found[0] if found else None


# ------------------------------------------------------------------------------------------------------ judging


def _of_vpc(seen: OwnNetwork, spec: AwsClusterSpec) -> Iterator[PlanFinding]:
    assert seen.vpc is not None  # noqa: S101 # the caller looked
    if TAG in told(seen.vpc.get("Tags", [])):
        yield error("vpc_id", f"{spec.vpc_id} is a network that Groundwork made", "Leave the three fields empty.")
    if not seen.resolves:
        yield error("vpc_id", "DNS support is off", "Turn it on: nodes find the shared files by name.")
    if not seen.names:
        yield error("vpc_id", "DNS hostnames are off", "Turn them on: nodes find each other by name.")
    zones = {subnet["AvailabilityZone"] for subnet in seen.subnets}
    if len(zones) == 1:
        yield error("vpc_id", f"all its subnets are in {min(zones)}", "Add a subnet in another zone.")


def _of_subnet(seen: OwnNetwork, spec: AwsClusterSpec, *, is_begun: bool) -> Iterator[PlanFinding]:
    subnet = seen.subnet
    assert seen.vpc is not None  # noqa: S101 # the caller looked
    if subnet is None:
        yield error("subnet_id", f"there is no subnet {spec.subnet_id} in {spec.region}", "Check the region.")
        return
    if subnet["VpcId"] != spec.vpc_id:
        yield error("subnet_id", f"it is in {subnet['VpcId']}, and vpc_id says {spec.vpc_id}")
        return
    others = [one["CidrBlock"] for one in seen.subnets if one["SubnetId"] != subnet["SubnetId"]]
    wrong = why_no_subnet(subnet["CidrBlock"], _blocks(seen.vpc), others, masks=OWN_MASKS)
    if wrong:
        yield error("subnet_id", wrong, "Choose another subnet.")
    needed = spec.node_count + 1
    if not is_begun and subnet["AvailableIpAddressCount"] < needed:
        yield error(
            "subnet_id",
            f"{subnet['AvailableIpAddressCount']} addresses are free; {spec.node_count} nodes and the shared files "
            f"need {needed}",
            "Choose a larger subnet, or fewer nodes.",
        )
    table = _table_of(seen, subnet["SubnetId"])
    way = next((route for route in table.get("Routes", []) if route.get("DestinationCidrBlock") == EVERYONE), None)
    is_open = way is not None and _leads_out(way, seen, spec, subnet)
    if not is_open:
        yield from _without_way(seen, table, _why_closed(way, seen))
    yield from own_rules.of_acl(seen.acls, subnet, EVERYONE if is_open else seen.vpc["CidrBlock"])


def _blocks(vpc: Any) -> list[str]:
    more = [
        one["CidrBlock"]
        for one in vpc.get("CidrBlockAssociationSet", [])
        if one["CidrBlockState"]["State"] == "associated"
    ]
    return more or [vpc["CidrBlock"]]


def why_no_subnet(
    cidr: str, networks: Sequence[str], taken: Iterable[str], *, masks: tuple[int, int] = AWS_MASKS
) -> str:
    """Return why a block of addresses can be no subnet for nodes, in words; empty where it can.

    Args:
        cidr: As ``10.0.1.0/24``.
        networks: The VPC's blocks: the subnet lies in one of them.
        taken: The blocks of the VPC's other subnets.
        masks: The shortest and the longest mask.
    """
    try:
        block = ipaddress.IPv4Network(cidr)
    except ValueError as wrong:
        return f"{cidr} is no block of IPv4 addresses ({wrong})"
    shortest, longest = masks
    if not shortest <= block.prefixlen <= longest:
        return f"{cidr} is not between /{shortest} and /{longest}"
    if not any(block.subnet_of(ipaddress.IPv4Network(one)) for one in networks):
        return f"{cidr} is not inside the network ({', '.join(networks)})"
    over = [one for one in taken if block.overlaps(ipaddress.IPv4Network(one))]
    return f"{cidr} overlaps with {over[0]}" if over else ""


def _without_way(seen: OwnNetwork, table: Any, why: str) -> Iterator[PlanFinding]:
    reached = {_service(one) for one in seen.endpoints if _serves(one, table)}
    missing = [name for name in NEEDED_SERVICES if name not in reached]
    if missing:
        yield error(
            "subnet_id",
            f"no way leads out of it ({why}), and these endpoints are missing in the network: {', '.join(missing)}",
            "Give its route table a route to a NAT gateway, or add those endpoints.",
        )


def _table_of(seen: OwnNetwork, subnet_id: str) -> Any:
    """Return the subnet's route table: its own, or else the network's main one."""
    of_subnet = [t for t in seen.tables if any(a.get("SubnetId") == subnet_id for a in t["Associations"])]
    main = [t for t in seen.tables if any(a.get("Main") for a in t["Associations"])]
    return next(iter([*of_subnet, *main]), {})


def _leads_out(way: Any, seen: OwnNetwork, spec: AwsClusterSpec, subnet: "SubnetTypeDef") -> bool:
    if way.get("State") != "active":
        return False
    if "NatGatewayId" in way:
        return (seen.nats or {}).get(way["NatGatewayId"]) in ("pending", "available")
    if way.get("GatewayId", "").startswith("igw-"):
        return spec.public_addresses or subnet["MapPublicIpOnLaunch"]
    return True


def _why_closed(way: Any, seen: OwnNetwork) -> str:
    if way is None:
        return "no route to 0.0.0.0/0"
    if way.get("State") != "active":
        return "its route to 0.0.0.0/0 leads nowhere"
    nat = way.get("NatGatewayId", "")
    if nat:
        return f"{nat} is {(seen.nats or {}).get(nat, 'gone')}"
    return "an internet gateway needs nodes with public addresses"


def _service(endpoint: Any) -> str:
    return str(endpoint["ServiceName"]).rpartition(".")[2]


def _serves(endpoint: Any, table: Any) -> bool:
    if endpoint["State"].lower() != "available":
        return False
    return endpoint["VpcEndpointType"] != "Gateway" or table.get("RouteTableId") in endpoint.get("RouteTableIds", [])
