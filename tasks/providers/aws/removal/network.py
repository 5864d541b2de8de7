"""What EC2 says is there: our things, what is called like them, and what is not ours and holds on to them.

Kinds of the network are asked for whole, not by tag: what is in our network and is not ours is seen in the same look.
States in which a thing is over: "DescribeInstances", "DescribeNatGateways", "DescribeVpcEndpoints" in the Amazon EC2
API Reference; EC2 tells of it for about an hour still.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tasks.providers.aws.policies import ROLE_PREFIX, TAG
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.removal.things import Area, Kind, Thing, cluster_of, tags_of

Told = Mapping[str, Any]

_SERVED = re.compile(r"\b(?:nat|vpce|fs)-[0-9a-f]+\b")
"""What a network interface that AWS made says it is for, in its description."""


def _nothing(_: Told) -> list[str]:
    return []


def _never(_: Told) -> bool:
    return False


def _of_network(found: Told) -> list[str]:
    return [found["VpcId"]] if found.get("VpcId") else []


@dataclass(frozen=True)
class _Look:
    """How EC2 tells of one kind of thing.

    Args:
        operation: The client's method.
        where: The members of its answer that lead to the list.
        id: The member that is the thing's id.
        by_id: EC2's filter for that id.
        over: States of things that are no longer there.
        name: The member that is its own name.
        holds: What cannot go while it is there.
        filters: What the method calls its filters.
        is_part: Whether it goes with something else and is never asked about: a main route table, a default group.
    """

    operation: str
    where: tuple[str, ...]
    id: str
    by_id: str
    over: tuple[str, ...] = ()
    name: str = ""
    holds: Callable[[Told], list[str]] = _nothing
    filters: str = "Filters"
    is_part: Callable[[Told], bool] = _never


def _of_gateway(found: Told) -> list[str]:
    return [link["VpcId"] for link in found.get("Attachments", [])]


def _of_nat(found: Told) -> list[str]:
    addresses = [told["AllocationId"] for told in found.get("NatGatewayAddresses", []) if told.get("AllocationId")]
    return [found["VpcId"], found["SubnetId"], *addresses]


def _of_endpoint(found: Told) -> list[str]:
    groups = [group["GroupId"] for group in found.get("Groups", [])]
    return [found["VpcId"], *found.get("SubnetIds", []), *found.get("RouteTableIds", []), *groups]


def _of_group(found: Told) -> list[str]:
    network = [] if found["GroupName"] == "default" else _of_network(found)
    return [*network, *(name for name in referred(found) if name != found["GroupId"])]


def _of_interface(found: Told) -> list[str]:
    groups = [group["GroupId"] for group in found.get("Groups", [])]
    public = found.get("Association", {})
    address = [public["AllocationId"]] if public.get("AllocationId") else []
    # An internet gateway stays attached while a public address leads through it.
    gateway = [f"gateway of {found['VpcId']}"] if public else []
    return [found["VpcId"], found["SubnetId"], *groups, *address, *gateway]


def referred(group: Told) -> list[str]:
    """Return the ids of the groups that a group's rules name."""
    rules = [*group.get("IpPermissions", []), *group.get("IpPermissionsEgress", [])]
    return [pair["GroupId"] for rule in rules for pair in rule.get("UserIdGroupPairs", []) if pair.get("GroupId")]


def _is_main(found: Told) -> bool:
    return any(link.get("Main") for link in found.get("Associations", []))


LOOKS: dict[Kind, _Look] = {
    Kind.NODE: _Look(
        "describe_instances", ("Reservations", "Instances"), "InstanceId", "instance-id", over=("terminated",)
    ),
    Kind.VOLUME: _Look("describe_volumes", ("Volumes",), "VolumeId", "volume-id"),
    Kind.PLACEMENT_GROUP: _Look(
        "describe_placement_groups", ("PlacementGroups",), "GroupId", "group-id", over=("deleted",), name="GroupName"
    ),
    Kind.KEY_PAIR: _Look("describe_key_pairs", ("KeyPairs",), "KeyPairId", "key-pair-id", name="KeyName"),
    Kind.NAT_GATEWAY: _Look(
        "describe_nat_gateways",
        ("NatGateways",),
        "NatGatewayId",
        "nat-gateway-id",
        over=("deleted", "failed"),
        holds=_of_nat,
        filters="Filter",
    ),
    Kind.ENDPOINT: _Look(
        "describe_vpc_endpoints",
        ("VpcEndpoints",),
        "VpcEndpointId",
        "vpc-endpoint-id",
        over=("deleted",),
        holds=_of_endpoint,
    ),
    Kind.ADDRESS: _Look("describe_addresses", ("Addresses",), "AllocationId", "allocation-id"),
    Kind.SUBNET: _Look("describe_subnets", ("Subnets",), "SubnetId", "subnet-id", holds=_of_network),
    Kind.ROUTE_TABLE: _Look(
        "describe_route_tables",
        ("RouteTables",),
        "RouteTableId",
        "route-table-id",
        holds=_of_network,
        is_part=_is_main,
    ),
    Kind.INTERNET_GATEWAY: _Look(
        "describe_internet_gateways",
        ("InternetGateways",),
        "InternetGatewayId",
        "internet-gateway-id",
        holds=_of_gateway,
    ),
    Kind.GROUP: _Look(
        "describe_security_groups", ("SecurityGroups",), "GroupId", "group-id", name="GroupName", holds=_of_group
    ),
    Kind.NETWORK_ACL: _Look(
        "describe_network_acls",
        ("NetworkAcls",),
        "NetworkAclId",
        "network-acl-id",
        holds=_of_network,
        is_part=lambda found: bool(found["IsDefault"]),
    ),
    Kind.NETWORK: _Look("describe_vpcs", ("Vpcs",), "VpcId", "vpc-id"),
    Kind.INTERFACE: _Look(
        "describe_network_interfaces",
        ("NetworkInterfaces",),
        "NetworkInterfaceId",
        "network-interface-id",
        holds=_of_interface,
    ),
}
"""How EC2 tells of each kind."""

