"""The network of a launch: its subnet, its groups, its interfaces on their cards, and their addresses.

Facts: "RunInstances" and "Elastic network interfaces" in AWS's documentation; what a type can have is its NetworkInfo.
The codes for an EFA on a type without one, and for a zone that is not the subnet's, are written nowhere: they are the
nearest that EC2 has.
"""

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.ec2.utils import random_public_ip

from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.rules import amend, instance_states
from tests.worlds.aws.rules.instance_documents import card_of, elastic_of
from tests.worlds.aws.rules.interfaces import groups_fit
from tests.worlds.aws.rules.lookups import of_kind
from tests.worlds.aws.rules.networks import drop_interface, give_address

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

TYPES = ("interface", "efa", "efa-only")


@dataclass(frozen=True)
class Interface:
    """An interface that each instance of a launch gets. ``existing`` is moto's, where it is there already."""

    device: int
    card: int
    type: str
    subnet: Any
    groups: tuple[str, ...]
    address: str = ""
    is_public: bool = False
    is_deleted_with_instance: bool = True
    description: str = ""
    existing: Any = None


def interfaces(world: "World", call: Call, asked: dict[str, Any], kind: Answer) -> list[Interface]:
    """Return the interfaces that a launch asks for, the primary one first.

    Args:
        world: The world.
        call: The launch.
        asked: Its parameters, together with those of its template.
        kind: Its type, as DescribeInstanceTypes tells it.

    Raises:
        Refused: Something named is not there, or they do not go together, or the type cannot have them.
    """
    _check_combination(asked)
    store = world.backend(call)
    listed = asked.get("NetworkInterfaces") or [_from_instance_level(asked)]
    found = [_interface(store, asked, one, is_alone=len(listed) == 1) for one in listed]
    found.sort(key=lambda one: (one.card, one.device))
    for one in found:
        groups_fit(world, call, list(one.groups), one.subnet)
    _check_cards(found, kind)
    zones = {one.subnet.availability_zone for one in found}
    wanted = (asked.get("Placement") or {}).get("AvailabilityZone")
    if len(zones | ({wanted} if wanted else set())) > 1:
        text = f"The availability zone {wanted or ''} and the subnet {found[0].subnet.id} do not go together."
        raise Refused("InvalidParameterValue", text)
    return found


def _check_combination(asked: dict[str, Any]) -> None:
    text = "Network interfaces and an instance-level {} may not be specified on the same request"
    for member, words in (
        ("SubnetId", "subnet ID"),
        ("SecurityGroupIds", "security groups"),
        ("SecurityGroups", "security groups"),
        ("PrivateIpAddress", "private address"),
    ):
        if asked.get("NetworkInterfaces") and asked.get(member):
            raise Refused("InvalidParameterCombination", text.format(words))
    if asked.get("SecurityGroups") and asked.get("SubnetId"):
        raise Refused("InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet")
    listed = asked.get("NetworkInterfaces") or []
    if len(listed) > 1 and any(one.get("AssociatePublicIpAddress") is not None for one in listed):
        text = "The associatePublicIPAddress parameter cannot be specified when launching with "
        raise Refused("InvalidParameterCombination", f"{text}multiple network interfaces.")


def _from_instance_level(asked: dict[str, Any]) -> dict[str, Any]:
    given = {
        "SubnetId": asked.get("SubnetId"),
        "Groups": asked.get("SecurityGroupIds"),
        "GroupNames": asked.get("SecurityGroups"),
        "PrivateIpAddress": asked.get("PrivateIpAddress"),
        "Description": "",
        "DeviceIndex": 0,
    }
    return {name: value for name, value in given.items() if value is not None}


def _interface(store: Any, asked: dict[str, Any], one: dict[str, Any], *, is_alone: bool) -> Interface:
    for member in ("Ipv6Addresses", "Ipv6AddressCount", "SecondaryPrivateIpAddressCount", "Ipv4PrefixCount"):
        if one.get(member):
            raise CannotAnswer(f"a launch with {member}")
    if one.get("NetworkInterfaceId"):
        return _existing(store, one)
    if one.get("DeviceIndex") is None:
        raise Refused("MissingParameter", "Each network interface requires a device index.")
    subnet = _subnet(store, asked, one.get("SubnetId"))
    is_public = one.get("AssociatePublicIpAddress")
    return Interface(
        device=int(one["DeviceIndex"]),
        card=int(one.get("NetworkCardIndex") or 0),
        type=one.get("InterfaceType") or "interface",
        subnet=subnet,
        groups=_groups(store, one, subnet),
        address=_address(one),
        is_public=is_alone and bool(subnet.map_public_ip_on_launch if is_public is None else is_public),
        is_deleted_with_instance=one.get("DeleteOnTermination") is not False,
        description=one.get("Description") or "",
    )


