"""VPCs and their subnets: what may be made, what must go first, and what a subnet has left.

Codes and words: "Error codes for the Amazon EC2 API", "Delete your VPC", "Subnet sizing" in AWS's documentation; the
words where they are known from AWS's real answers in public bug reports.
"""

import ipaddress
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.worlds.aws import limits, models, rules
from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, answer, refuse
from tests.worlds.aws.rules.lookups import of_kind
from tests.worlds.aws.rules.passing_time import DUE

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

PENDING_S = 3.0
"""How long a new VPC is ``pending``, in the world's seconds; the setting ``vpc_pending_s`` changes it."""


@dataclass
class Birth:
    """A VPC that is ``pending`` until then."""

    vpc: Any
    until_s: float


class Births:
    """All VPCs that are pending."""

    def __init__(self) -> None:
        self.all: list[Birth] = []


class Furnished:
    """Accounts' regions whose default VPC has its internet gateway, which moto leaves out."""

    def __init__(self) -> None:
        self.done: set[tuple[str, str]] = set()


def furnish(world: "World", call: Call) -> None:
    """Give the default VPC its internet gateway and its route to it, as AWS does ("Default VPC components")."""
    done = world.of(Furnished).done
    if (call.account, call.region) in done:
        return
    done.add((call.account, call.region))
    _open(world.backend(call, "ec2"))


def _open(backend: Any) -> None:
    vpc = backend.get_default_vpc()
    gateway = backend.create_internet_gateway()
    backend.attach_internet_gateway(gateway.id, vpc.id)
    backend.create_route(main_table(backend, vpc.id).id, "0.0.0.0/0", gateway_id=gateway.id)


for _operation in models.service_model("ec2").operation_names:
    rules.REFUSALS[f"ec2:{_operation}"].insert(1, furnish)


def main_table(backend: Any, vpc_id: str) -> Any:
    """Return moto's main route table of a VPC."""
    return next(
        table for table in backend.route_tables.values() if table.vpc_id == vpc_id and table.main_association_id
    )


def interfaces_in(backend: Any, *, vpc_id: str = "", subnet_id: str = "") -> list[Any]:
    """Return moto's network interfaces in a VPC or a subnet, whoever has them."""
    return [eni for eni in backend.enis.values() if vpc_id == eni.vpc_id or subnet_id == eni.subnet.id]


def free_addresses(world: "World", call: Call, subnet_id: str) -> int:
    """Return how many addresses a subnet has left: its size, less the five that AWS reserves, less those of interfaces.

    Raises:
        Refused: There is no such subnet.
    """
    return int(of_kind(world.backend(call, "ec2"), "subnet", subnet_id).available_ip_address_count)


def give_address(subnet: Any, interface: Any, wanted: str = "") -> str:
    """Return a free address of a subnet, taken for an interface: the wanted one, or the next."""
    if wanted:
        subnet.request_ip(wanted, interface)
        return wanted
    return str(subnet.get_available_subnet_ip(interface))


def drop_interface(backend: Any, interface: Any) -> None:
    """Take a network interface away, and give its addresses back; one that is gone is passed over."""
    if backend.enis.pop(interface.id, None) is None:
        return
    for address in interface.private_ip_addresses:
        interface.subnet.del_subnet_ip(address["PrivateIpAddress"])
    backend.tags.pop(interface.id, None)


@refuse("ec2", "CreateVpc", "CreateDefaultVpc")
def _no_more_vpcs(world: "World", call: Call) -> None:
    if len(world.backend(call).vpcs) >= limits.limit(world, call.account, call.region, limits.VPCS):
        raise Refused("VpcLimitExceeded", "The maximum number of VPCs has been reached.")


@answer("ec2", "CreateVpc", "CreateSubnet")
def _in_canonical_form(world: "World", call: Call) -> Answer:
    block = call.params.get("CidrBlock")
    return world.moto(call, CidrBlock=str(_network(block))) if block else world.moto(call)


@answer("ec2", "CreateDefaultVpc")
def _default_vpc(world: "World", call: Call) -> Answer:
    # Moto takes subnets of other VPCs for default ones, and then finds no block for its own: they are put aside.
    backend = world.backend(call)
    others, backend.subnets = backend.subnets, defaultdict(dict)
    try:
        told = world.moto(call)
    finally:
        for zone, subnets in others.items():
            backend.subnets[zone].update(subnets)
    _open(backend)
    return told


@amend("ec2", "CreateVpc")
def _is_pending(world: "World", call: Call, told: Answer) -> None:
    vpc = world.backend(call).vpcs[told["Vpc"]["VpcId"]]
    lasts_s = float(world.settings.get("vpc_pending_s", PENDING_S))
    vpc.state = told["Vpc"]["State"] = "pending"
    world.of(Births).all.append(Birth(vpc, world.clock.now_s() + lasts_s))


def _settle(world: "World") -> None:
    births, now_s = world.of(Births), world.clock.now_s()
    for birth in births.all:
        if birth.until_s <= now_s:
            birth.vpc.state = "available"
    births.all = [birth for birth in births.all if birth.until_s > now_s]


DUE.append(_settle)