_BY_TAG = (Kind.NODE, Kind.VOLUME)
"""Kinds that an account may have thousands of: only those with our tag or our names are asked for."""

KINDS = frozenset(LOOKS)


def seen(area: Area, kinds: Collection[Kind], foreign_files: Collection[str] = ()) -> list[Thing]:
    """Return what EC2 tells: ours, what is called as ours, and what is foreign and holds something of ours.

    Args:
        area: Where.
        kinds: What is asked for; interfaces are where networks are.
        foreign_files: Ids of file systems that are not ours: a mount target of theirs in our network is foreign.

    Raises:
        CredentialsInvalid, AccessDenied: Nothing was seen. An empty list is AWS's own word.
    """
    with translated(f"what is in {area.region}"):
        asked = [kind for kind in LOOKS if kind in kinds and kind is not Kind.INTERFACE]
        found = [thing for kind in asked for thing in _of_kind(area, kind)]
        found += _interfaces(area, found, {*foreign_files})
    ours = {thing.id for thing in found if thing.standing == "ours"}
    gateways = {f"gateway of {thing.inside}" for thing in found if thing.standing == "ours" and thing.inside}
    return [thing for thing in found if thing.standing != "foreign" or {*thing.holds} & (ours | gateways)]


def by_ids(area: Area, kind: Kind, ids: Iterable[str]) -> list[Thing]:
    """Return those of these things that are there still; one that is over is not."""
    wanted = list(ids)
    with translated(f"what is in {area.region}"):
        return [_thing(area, kind, found) for found in _asked(area, kind, LOOKS[kind].by_id, wanted)] if wanted else []


def _of_kind(area: Area, kind: Kind) -> Iterator[Thing]:
    look = LOOKS[kind]
    if kind in _BY_TAG:
        told = _asked(area, kind, f"tag:{TAG}", [area.installation])
        told += _asked(area, kind, "tag:Name", [f"{ROLE_PREFIX}*"])
        unique = {found[look.id]: found for found in told}
        yield from (_thing(area, kind, found) for found in unique.values())
        return
    yield from (_thing(area, kind, found) for found in _asked(area, kind) if not look.is_part(found))


def _asked(area: Area, kind: Kind, by: str = "", values: list[str] | None = None) -> list[Told]:
    look, ec2 = LOOKS[kind], area.session.client("ec2", area.region)
    asked: dict[str, Any] = {look.filters: [{"Name": by, "Values": values}]} if by else {}
    if ec2.can_paginate(look.operation):
        pages: Iterable[Any] = ec2.get_paginator(look.operation).paginate(**asked)  # type: ignore[call-overload]
    else:
        pages = [getattr(ec2, look.operation)(**asked)]
    found: list[Any] = list(pages)
    for member in look.where:
        found = [thing for page in found for thing in page[member]]
    return [thing for thing in found if _state(thing) not in look.over]


def _state(found: Told) -> str:
    state = found.get("State", "")
    return str(state.get("Name", "") if isinstance(state, Mapping) else state).lower()


def _thing(area: Area, kind: Kind, found: Told) -> Thing:
    look, tags = LOOKS[kind], tags_of(found)
    own = str(found.get(look.name, "")) if look.name else ""
    attached = _of_gateway(found) if kind is Kind.INTERNET_GATEWAY else []
    return Thing(
        kind,
        str(found[look.id]),
        standing=area.standing(tags, own),
        name=own or tags.get("Name", ""),
        cluster=cluster_of(tags),
        state=_state(found),
        inside=attached[0] if attached else "",
        holds=tuple(look.holds(found)),
        type=str(found.get("InstanceType", "")),
    )


def _interfaces(area: Area, found: Iterable[Thing], foreign_files: set[str]) -> list[Thing]:
    """Return the network interfaces in our networks, and those with our groups in the user's.

    Those that AWS made for a thing of ours go by themselves.
    """
    known = list(found)
    ours = [thing for thing in known if thing.standing == "ours"]
    networks = [thing.id for thing in ours if thing.kind is Kind.NETWORK]
    groups = [thing.id for thing in ours if thing.kind is Kind.GROUP and not {*thing.holds} & {*networks}]
    told = _asked(area, Kind.INTERFACE, "vpc-id", networks) if networks else []
    told += _asked(area, Kind.INTERFACE, "group-id", groups) if groups else []
    others = {thing.id for thing in known if thing.standing != "ours"} | foreign_files
    return [_interface(area, one, others) for one in told]


def _interface(area: Area, told: Told, others: set[str]) -> Thing:
    thing = _thing(area, Kind.INTERFACE, told)
    node = told.get("Attachment", {}).get("InstanceId", "")
    served = _SERVED.search(told.get("Description", "")) if told.get("RequesterManaged") else None
    for_whom = node or (served[0] if served else "")
    if thing.standing == "foreign" and served and served[0] not in others:
        return replace(thing, standing="ours", name=for_whom)
    return replace(thing, name=thing.name or for_whom)
