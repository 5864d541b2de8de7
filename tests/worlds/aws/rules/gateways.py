"""Internet gateways and NAT gateways: who may attach what, and the life of a NAT gateway by the world's clock.

``pending`` -> ``available`` -> ``deleting`` -> ``deleted`` -> gone, or ``pending`` -> ``failed`` -> gone. What is wrong
with an address or a network is no refusal: the gateway is made and fails ("Troubleshoot NAT gateways"). Its interface
and its address are held until it is ``deleted``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.worlds.aws import limits
from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, answer, refuse
from tests.worlds.aws.rules.describing import described
from tests.worlds.aws.rules.interfaces import take_over
from tests.worlds.aws.rules.lookups import of_kind
from tests.worlds.aws.rules.networks import drop_interface, free_addresses, interfaces_in
from tests.worlds.aws.rules.passing_time import DUE

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

LASTS_S = {"pending": 90.0, "deleting": 60.0, "deleted": 3600.0, "failed": 3600.0}
"""Seconds of each state that ends by itself; the world's setting ``nat_s`` (seconds by state) changes them. Measured by
nobody here: AWS speaks of about an hour for those that are over, and users of one to two minutes for the others."""


@dataclass
class Life:
    """Where a NAT gateway is in its life. ``failure`` is the code and the words with which it is going to fail."""

    gateway: Any
    until_s: float | None
    failure: tuple[str, str] | None = None


class Lives:
    """All NAT gateways that are still listed, by id."""

    def __init__(self) -> None:
        self.all: dict[str, Life] = {}


def internet_gateway_of(backend: Any, vpc_id: str) -> Any:
    """Return moto's internet gateway that is attached to a VPC, or None."""
    return next((gate for gate in backend.internet_gateways.values() if gate.vpc and gate.vpc.id == vpc_id), None)


@refuse("ec2", "CreateInternetGateway")
def _no_more_gateways(world: "World", call: Call) -> None:
    most = limits.limit(world, call.account, call.region, limits.INTERNET_GATEWAYS)
    if len(world.backend(call).internet_gateways) >= most:
        raise Refused("InternetGatewayLimitExceeded", "The maximum number of internet gateways has been reached.")


@refuse("ec2", "AttachInternetGateway")
def _one_for_each_vpc(world: "World", call: Call) -> None:
    backend = world.backend(call)
    gateway = of_kind(backend, "igw", call.params["InternetGatewayId"])
    vpc = of_kind(backend, "vpc", call.params["VpcId"])
    if gateway.vpc:
        text = f"resource {gateway.id} is already attached to network {gateway.vpc.id}"
        raise Refused("Resource.AlreadyAssociated", text)
    if internet_gateway_of(backend, vpc.id):
        raise Refused("InvalidParameterValue", f"Network {vpc.id} already has an internet gateway attached")


@refuse("ec2", "DetachInternetGateway")
def _nobody_is_reached_by_it(world: "World", call: Call) -> None:
    backend = world.backend(call)
    gateway = of_kind(backend, "igw", call.params["InternetGatewayId"])
    vpc = of_kind(backend, "vpc", call.params["VpcId"])
    attached = gateway.vpc and gateway.vpc.id == vpc.id
    if attached and any(interface.public_ip for interface in interfaces_in(backend, vpc_id=vpc.id)):
        text = f"Network {vpc.id} has some mapped public address(es)."
        told = "Please unmap those public address(es) before detaching the gateway."
        raise Refused("DependencyViolation", f"{text} {told}")


@refuse("ec2", "DeleteInternetGateway")
def _gateway_is_detached(world: "World", call: Call) -> None:
    gateway = of_kind(world.backend(call), "igw", call.params["InternetGatewayId"])
    if gateway.vpc:
        text = f"The internetGateway '{gateway.id}' has dependencies and cannot be deleted."
        raise Refused("DependencyViolation", text)


@amend("ec2", "DeleteInternetGateway")
def _tags_go_too(world: "World", call: Call, _: Answer) -> None:
    world.backend(call).tags.pop(call.params["InternetGatewayId"], None)


@refuse("ec2", "CreateNatGateway")
def _nat_can_be_asked_for(world: "World", call: Call) -> None:
    backend = world.backend(call)
    subnet = of_kind(backend, "subnet", call.params.get("SubnetId", ""))
    allocation = call.params.get("AllocationId")
    if _is_public(call) and not allocation:
        raise Refused("MissingParameter", "The request must contain the parameter AllocationId")
    if not _is_public(call) and allocation:
        raise Refused("InvalidParameterCombination", "AllocationId cannot be used with a private NAT gateway")
    if allocation:
        of_kind(backend, "eipalloc", allocation)
    zone = subnet.availability_zone
    held = [gate for gate in backend.nat_gateways.values() if gate.state in ("pending", "available", "deleting")]
    here = [gate for gate in held if of_kind(backend, "subnet", gate.subnet_id).availability_zone == zone]
    if len(here) >= limits.limit(world, call.account, call.region, limits.NAT_GATEWAYS_PER_ZONE):
        raise Refused("NatGatewayLimitExceeded", "The maximum number of NAT gateways has been reached.")


