"""Network interfaces: an address out of their subnet, groups out of their VPC, and who holds them.

Moto draws their addresses by lot, makes groups up that it does not know, and deletes interfaces in use.
Codes and words: "Error codes for the Amazon EC2 API"; those of groups and of what is in use as in public bug reports.
"""

import ipaddress
from typing import TYPE_CHECKING, Any

from moto.ec2.utils import generate_dns_from_ip

from tests.worlds.aws import limits
from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import answer, refuse
from tests.worlds.aws.rules.describing import described
from tests.worlds.aws.rules.lookups import of_kind
from tests.worlds.aws.rules.networks import drop_interface, free_addresses, give_address

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


def groups_fit(world: "World", call: Call, group_ids: list[str], subnet: Any) -> None:
    """Look at the groups that something in a subnet is to have.

    Raises:
        Refused: One is not there, is of another VPC, or they are too many.
    """
    for group_id in group_ids:
        group = of_kind(world.backend(call, "ec2"), "sg", group_id)
        if group.vpc_id != subnet.vpc_id:
            text = f"Security group {group_id} and subnet {subnet.id} belong to different networks."
            raise Refused("InvalidParameter", text)
    if len(group_ids) > limits.limit(world, call.account, call.region, limits.GROUPS_PER_INTERFACE):
        text = "The maximum number of security groups per interface has been reached."
        raise Refused("SecurityGroupsPerInterfaceLimitExceeded", text)


def is_held(world: "World", call: Call, interface: Any) -> bool:
    """Tell whether something has a network interface: an instance, a gateway, an endpoint, a mount target."""
    mounts = world.backend(call, "efs").mount_targets_by_id.values()
    return bool(
        interface.attachment_id
        or interface.requester_managed
        or any(mount.network_interface_id == interface.id for mount in mounts)
    )


def take_over(backend: Any, interface: Any, *, kind: str, description: str, group_ids: list[str]) -> None:
    """Make an interface that moto made for a gateway or an endpoint look like AWS's: it is AWS's own, with an address
    of the subnet and the groups of these ids."""
    _be_at(interface, [give_address(interface.subnet, interface)])
    interface._group_set = [of_kind(backend, "sg", group_id) for group_id in group_ids]
    interface.interface_type, interface.description = kind, description
    interface.requester_managed, interface.status = True, "in-use"
    interface.source_dest_check = kind != "nat_gateway"


def _be_at(interface: Any, addresses: list[str], first: str = "") -> None:
    interface.private_ip_address = primary = first or addresses[0]
    interface.private_ip_addresses = [
        {"Primary": address == primary, "PrivateIpAddress": address} for address in addresses
    ]
    if getattr(interface, "private_dns_name", None):
        interface.private_dns_name = generate_dns_from_ip(primary)


@refuse("ec2", "CreateNetworkInterface")
def _interface_fits(world: "World", call: Call) -> None:
    backend = world.backend(call)
    subnet = of_kind(backend, "subnet", call.params["SubnetId"])
    groups_fit(world, call, call.params.get("Groups", []), subnet)
    wanted = _wanted(call)
    for address in wanted:
        if ipaddress.IPv4Address(address) not in subnet.cidr:
            raise Refused("InvalidParameterValue", "Address does not fall within the subnet's address range")
        if _is_reserved(subnet, address):
            raise Refused("InvalidParameterValue", "Address is in subnet's reserved address range")
        if address in _taken(backend, subnet):
            raise Refused("InvalidIPAddress.InUse", f"Address {address} is in use.")
    if free_addresses(world, call, subnet.id) < _count(call):
        text = "The specified subnet does not have enough free addresses to satisfy the request."
        raise Refused("InsufficientFreeAddressesInSubnet", text)


def _wanted(call: Call) -> list[str]:
    listed = [told["PrivateIpAddress"] for told in call.params.get("PrivateIpAddresses", [])]
    primary = call.params.get("PrivateIpAddress")
    return list(dict.fromkeys([*([primary] if primary else []), *listed]))


def _count(call: Call) -> int:
    return max(1, len(_wanted(call))) + int(call.params.get("SecondaryPrivateIpAddressCount", 0))


def _is_reserved(subnet: Any, address: str) -> bool:
    number, last = int(ipaddress.IPv4Address(address)) - int(subnet.cidr.network_address), subnet.cidr.num_addresses - 1
    return number < 4 or number == last


def _taken(backend: Any, subnet: Any) -> set[str]:
    here = [eni for eni in backend.enis.values() if eni.subnet.id == subnet.id]
    return {told["PrivateIpAddress"] for eni in here for told in eni.private_ip_addresses}


@answer("ec2", "CreateNetworkInterface")
def _with_addresses(world: "World", call: Call) -> Answer:
    told = world.moto(call, SecondaryPrivateIpAddressCount=None, PrivateIpAddresses=None)["NetworkInterface"]
    interface = world.backend(call).enis[told["NetworkInterfaceId"]]
    wanted = _wanted(call)
    wanted += [""] * (_count(call) - len(wanted))
    given = [give_address(interface.subnet, interface, address) for address in wanted]
    first = next(
        (told["PrivateIpAddress"] for told in call.params.get("PrivateIpAddresses", []) if told.get("Primary")), ""
    )
    _be_at(interface, given, first)
    return {
        "NetworkInterface": {**described(world, call, "DescribeNetworkInterfaces", interface.id), "Status": "pending"}
    }


@refuse("ec2", "DeleteNetworkInterface")
def _interface_is_free(world: "World", call: Call) -> None:
    interface = of_kind(world.backend(call), "eni", call.params["NetworkInterfaceId"])
    if is_held(world, call, interface):
        raise Refused("InvalidParameterValue", f"Network interface '{interface.id}' is currently in use.")


@answer("ec2", "DeleteNetworkInterface")
def _delete_interface(world: "World", call: Call) -> Answer:
    backend = world.backend(call)
    interface = backend.enis[call.params["NetworkInterfaceId"]]
    for address in backend.addresses:
        if address.eni is interface:
            backend.disassociate_address(address=address.public_ip)
    drop_interface(backend, interface)
    return {}


@refuse("ec2", "AttachNetworkInterface")
def _interface_is_not_attached(world: "World", call: Call) -> None:
    interface = of_kind(world.backend(call), "eni", call.params["NetworkInterfaceId"])
    if is_held(world, call, interface):
        raise Refused("InvalidNetworkInterface.InUse", f"Interface: [{interface.id}] in use.")


@refuse("ec2", "ModifyNetworkInterfaceAttribute")
def _new_groups_fit(world: "World", call: Call) -> None:
    interface = of_kind(world.backend(call), "eni", call.params["NetworkInterfaceId"])
    groups_fit(world, call, call.params.get("Groups", []), interface.subnet)
