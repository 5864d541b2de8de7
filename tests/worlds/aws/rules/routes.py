"""Route tables: where a route may lead, which table a subnet has, and what must go first.

Moto lets a route lead nowhere, keeps a subnet's old table without a word, and deletes main tables. Codes and words as
in AWS's real answers, from public bug reports.
"""

import ipaddress
from typing import TYPE_CHECKING, Any

from tests.worlds.aws import limits
from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, answer, refuse
from tests.worlds.aws.rules.describing import MENDS
from tests.worlds.aws.rules.lookups import of_kind

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_TARGETS = {
    "CarrierGatewayId",
    "CoreNetworkArn",
    "EgressOnlyInternetGatewayId",
    "GatewayId",
    "InstanceId",
    "LocalGatewayId",
    "NatGatewayId",
    "NetworkInterfaceId",
    "TransitGatewayId",
    "VpcEndpointId",
    "VpcPeeringConnectionId",
}
_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


@refuse("ec2", "CreateRouteTable")
def _table_has_a_vpc(world: "World", call: Call) -> None:
    backend = world.backend(call)
    vpc = of_kind(backend, "vpc", call.params["VpcId"])
    held = sum(table.vpc_id == vpc.id for table in backend.route_tables.values())
    if held >= limits.limit(world, call.account, call.region, limits.ROUTE_TABLES_PER_VPC):
        raise Refused("RouteTableLimitExceeded", "The maximum number of route tables has been reached.")


@refuse("ec2", "CreateRoute", "ReplaceRoute")
def _route_leads_somewhere(world: "World", call: Call) -> None:
    backend = world.backend(call)
    table = of_kind(backend, "rtb", call.params["RouteTableId"])
    destination = _destination(call)
    if len(_TARGETS & call.params.keys()) != 1:
        names = ", ".join(sorted(name[0].lower() + name[1:] for name in _TARGETS))
        raise Refused("MissingParameter", f"The request must contain exactly one of: {names}")
    if call.operation == "CreateRoute":
        _is_new(table, destination)
    _target_is_there(backend, call, table)


def _destination(call: Call) -> str:
    given = [call.params[name] for name in _DESTINATIONS if name in call.params]
    if len(given) != 1:
        raise Refused("MissingParameter", "The request must contain the parameter destinationCidrBlock")
    block = str(given[0])
    if "DestinationPrefixListId" in call.params:
        return block
    try:
        return str(ipaddress.ip_network(block, strict=False))
    except ValueError as error:
        text = f"Value ({block}) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."
        raise Refused("InvalidParameterValue", text) from error


def _is_new(table: Any, destination: str) -> None:
    for route in table.routes:
        told = route.destination_cidr_block or route.destination_ipv6_cidr_block or route.destination_prefix_list_id
        if told == destination:
            raise Refused("RouteAlreadyExists", f"The route identified by {destination} already exists.")


def _target_is_there(backend: Any, call: Call, table: Any) -> None:
    gateway, nat = call.params.get("GatewayId", ""), call.params.get("NatGatewayId", "")
    if gateway.startswith("igw-"):
        attached = of_kind(backend, "igw", gateway).vpc
        if not attached or attached.id != table.vpc_id:
            text = f"route table {table.id} and network gateway {gateway} belong to different networks"
            raise Refused("InvalidParameterValue", text)
    if nat:
        found = backend.nat_gateways.get(nat)
        # A route to one that is still pending is taken.
        if found is None or found.state not in ("pending", "available"):
            raise Refused("InvalidNatGatewayID.NotFound", f"The natGateway ID '{nat}' does not exist")
        if found.vpc_id != table.vpc_id:
            text = f"route table {table.id} and network gateway {nat} belong to different networks"
            raise Refused("InvalidParameterValue", text)
    for member, prefix in (("NetworkInterfaceId", "eni"), ("InstanceId", "i")):
        if member in call.params:
            of_kind(backend, prefix, call.params[member])


@refuse("ec2", "DeleteRoute")
def _route_is_yours(world: "World", call: Call) -> None:
    table = of_kind(world.backend(call), "rtb", call.params["RouteTableId"])
    destination = _destination(call)
    for route in table.routes:
        if route.local and route.destination_cidr_block == destination:
            text = f"cannot remove local route {destination} in route table {table.id}"
            raise Refused("InvalidParameterValue", text)
        if route.destination_prefix_list_id == destination:
            text = f"cannot remove VPC endpoint route {route.gateway_id} in route table {table.id}"
            raise Refused("InvalidParameterValue", text)


@answer("ec2", "CreateRoute", "ReplaceRoute", "DeleteRoute")
def _in_canonical_form(world: "World", call: Call) -> Answer:
    member = next(name for name in _DESTINATIONS if name in call.params)
    return world.moto(call, **{member: _destination(call)})


@refuse("ec2", "AssociateRouteTable")
def _subnet_has_no_other(world: "World", call: Call) -> None:
    backend = world.backend(call)
    table = of_kind(backend, "rtb", call.params["RouteTableId"])
    if "SubnetId" not in call.params:
        return
    subnet = of_kind(backend, "subnet", call.params["SubnetId"])
    if subnet.vpc_id != table.vpc_id:
        text = f"route table {table.id} and subnet {subnet.id} belong to different networks"
        raise Refused("InvalidParameterValue", text)
    for other in backend.route_tables.values():
        if other is not table and subnet.id in other._associations.values():
            text = f"the specified association for route table {table.id} conflicts with an existing association"
            raise Refused("Resource.AlreadyAssociated", text)


@refuse("ec2", "DisassociateRouteTable")
def _association_is_no_main_one(world: "World", call: Call) -> None:
    wanted = call.params["AssociationId"]
    tables = list(world.backend(call).route_tables.values())
    if any(table.main_association_id == wanted for table in tables):
        text = f"cannot disassociate the main route table association {wanted}"
        raise Refused("InvalidParameterValue", text)
    if not any(wanted in table._associations for table in tables):
        raise Refused("InvalidAssociationID.NotFound", f"The association ID '{wanted}' does not exist")


@refuse("ec2", "DeleteRouteTable")
def _table_is_free(world: "World", call: Call) -> None:
    table = of_kind(world.backend(call), "rtb", call.params["RouteTableId"])
    if table.associations:
        raise Refused("DependencyViolation", f"The routeTable '{table.id}' has dependencies and cannot be deleted.")


@amend("ec2", "DeleteRouteTable")
def _endpoints_forget_it(world: "World", call: Call, _: Answer) -> None:
    backend, table_id = world.backend(call), call.params["RouteTableId"]
    for point in backend.vpc_end_points.values():
        point.route_table_ids = [known for known in point.route_table_ids or [] if known != table_id]
    backend.tags.pop(table_id, None)


def _with_states(world: "World", call: Call, table: Answer) -> Answer:
    backend = world.backend(call)
    for route in table.get("Routes", []):
        route["State"] = "active" if _leads(backend, table["VpcId"], route) else "blackhole"
    return table


MENDS["DescribeRouteTables"] = _with_states


def _leads(backend: Any, vpc_id: str, route: dict[str, Any]) -> bool:
    gateway, nat, interface = (route.get(name) for name in ("GatewayId", "NatGatewayId", "NetworkInterfaceId"))
    if gateway and gateway.startswith("igw-"):
        found = backend.internet_gateways.get(gateway)
        return bool(found and found.vpc and found.vpc.id == vpc_id)
    if nat:
        return nat in backend.nat_gateways and backend.nat_gateways[nat].state in ("pending", "available")
    return not interface or interface in backend.enis
