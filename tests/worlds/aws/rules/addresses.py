"""Elastic IP addresses: how many, whose, and who holds one.

An address on a NAT gateway's interface is refused with ``AuthFailure`` (public bug reports of ReleaseAddress while a
NAT gateway is being deleted); any other in use with ``InvalidIPAddress.InUse`` ("ReleaseAddress").
"""

from typing import TYPE_CHECKING, Any

from tests.worlds.aws import limits
from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, answer, refuse
from tests.worlds.aws.rules.describing import MENDS
from tests.worlds.aws.rules.gateways import internet_gateway_of
from tests.worlds.aws.rules.lookups import of_kind

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_NOT_YOURS = ("AuthFailure", "You do not have permission to access the specified resource.")


@refuse("ec2", "AllocateAddress")
def _no_more_addresses(world: "World", call: Call) -> None:
    most = limits.limit(world, call.account, call.region, limits.ELASTIC_ADDRESSES)
    if len(world.backend(call).addresses) >= most:
        raise Refused("AddressLimitExceeded", "The maximum number of addresses has been reached.")


@amend("ec2", "AllocateAddress")
def _where_from(world: "World", call: Call, told: Answer) -> None:
    _with_pool(world, call, told)


def _with_pool(_: "World", call: Call, told: Answer) -> Answer:
    told.update(PublicIpv4Pool="amazon", NetworkBorderGroup=call.region)
    if not told.get("InstanceId"):
        told.pop("InstanceId", None)  # moto tells an empty one
    return told


MENDS["DescribeAddresses"] = _with_pool


def _address(world: "World", call: Call) -> Any:
    backend = world.backend(call)
    if "AllocationId" in call.params:
        return of_kind(backend, "eipalloc", call.params["AllocationId"])
    wanted, told = call.params.get("PublicIp", ""), call.params.get("AssociationId", "")
    for address in backend.addresses:
        if address.public_ip == wanted or (told and address.association_id == told):
            return address
    if told:
        raise Refused("InvalidAssociationID.NotFound", f"The association ID '{told}' does not exist")
    raise Refused("InvalidAddress.NotFound", f"Address '{wanted}' not found.")


def _is_aws_own(address: Any) -> bool:
    return bool(address.eni and address.eni.requester_managed)


@refuse("ec2", "ReleaseAddress")
def _address_is_free(world: "World", call: Call) -> None:
    address = _address(world, call)
    if _is_aws_own(address):
        raise Refused(*_NOT_YOURS)
    if address.eni:
        raise Refused("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")


@amend("ec2", "ReleaseAddress")
def _tags_go_too(world: "World", call: Call, _: Answer) -> None:
    world.backend(call).tags.pop(call.params.get("AllocationId", ""), None)


@refuse("ec2", "DisassociateAddress")
def _address_is_yours(world: "World", call: Call) -> None:
    if _is_aws_own(_address(world, call)):
        raise Refused(*_NOT_YOURS)


@refuse("ec2", "AssociateAddress")
def _address_can_be_taken(world: "World", call: Call) -> None:
    address, interface = _address(world, call), _target(world, call)
    if _is_aws_own(address) or interface.requester_managed:
        raise Refused(*_NOT_YOURS)
    if not internet_gateway_of(world.backend(call), interface.vpc_id):
        text = f"Network {interface.vpc_id} is not attached to any internet gateway"
        raise Refused("Gateway.NotAttached", text)
    if call.params.get("AllowReassociation") is False and address.eni not in (None, interface):
        text = f"resource {address.id} is already associated with associate-id {address.association_id}"
        raise Refused("Resource.AlreadyAssociated", text)


def _target(world: "World", call: Call) -> Any:
    backend = world.backend(call)
    if "NetworkInterfaceId" in call.params:
        return of_kind(backend, "eni", call.params["NetworkInterfaceId"])
    instance = of_kind(backend, "i", call.params.get("InstanceId", ""))
    if instance.state not in ("running", "stopping", "stopped"):
        text = f"The {instance.state} instance '{instance.id}' is not in a valid state for this operation."
        raise Refused("InvalidInstanceID", text)
    return instance.nics[0]


@answer("ec2", "AssociateAddress")
def _associate(world: "World", call: Call) -> Answer:
    # In a VPC, an address moves to its new place by itself, and the one that was there before goes.
    backend, address, interface = world.backend(call), _address(world, call), _target(world, call)
    if address.eni is not interface:
        for other in [address, *backend.addresses]:
            if other is address or other.eni is interface:
                backend.disassociate_address(address=other.public_ip)
    return world.moto(call, AllowReassociation=True)
