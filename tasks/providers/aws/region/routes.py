"""How a region's network is left: route tables, the S3 endpoint, the NAT gateway."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from blocks.errors import Conflict, NotFound, ProviderError
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.region import parts
from tasks.providers.aws.region.finding import Subnets
from tasks.providers.aws.region.network import Network
from tasks.providers.aws.region.site import Site

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import NatGatewayTypeDef, RouteTableTypeDef

EVERYWHERE = "0.0.0.0/0"

_NAT_LIMIT_S = 600.0
_NAT_EVERY_S = 10.0


def ensure_public_routes(site: Site, network: Network, subnets: Subnets, gateway_id: str) -> str:
    """Let the public subnets reach the internet through the internet gateway; return the route table's id."""
    table = _table(site, network, parts.PUBLIC_ROUTES)
    table_id = table["RouteTableId"]
    _lead(site, table, subnets)
    if not _way_out(table, "GatewayId"):
        with suppress(Conflict):
            make = partial(site.ec2.create_route, DestinationCidrBlock=EVERYWHERE, GatewayId=gateway_id)
            site.settled(f"public routes in {site.region}", lambda: make(RouteTableId=table_id))
    return table_id


def ensure_private_routes(site: Site, network: Network, subnets: Subnets) -> str:
    """Let the private subnets have a route table; return its id. Its way out is made when the NAT gateway is there."""
    table = _table(site, network, parts.PRIVATE_ROUTES)
    _lead(site, table, subnets)
    return table["RouteTableId"]


def ensure_way_out(site: Site, vpc_id: str, nat_id: str) -> None:
    """Let the private subnets reach the internet through the NAT gateway, which must be available."""
    what = f"{parts.PRIVATE_ROUTES} in {site.region}"
    table = site.patiently(what, partial(_found_table, site, vpc_id, parts.PRIVATE_ROUTES))
    if table is None:
        raise NotFound("there is no such route table", where=what, advice="Run prepare-aws-region: it is made then.")
    now = _way_out(table, "NatGatewayId")
    if now == nat_id:
        return
    table_id = table["RouteTableId"]
    if now:
        # It leads to a NAT gateway that is gone.
        site.settled(what, partial(site.ec2.delete_route, RouteTableId=table_id, DestinationCidrBlock=EVERYWHERE))
    make = partial(site.ec2.create_route, RouteTableId=table_id, DestinationCidrBlock=EVERYWHERE)
    with suppress(Conflict):
        site.settled(what, partial(make, NatGatewayId=nat_id))


def _table(site: Site, network: Network, part: str) -> "RouteTableTypeDef":
    what = f"{part} in {site.region}"
    found = None
    if not network.is_new:
        with translated(what):
            found = _found_table(site, network.vpc_id, part)
    return found or site.settled(
        what,
        lambda: site.ec2.create_route_table(
            VpcId=network.vpc_id,
            TagSpecifications=site.owner.born("route-table", part),
            ClientToken=site.token(part, network.vpc_id),
        )["RouteTable"],
    )


def _found_table(site: Site, vpc_id: str, part: str) -> "RouteTableTypeDef | None":
    filters = site.owner.filters(part, vpc_id=vpc_id)
    tables = site.ec2.get_paginator("describe_route_tables").paginate(Filters=filters).build_full_result()
    return tables["RouteTables"][0] if tables["RouteTables"] else None


def _lead(site: Site, table: "RouteTableTypeDef", subnets: Subnets) -> None:
    led = {link.get("SubnetId") for link in table.get("Associations", [])}
    for _, subnet_id in subnets:
        if subnet_id not in led:
            link = partial(site.ec2.associate_route_table, RouteTableId=table["RouteTableId"], SubnetId=subnet_id)
            with suppress(Conflict):
                site.settled(f"routes of {subnet_id}", link)


def _way_out(table: "RouteTableTypeDef", kind: str) -> str:
    for route in table.get("Routes", []):
        if route.get("DestinationCidrBlock") == EVERYWHERE:
            return str(route.get(kind, "another way"))
    return ""