def _existing(store: Any, one: dict[str, Any]) -> Interface:
    nic = of_kind(store, "eni", one["NetworkInterfaceId"])
    if nic.instance is not None or nic.status == "in-use":
        raise Refused("InvalidNetworkInterface.InUse", f"Interface: [{nic.id}] in use.")
    return Interface(
        device=int(one.get("DeviceIndex") or 0),
        card=int(one.get("NetworkCardIndex") or 0),
        type=nic.interface_type,
        subnet=nic.subnet,
        groups=tuple(group.id for group in nic.group_set),
        address=nic.private_ip_address,
        is_deleted_with_instance=bool(one.get("DeleteOnTermination")),
        existing=nic,
    )


def _address(one: dict[str, Any]) -> str:
    listed = one.get("PrivateIpAddresses") or []
    if len(listed) > 1:
        raise CannotAnswer("a launch with secondary private addresses")
    return str(one.get("PrivateIpAddress") or (listed[0]["PrivateIpAddress"] if listed else ""))


def _subnet(store: Any, asked: dict[str, Any], wanted: str | None) -> Any:
    if wanted:
        return of_kind(store, "subnet", wanted)
    zone = (asked.get("Placement") or {}).get("AvailabilityZone")
    usual = {subnet.availability_zone: subnet for subnet in store.describe_subnets() if subnet.default_for_az}
    if not usual:
        raise Refused(
            "VPCIdNotSpecified",
            "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.",
        )
    if zone and zone not in usual:
        raise Refused("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
    return usual[zone or min(usual)]


def _groups(store: Any, one: dict[str, Any], subnet: Any) -> tuple[str, ...]:
    named = [store.get_security_group_from_name(name, subnet.vpc_id) for name in one.get("GroupNames") or []]
    for name, group in zip(one.get("GroupNames") or [], named, strict=True):
        if group is None:
            text = f"The security group '{name}' does not exist in VPC '{subnet.vpc_id}'"
            raise Refused("InvalidGroup.NotFound", text)
    for wanted in one.get("Groups") or []:
        if not wanted.startswith("sg-"):
            raise Refused("InvalidGroupId.Malformed", f'Invalid id: "{wanted}" (expecting "sg-...")')
        named.append(of_kind(store, "sg", wanted))
    found = named or [store.get_default_security_group(subnet.vpc_id)]
    return tuple(dict.fromkeys(group.id for group in found))


def _check_cards(found: list[Interface], kind: Answer) -> None:
    network, name = kind["NetworkInfo"], kind["InstanceType"]
    if [one.device for one in found if one.card == 0].count(0) != 1:
        raise Refused(
            "InvalidParameterCombination", "Exactly one network interface must have the device index 0 on card 0."
        )
    if len({(one.card, one.device) for one in found}) < len(found):
        raise Refused("InvalidParameterValue", "Two network interfaces may not have the same device index on a card.")
    if len(found) > network["MaximumNetworkInterfaces"]:
        raise Refused("AttachmentLimitExceeded", f"Interface count {len(found)} exceeds the limit for {name}")
    cards = {card["NetworkCardIndex"]: card for card in network["NetworkCards"]}
    for one in found:
        _check_card(one, cards.get(one.card), name)
        on_card = [other for other in found if other.card == one.card]
        if len(on_card) > cards[one.card]["MaximumNetworkInterfaces"]:
            text = f"Interface count {len(on_card)} exceeds the limit for {name} on network card {one.card}"
            raise Refused("AttachmentLimitExceeded", text)
    adapters = [one for one in found if one.type != "interface"]
    most = network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0)
    if len(adapters) > most:
        text = f"{name} supports at most {most} Elastic Fabric Adapters."
        raise Refused("AttachmentLimitExceeded" if most else "InvalidParameterCombination", text)