def _is_public(call: Call) -> bool:
    return bool(call.params.get("ConnectivityType", "public") == "public")


@answer("ec2", "CreateNatGateway")
def _create_nat(world: "World", call: Call) -> Answer:
    backend = world.backend(call)
    failure = _failure(world, call)
    told = world.moto(call, **({"AllocationId": None} if failure else {}))["NatGateway"]
    gateway = backend.nat_gateways[told["NatGatewayId"]]
    gateway.state, gateway.connectivity_type = "pending", "public" if _is_public(call) else "private"
    gateway._created_at = world.clock.now()
    if failure:
        backend.enis.pop(gateway._eni.id)
        gateway.address_set = [{"allocationId": call.params["AllocationId"]}] if _is_public(call) else []
    else:
        text = f"Interface for NAT Gateway {gateway.id}"
        take_over(backend, gateway._eni, kind="nat_gateway", description=text, group_ids=[])
        gateway.address_set[0]["privateIp"] = gateway._eni.private_ip_address
    world.of(Lives).all[gateway.id] = life = Life(gateway, None, failure)
    _enter(world, life, "pending", world.clock.now_s())
    return {"NatGateway": described(world, call, "DescribeNatGateways", gateway.id)}


def _failure(world: "World", call: Call) -> tuple[str, str] | None:
    backend = world.backend(call)
    subnet = of_kind(backend, "subnet", call.params["SubnetId"])
    if free_addresses(world, call, subnet.id) < 1:
        text = "Subnet has insufficient free addresses to create this NAT gateway"
        return "InsufficientFreeAddressesInSubnet", text
    if not _is_public(call):
        return None
    if not internet_gateway_of(backend, subnet.vpc_id):
        return "Gateway.NotAttached", f"Network {subnet.vpc_id} has no Internet gateway attached"
    address = of_kind(backend, "eipalloc", call.params["AllocationId"])
    if address.eni:
        return "Resource.AlreadyAssociated", f"Elastic IP address [{address.id}] is already associated"
    return None


@refuse("ec2", "DeleteNatGateway")
def _nat_is_there(world: "World", call: Call) -> None:
    of_kind(world.backend(call), "nat", call.params["NatGatewayId"])


@answer("ec2", "DeleteNatGateway")
def _delete_nat(world: "World", call: Call) -> Answer:
    gateway = world.backend(call).nat_gateways[call.params["NatGatewayId"]]
    # One that CloudFormation made has had no life here yet.
    life = world.of(Lives).all.setdefault(gateway.id, Life(gateway, None))
    if life.gateway.state in ("pending", "available"):
        life.failure = None
        _enter(world, life, "deleting", world.clock.now_s())
    return {"NatGatewayId": life.gateway.id}


def _settle(world: "World") -> None:
    now_s = world.clock.now_s()
    for life in list(world.of(Lives).all.values()):
        while life.until_s is not None and life.until_s <= now_s:
            _enter(world, life, _next(life), life.until_s)


def _next(life: Life) -> str:
    if life.gateway.state == "pending":
        return "failed" if life.failure else "available"
    return {"deleting": "deleted"}.get(life.gateway.state, "gone")


def _enter(world: "World", life: Life, state: str, at_s: float) -> None:
    gateway, backend = life.gateway, life.gateway.ec2_backend
    life.until_s = None
    if state == "gone":
        backend.nat_gateways.pop(gateway.id)
        backend.tags.pop(gateway.id, None)
        world.of(Lives).all.pop(gateway.id)
        return
    gateway.state = state
    lasts_s = {**LASTS_S, **world.settings.get("nat_s", {})}.get(state)
    life.until_s = None if lasts_s is None else at_s + lasts_s
    if state == "failed":
        gateway.failure_code, gateway.failure_message = life.failure or ("", "")
    if state in ("deleting", "failed"):
        gateway.delete_time = world.clock.now()
    if state == "deleted":
        _let_go(backend, gateway)


def _let_go(backend: Any, gateway: Any) -> None:
    for address in backend.addresses:
        if address.eni is gateway._eni:
            address.eni = address.instance = address.association_id = None
    drop_interface(backend, gateway._eni)


DUE.append(_settle)