def ensure_s3_endpoint(site: Site, network: Network, table_ids: Iterable[str]) -> None:
    """Let S3 be reached without NAT gateway, from all subnets.

    A second endpoint is refused by the route tables that have one (``RouteAlreadyExists``); it needs no token.
    """
    what = f"S3 endpoint in {site.region}"
    look = partial(_endpoint, site, network)
    if not network.is_new:
        with translated(what):
            if look():
                return
    make = partial(
        site.ec2.create_vpc_endpoint,
        VpcEndpointType="Gateway",
        VpcId=network.vpc_id,
        ServiceName=f"com.amazonaws.{site.region}.s3",
        RouteTableIds=list(table_ids),
        TagSpecifications=site.owner.born("vpc-endpoint", parts.S3_ENDPOINT),
    )
    site.made_or_found(what, lambda: make()["VpcEndpoint"]["VpcEndpointId"], look)


def _endpoint(site: Site, network: Network) -> str | None:
    filters = site.owner.filters(parts.S3_ENDPOINT, vpc_id=network.vpc_id)
    found = site.ec2.get_paginator("describe_vpc_endpoints").paginate(Filters=filters).build_full_result()
    here = [point["VpcEndpointId"] for point in found["VpcEndpoints"] if point["State"].lower() != "deleting"]
    return here[0] if here else None


def ensure_nat_gateway(site: Site, network: Network, subnets: Subnets, address: str) -> str:
    """Let there be the NAT gateway, in the first public subnet; return its id. It takes a minute or two to open.

    The network's internet gateway must be attached: without it, a NAT gateway is made and fails.
    """
    what = f"NAT gateway in {site.region}"
    with translated(what):
        found = [] if network.is_new else _nat_gateways(site, network.vpc_id)
    living = [nat["NatGatewayId"] for nat in found if nat["State"] in ("pending", "available")]
    if living:
        return living[0]
    # AWS answers the token of one that failed with the failed one: each failure makes another token.
    dead = sorted(nat["NatGatewayId"] for nat in found)
    return site.settled(
        what,
        lambda: site.ec2.create_nat_gateway(
            SubnetId=subnets[0][1],
            AllocationId=address,
            TagSpecifications=site.owner.born("natgateway", parts.NAT_GATEWAY),
            ClientToken=site.token(parts.NAT_GATEWAY, subnets[0][1], address, *dead),
        )["NatGateway"]["NatGatewayId"],
    )


def _nat_gateways(site: Site, vpc_id: str) -> "list[NatGatewayTypeDef]":
    filters = site.owner.filters(parts.NAT_GATEWAY, vpc_id=vpc_id)
    told = site.ec2.get_paginator("describe_nat_gateways").paginate(Filters=filters).build_full_result()
    found: list[NatGatewayTypeDef] = told["NatGateways"]
    return found


def wait_nat_gateway(site: Site, vpc_id: str) -> str:
    """Wait until the network's NAT gateway is available; return its id.

    Raises:
        ProviderError: It failed; AWS says why, and removes it by itself.
        TimedOut: It is pending, or not to be seen, for ten minutes.
    """
    what = f"NAT gateway in {site.region}"

    def living(found: "list[NatGatewayTypeDef]") -> "list[NatGatewayTypeDef]":
        return [nat for nat in found if nat["State"] in ("pending", "available")]

    def is_open(found: "list[NatGatewayTypeDef]") -> bool:
        failed = [nat for nat in found if nat["State"] == "failed"]
        if failed and not living(found):
            code, words = failed[0].get("FailureCode", ""), failed[0].get("FailureMessage", "")
            advice = "Run prepare-aws-region: another one is made then."
            raise ProviderError(f"it failed ({code}: {words})", where=what, advice=advice)
        return any(nat["State"] == "available" for nat in living(found))

    told = site.wait_for(
        what,
        partial(_nat_gateways, site, vpc_id),
        is_open,
        limit_s=_NAT_LIMIT_S,
        every_s=_NAT_EVERY_S,
    )
    return next(nat["NatGatewayId"] for nat in told if nat["State"] == "available")