def _check_card(one: Interface, card: Answer | None, name: str) -> None:
    if one.type not in TYPES:
        raise Refused("InvalidParameterValue", f"Value ({one.type}) for parameter interfaceType is invalid.")
    if card is None:
        raise Refused("InvalidParameterValue", f"{name} has no network card {one.card}.")
    if one.type == "efa-only" and (one.card, one.device) == (0, 0):
        raise Refused("InvalidParameterCombination", "An EFA-only interface cannot be the primary network interface.")
    if one.type == "interface" and one.card > 0 and one.device == 0:
        raise Refused("InvalidParameterCombination", "Device index 0 is on network card 0 only.")


def check_addresses(found: list[Interface], count: int) -> None:
    """Refuse a launch for which a subnet has not enough addresses, or not the one that is asked for."""
    wanted = [one for one in found if one.address]
    if wanted and count > 1:
        text = "The parameter privateIpAddress cannot be specified when launching more than one instance"
        raise Refused("InvalidParameterCombination", text)
    for one in wanted:
        if one.existing is None:
            _check_address(one)
    for subnet in {one.subnet.id: one.subnet for one in found}.values():
        needed = count * sum(1 for one in found if one.subnet is subnet and one.existing is None)
        if needed > subnet.available_ip_address_count:
            text = f"There are not enough free addresses in subnet '{subnet.id}' to satisfy the requested number of"
            raise Refused("InsufficientFreeAddressesInSubnet", f"{text} instances.")


def _check_address(one: Interface) -> None:
    if ipaddress.ip_address(one.address) not in one.subnet.cidr:
        raise Refused("InvalidParameterValue", "Address does not fall within the subnet's address range")
    if one.address in one.subnet._subnet_ips:
        raise Refused("InvalidIPAddress.InUse", f"Address {one.address} is in use.")


def attach(world: "World", instance: Any, found: list[Interface], tags: dict[str, str]) -> None:
    """Give an instance its interfaces, with these tags where they are new."""
    for one in found:
        nic = one.existing or _made(instance, one, tags)
        nic.network_card_index = one.card
        nic.delete_on_termination = one.is_deleted_with_instance
        instance.attach_eni(nic, one.device)
        nic.attach_time = world.clock.now()


def _made(instance: Any, one: Interface, tags: dict[str, str]) -> Any:
    address = give_address(one.subnet, instance, one.address)
    nic = instance.ec2_backend.create_network_interface(
        one.subnet,
        address,
        private_ip_addresses=[{"Primary": True, "PrivateIpAddress": address}],
        group_ids=list(one.groups),
        description=one.description,
        tags=tags,
    )
    nic.interface_type = one.type
    nic.public_ip_auto_assign = one.is_public
    nic.public_ip = random_public_ip() if one.is_public else None
    return nic


def lose_public_address(instance: Any) -> None:
    """Take an address of AWS's pool away, as a stop does; an elastic one stays."""
    for nic in instance.nics.values():
        if nic.public_ip and not elastic_of(nic):
            nic.public_ip = None


def find_public_address(instance: Any) -> None:
    """Give a new address of AWS's pool, as a start does where the launch had one."""
    for nic in instance.nics.values():
        if nic.public_ip_auto_assign and not nic.public_ip:
            nic.public_ip = random_public_ip()


def _take_away(_: "World", instance: Any) -> None:
    for nic in list(instance.nics.values()):
        elastic = elastic_of(nic)
        if elastic is not None:
            elastic.instance = elastic.eni = elastic.association_id = None
        nic.public_ip = None
        instance.detach_eni(nic)
        if nic.delete_on_termination:
            drop_interface(instance.ec2_backend, nic)


@amend("ec2", "DescribeNetworkInterfaces")
def tell_the_card(world: "World", call: Call, document: Answer) -> None:
    """Moto tells card 0 of every interface, and of every public address that it is the account's."""
    for told in document["NetworkInterfaces"]:
        nic = world.backend(call).enis.get(told["NetworkInterfaceId"])
        if nic is None or nic.instance is None:
            continue
        told["Attachment"]["NetworkCardIndex"] = card_of(nic)
        if nic.public_ip and not elastic_of(nic):
            told["Association"]["IpOwnerId"] = "amazon"


instance_states.ENDED.append(_take_away)
