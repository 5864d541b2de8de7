"""VPC endpoints: to which services, of which type, and their life by the world's clock.

A gateway endpoint is there at once; one of interfaces is ``pending`` -> ``available``; both are ``deleting`` before
they are gone. Codes and words: "Error codes for the Amazon EC2 API", and AWS's real answers from public bug reports.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.worlds.aws import limits
from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.rules import amend, answer, refuse
from tests.worlds.aws.rules.describing import described
from tests.worlds.aws.rules.interfaces import groups_fit, take_over
from tests.worlds.aws.rules.lookups import KINDS, of_kind
from tests.worlds.aws.rules.networks import drop_interface, free_addresses
from tests.worlds.aws.rules.passing_time import DUE

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

LASTS_S = {"pending": 60.0, "deleting": 30.0}
"""Seconds of each state that ends by itself; the world's setting ``endpoint_s`` (seconds by state) changes them.
Measured by nobody here."""


@dataclass
class Life:
    """Where an endpoint is in its life."""

    endpoint: Any
    until_s: float | None = None


class Lives:
    """All endpoints that are still listed, by id."""

    def __init__(self) -> None:
        self.all: dict[str, Life] = {}


def _kind(call: Call) -> str:
    return str(call.params.get("VpcEndpointType", "Gateway"))


@refuse("ec2", "CreateVpcEndpoint")
def _service_is_offered(world: "World", call: Call) -> None:
    backend, name = world.backend(call), call.params.get("ServiceName", "")
    offered = backend._collect_default_endpoint_services(call.account, call.region)
    types = [kind["ServiceType"] for told in offered if told["ServiceName"] == name for kind in told["ServiceType"]]
    if not types:
        raise Refused("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")
    if _kind(call) not in types:
        text = f"Endpoint type ({_kind(call)}) does not match available service types ([{', '.join(types)}])."
        raise Refused("InvalidParameter", text)
    if _kind(call) not in ("Gateway", "Interface"):
        raise CannotAnswer(f"the world has no endpoints of type {_kind(call)}")


@refuse("ec2", "CreateVpcEndpoint")
def _endpoint_fits(world: "World", call: Call) -> None:
    vpc = of_kind(world.backend(call), "vpc", call.params["VpcId"])
    (_gateway_fits if _kind(call) == "Gateway" else _interfaces_fit)(world, call, vpc)


def _gateway_fits(world: "World", call: Call, vpc: Any) -> None:
    points = [point for point in world.backend(call).vpc_end_points.values() if point.vpc_endpoint_type == "Gateway"]
    if len(points) >= limits.limit(world, call.account, call.region, limits.GATEWAY_ENDPOINTS):
        raise Refused("VpcEndpointLimitExceeded", "The maximum number of VPC endpoints has been reached.")
    _tables_fit(world.backend(call), call.params.get("RouteTableIds", []), vpc.id, call.params["ServiceName"])


def _tables_fit(backend: Any, table_ids: list[str], vpc_id: str, service: str) -> None:
    for table_id in table_ids:
        if of_kind(backend, "rtb", table_id).vpc_id != vpc_id:
            text = f"Route table {table_id} does not belong to the VPC {vpc_id}"
            raise Refused("InvalidRouteTableId.NotFound", text)
        for point in backend.vpc_end_points.values():
            if table_id in (point.route_table_ids or []) and point.service_name == service:
                listed = point.destination_prefix_list_id
                text = f"route table {table_id} already has a route with destination-prefix-list-id {listed}"
                raise Refused("RouteAlreadyExists", text)


def _interfaces_fit(world: "World", call: Call, vpc: Any) -> None:
    backend = world.backend(call)
    if call.params.get("PrivateDnsEnabled", True) and not (vpc.enable_dns_support and vpc.enable_dns_hostnames):
        text = "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true"
        raise Refused("InvalidParameter", f"{text} for {vpc.id}")
    points = [point for point in backend.vpc_end_points.values() if point.vpc_id == vpc.id]
    here = [point for point in points if point.vpc_endpoint_type == "Interface"]
    if len(here) >= limits.limit(world, call.account, call.region, limits.INTERFACE_ENDPOINTS_PER_VPC):
        raise Refused("VpcEndpointLimitExceeded", "The maximum number of VPC endpoints has been reached.")
    if any(_clashes(point, call) for point in here):
        text = (
            f"private-dns-enabled cannot be set because there is already a conflicting DNS domain in the VPC {vpc.id}"
        )
        raise Refused("InvalidParameter", text)
    for subnet_id in call.params.get("SubnetIds", []):
        subnet = of_kind(backend, "subnet", subnet_id)
        if subnet.vpc_id != vpc.id:
            raise Refused("InvalidSubnetId.NotFound", f"The subnet ID '{subnet_id}' does not exist")
        groups_fit(world, call, call.params.get("SecurityGroupIds", []), subnet)
        if free_addresses(world, call, subnet_id) < 1:
            text = f"The subnet '{subnet_id}' does not have enough free addresses to satisfy the request."
            raise Refused("InsufficientFreeAddressesInSubnet", text)


def _clashes(point: Any, call: Call) -> bool:
    same = point.service_name == call.params["ServiceName"]
    return bool(same and point.private_dns_enabled and call.params.get("PrivateDnsEnabled", True))


@answer("ec2", "CreateVpcEndpoint")
def _create_endpoint(world: "World", call: Call) -> Answer:
    backend = world.backend(call)
    told = world.moto(call, VpcEndpointType=_kind(call))["VpcEndpoint"]
    endpoint = backend.vpc_end_points[told["VpcEndpointId"]]
    endpoint.creation_timestamp = world.clock.now()
    world.of(Lives).all[endpoint.id] = life = Life(endpoint)
    is_interface = _kind(call) == "Interface"
    endpoint.private_dns_enabled = is_interface and call.params.get("PrivateDnsEnabled", True)
    if is_interface:
        endpoint.security_group_ids = _groups(backend, call)
        for interface_id in endpoint.network_interface_ids:
            text = f"VPC Endpoint Interface {endpoint.id}"
            interface = backend.enis[interface_id]
            take_over(backend, interface, kind="vpc_endpoint", description=text, group_ids=endpoint.security_group_ids)
        _enter(world, life, "pending")
    return {"VpcEndpoint": described(world, call, "DescribeVpcEndpoints", endpoint.id)}


def _groups(backend: Any, call: Call) -> list[str]:
    given: list[str] = call.params.get("SecurityGroupIds", [])
    return given or [backend.get_default_security_group(call.params["VpcId"]).id]


@refuse("ec2", "ModifyVpcEndpoint")
def _change_fits(world: "World", call: Call) -> None:
    backend = world.backend(call)
    endpoint = of_kind(backend, "vpce", call.params["VpcEndpointId"])
    if any(name.endswith(("SubnetIds", "SecurityGroupIds")) for name in call.params):
        raise CannotAnswer("an endpoint's subnets and groups stay as they were made")
    _tables_fit(backend, call.params.get("AddRouteTableIds", []), endpoint.vpc_id, endpoint.service_name)
    for table_id in call.params.get("RemoveRouteTableIds", []):
        of_kind(backend, "rtb", table_id)


@amend("ec2", "ModifyVpcEndpoint")
def _routes_follow(world: "World", call: Call, _: Answer) -> None:
    backend = world.backend(call)
    endpoint = backend.vpc_end_points[call.params["VpcEndpointId"]]
    for table_id in call.params.get("AddRouteTableIds", []):
        listed = endpoint.destination_prefix_list_id
        backend.create_route(table_id, None, gateway_id=endpoint.id, destination_prefix_list_id=listed)
    _leave_route_tables(backend, endpoint, call.params.get("RemoveRouteTableIds", []))


@answer("ec2", "DeleteVpcEndpoints")
def _delete_endpoints(world: "World", call: Call) -> Answer:
    backend, failed = world.backend(call), []
    for wanted in call.params["VpcEndpointIds"]:
        endpoint = backend.vpc_end_points.get(wanted)
        if endpoint is None:
            kind = KINDS["vpce"]
            failed.append({"ResourceId": wanted, "Error": {"Code": kind.code, "Message": kind.words.format(wanted)}})
        elif endpoint.state != "deleting":
            _leave_route_tables(backend, endpoint, endpoint.route_table_ids or [])
            _enter(world, world.of(Lives).all.setdefault(wanted, Life(endpoint)), "deleting")
    return {"Unsuccessful": failed}


def _leave_route_tables(backend: Any, endpoint: Any, table_ids: list[str]) -> None:
    for table_id in table_ids:
        routes = backend.route_tables[table_id]._routes
        for key in [key for key, route in routes.items() if route.gateway is endpoint]:
            del routes[key]
    endpoint.route_table_ids = [known for known in endpoint.route_table_ids or [] if known not in table_ids]


def _enter(world: "World", life: Life, state: str) -> None:
    life.endpoint.state = state
    lasts_s = {**LASTS_S, **world.settings.get("endpoint_s", {})}[state]
    life.until_s = world.clock.now_s() + lasts_s


def _settle(world: "World") -> None:
    now_s = world.clock.now_s()
    for life in list(world.of(Lives).all.values()):
        if life.until_s is not None and life.until_s <= now_s:
            life.until_s = None
            _end_state(world, life.endpoint)


def _end_state(world: "World", endpoint: Any) -> None:
    backend = endpoint.ec2_backend
    if endpoint.state == "pending":
        endpoint.state = "available"
        return
    for interface_id in endpoint.network_interface_ids:
        drop_interface(backend, backend.enis[interface_id])
    backend.vpc_end_points.pop(endpoint.id)
    backend.tags.pop(endpoint.id, None)
    world.of(Lives).all.pop(endpoint.id)


DUE.append(_settle)