@refuse("ec2", "ModifyVpcAttribute")
def _one_attribute(world: "World", call: Call) -> None:
    if "EnableDnsSupport" in call.params and "EnableDnsHostnames" in call.params:
        text = "Fields for multiple attribute types specified: enableDnsHostnames, enableDnsSupport"
        raise Refused("InvalidParameterCombination", text)


@refuse("ec2", "DeleteVpc")
def _vpc_is_empty(world: "World", call: Call) -> None:
    backend = world.backend(call)
    vpc = of_kind(backend, "vpc", call.params["VpcId"])
    if any(holds(backend, vpc.id) for holds in _HOLD_A_VPC):
        raise Refused("DependencyViolation", f"The vpc '{vpc.id}' has dependencies and cannot be deleted.")


_HOLD_A_VPC = (
    lambda backend, vpc_id: any(subnet.vpc_id == vpc_id for subnet in backend.describe_subnets()),
    lambda backend, vpc_id: any(gate.vpc and gate.vpc.id == vpc_id for gate in backend.internet_gateways.values()),
    lambda backend, vpc_id: any(gate.vpc_id == vpc_id for gate in backend.egress_only_internet_gateways.values()),
    lambda backend, vpc_id: bool(interfaces_in(backend, vpc_id=vpc_id)),
    lambda backend, vpc_id: any(not group.is_default for group in backend.groups[vpc_id].values()),
    lambda backend, vpc_id: any(
        table.vpc_id == vpc_id and not table.main_association_id for table in backend.route_tables.values()
    ),
    lambda backend, vpc_id: any(acl.vpc_id == vpc_id and not acl.default for acl in backend.network_acls.values()),
    # Unconfirmed: AWS says "all gateways and resources that are associated with the VPC" must go first.
    lambda backend, vpc_id: any(point.vpc_id == vpc_id for point in backend.vpc_end_points.values()),
)
"""What keeps a VPC from being deleted: all but its default group, main route table and default network ACL."""


@amend("ec2", "DeleteVpc")
def _its_own_parts_go_too(world: "World", call: Call, _: Answer) -> None:
    backend, vpc_id = world.backend(call), call.params["VpcId"]
    for acl in [acl for acl in backend.network_acls.values() if acl.vpc_id == vpc_id]:
        del backend.network_acls[acl.id]
    backend.tags.pop(vpc_id, None)


@refuse("ec2", "CreateSubnet")
def _subnet_fits(world: "World", call: Call) -> None:
    backend = world.backend(call)
    vpc = of_kind(backend, "vpc", call.params["VpcId"])
    block = call.params.get("CidrBlock")
    if block and not 16 <= _network(block).prefixlen <= 28:
        raise Refused("InvalidSubnet.Range", f"The CIDR '{block}' is invalid.")
    zones = {zone.name: zone.zone_id for zone in backend.describe_availability_zones()}
    for member, known in (("AvailabilityZone", list(zones)), ("AvailabilityZoneId", list(zones.values()))):
        if call.params.get(member, known[0]) not in known:
            name = member[0].lower() + member[1:]
            text = f"Value ({call.params[member]}) for parameter {name} is invalid."
            told = f"Subnets can currently only be created in the following availability zones: {', '.join(zones)}."
            raise Refused("InvalidParameterValue", f"{text} {told}")
    held = sum(subnet.vpc_id == vpc.id for subnet in backend.describe_subnets())
    if held >= limits.limit(world, call.account, call.region, limits.SUBNETS_PER_VPC):
        raise Refused("SubnetLimitExceeded", "The maximum number of subnets has been reached.")


def _network(block: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(block, strict=False)
    except ValueError as error:
        text = f"Value ({block}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        raise Refused("InvalidParameterValue", text) from error


@amend("ec2", "CreateSubnet")
def _is_no_default(world: "World", call: Call, told: Answer) -> None:
    # Moto takes the first subnet of a zone for the default one, whatever VPC it is in.
    subnet = of_kind(world.backend(call), "subnet", told["Subnet"]["SubnetId"])
    subnet.default_for_az = subnet.map_public_ip_on_launch = False
    told["Subnet"] |= {"DefaultForAz": False, "MapPublicIpOnLaunch": False}


@refuse("ec2", "DeleteSubnet")
def _subnet_is_empty(world: "World", call: Call) -> None:
    backend = world.backend(call)
    subnet = of_kind(backend, "subnet", call.params["SubnetId"])
    if interfaces_in(backend, subnet_id=subnet.id):
        raise Refused("DependencyViolation", f"The subnet '{subnet.id}' has dependencies and cannot be deleted.")


@amend("ec2", "DeleteSubnet")
def _its_associations_go_too(world: "World", call: Call, _: Answer) -> None:
    # Moto keeps them, and then refuses to delete the route table.
    backend, subnet_id = world.backend(call), call.params["SubnetId"]
    for table in backend.route_tables.values():
        for association in [key for key, target in table._associations.items() if target == subnet_id]:
            del table._associations[association]
    for acl in backend.network_acls.values():
        for association in [key for key, link in acl._associations.items() if link.subnet_id == subnet_id]:
            del acl._associations[association]
    backend.tags.pop(subnet_id, None)
