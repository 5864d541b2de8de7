"""A region's network: VPC, subnets in two zones, and the door to the internet.

Where AWS has a name, a token or an address by which a second thing is refused, that is used. A VPC, an internet gateway
and an elastic IP have none: those are looked for first, and made by calls that are never repeated blindly.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from blocks.errors import Conflict, NoCapacity
from tasks.providers.aws import offers
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.region import parts
from tasks.providers.aws.region.finding import Subnets, subnets_by_part, subnets_of
from tasks.providers.aws.region.site import Site, one_of

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InternetGatewayTypeDef, VpcTypeDef


@dataclass(frozen=True)
class Network:
    """A region's VPC. ``is_new`` tells that this very call made it, so that there is nothing in it yet."""

    vpc_id: str
    cidr: str
    is_new: bool = False


def ensure_network(site: Site) -> Network:
    """Let there be the VPC, in which names of hosts are resolved. A second call finds it."""
    what = f"network in {site.region}"
    born = site.owner.born("vpc", parts.NETWORK)
    vpc, is_new = site.made_once(
        what,
        partial(_network, site),
        lambda: site.ec2.create_vpc(CidrBlock=parts.CIDR, TagSpecifications=born)["Vpc"],
    )
    vpc_id = vpc["VpcId"]
    if is_new or not site.settled(what, lambda: _names_hosts(site, vpc_id)):
        # DNS support is on in every new VPC (Amazon VPC User Guide, "DNS attributes for your VPC"), host names are not.
        site.settled(what, lambda: site.ec2.modify_vpc_attribute(VpcId=vpc_id, EnableDnsHostnames={"Value": True}))
    return Network(vpc_id, vpc["CidrBlock"], is_new)


def _names_hosts(site: Site, vpc_id: str) -> bool:
    told = site.ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute="enableDnsHostnames")
    return told["EnableDnsHostnames"].get("Value", False)


def _network(site: Site) -> "VpcTypeDef | None":
    pages = site.ec2.get_paginator("describe_vpcs").paginate(Filters=site.owner.filters(parts.NETWORK))
    found = pages.build_full_result()["Vpcs"]
    if len(found) < 2:
        return found[0] if found else None
    parts_in = {
        vpc["VpcId"]: len(subnets_by_part(site.session, site.region, site.owner, vpc["VpcId"])) for vpc in found
    }
    return one_of(
        found,
        lambda vpc: (-parts_in[vpc["VpcId"]], vpc["VpcId"]),
        lambda vpc: site.ec2.delete_vpc(VpcId=vpc["VpcId"]),
    )


def two_zones(site: Site) -> tuple[str, ...]:
    """Return the names of the region's availability zones that are open to everybody, by name.

    Raises:
        NoCapacity: There is one only: subnets are in two.
    """
    zones = offers.zones(site.session, site.region)
    if len(zones) < 2:
        raise NoCapacity(
            f"it has {len(zones)} zone that is open, and two are needed",
            where=f"region {site.region}",
            advice="Choose another region.",
        )
    return tuple(zones)


def ensure_public_subnets(site: Site, network: Network, zones: tuple[str, ...]) -> Subnets:
    """Let there be the subnets whose hosts can be reached from outside, in two zones; return zone and id of each."""
    return _subnets(site, network, zones, parts.PUBLIC_SUBNETS)


def ensure_private_subnets(site: Site, network: Network, zones: tuple[str, ...]) -> Subnets:
    """Let there be the subnets of nodes, in two zones; return zone and id of each."""
    return _subnets(site, network, zones, parts.PRIVATE_SUBNETS)


def _subnets(site: Site, network: Network, zones: tuple[str, ...], wanted: dict[str, str]) -> Subnets:
    what = f"subnets in {site.region}"
    look = partial(subnets_by_part, site.session, site.region, site.owner, network.vpc_id, *wanted)
    with translated(what):
        found = {} if network.is_new else look()
    for part in [part for part in wanted if part not in found]:
        taken = {subnet["AvailabilityZone"] for subnet in found.values()}
        zone = next(zone for zone in zones if zone not in taken)
        make = partial(_make_subnet, site, network, part, wanted[part], zone)
        found[part] = site.made_or_found(what, make, partial(_subnet, look, part))
    return subnets_of(found, wanted)


def _make_subnet(site: Site, network: Network, part: str, cidr: str, zone: str) -> Mapping[str, Any]:
    born = site.owner.born("subnet", part)
    make = partial(site.ec2.create_subnet, VpcId=network.vpc_id, CidrBlock=cidr, AvailabilityZone=zone)
    return make(TagSpecifications=born)["Subnet"]


def _subnet(look: Callable[[], Mapping[str, Any]], part: str) -> Mapping[str, Any] | None:
    return look().get(part)


def ensure_internet_gateway(site: Site, network: Network) -> str:
    """Let there be the internet gateway, attached to the network; return its id."""
    what, vpc_id = f"internet gateway in {site.region}", network.vpc_id
    born = site.owner.born("internet-gateway", parts.INTERNET_GATEWAY)
    look = partial(_internet_gateway, site, vpc_id)
    gateway, _ = site.made_once(
        what,
        look,
        lambda: site.ec2.create_internet_gateway(TagSpecifications=born)["InternetGateway"],
        is_new_place=network.is_new and not site.was_begun,
    )
    gateway_id = gateway["InternetGatewayId"]
    if not _is_attached(gateway, vpc_id):
        with suppress(Conflict):
            attach = partial(site.ec2.attach_internet_gateway, InternetGatewayId=gateway_id, VpcId=vpc_id)
            site.settled(what, attach)
    return gateway_id


def _internet_gateway(site: Site, vpc_id: str) -> "InternetGatewayTypeDef | None":
    pages = site.ec2.get_paginator("describe_internet_gateways")
    found = pages.paginate(Filters=site.owner.filters(parts.INTERNET_GATEWAY)).build_full_result()["InternetGateways"]
    return one_of(
        found,
        lambda gateway: (int(not _is_attached(gateway, vpc_id)), gateway["InternetGatewayId"]),
        lambda gateway: site.ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"]),
    )


def _is_attached(gateway: "InternetGatewayTypeDef", vpc_id: str) -> bool:
    return any(attachment.get("VpcId") == vpc_id for attachment in gateway.get("Attachments", []))


def ensure_address(site: Site) -> str:
    """Let there be the elastic IP of the NAT gateway; return its allocation id."""
    born = site.owner.born("elastic-ip", parts.ADDRESS)
    address, _ = site.made_once(
        f"elastic IP in {site.region}",
        partial(_address, site),
        lambda: site.ec2.allocate_address(Domain="vpc", TagSpecifications=born)["AllocationId"],
        is_new_place=not site.was_begun,
    )
    return address


def _address(site: Site) -> str | None:
    found = site.ec2.describe_addresses(Filters=site.owner.filters(parts.ADDRESS))["Addresses"]
    kept = one_of(
        found,
        lambda address: (int("AssociationId" not in address), address["AllocationId"]),
        lambda address: site.ec2.release_address(AllocationId=address["AllocationId"]),
    )
    return kept["AllocationId"] if kept else None
