"""What EC2 has, by id; and the code with which it says that there is no such thing.

Codes: "Error codes for the Amazon EC2 API" in AWS's documentation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE

from tests.worlds.aws.call import CannotAnswer, Refused


@dataclass(frozen=True)
class Kind:
    """A kind of resource: how an id of it is looked up in moto's store, and AWS's words where there is none."""

    code: str
    words: str
    find: Callable[[Any, str], Any]


def _among(values: Callable[[Any], Any]) -> Callable[[Any, str], Any]:
    return lambda backend, wanted: next((item for item in values(backend) if item.id == wanted), None)


def _key(store: str) -> Callable[[Any, str], Any]:
    return lambda backend, wanted: getattr(backend, store).get(wanted)


def rules_of(backend: Any) -> list[Any]:
    """Return moto's rules of all security groups."""
    groups = chain.from_iterable(groups.values() for groups in backend.groups.values())
    return [rule for group in groups for rule in (*group.ingress_rules, *group.egress_rules)]


KINDS: dict[str, Kind] = {
    "vpc": Kind("InvalidVpcID.NotFound", "The vpc ID '{}' does not exist", _key("vpcs")),
    "subnet": Kind(
        "InvalidSubnetID.NotFound",
        "The subnet ID '{}' does not exist",
        _among(lambda backend: backend.describe_subnets()),
    ),
    "igw": Kind(
        "InvalidInternetGatewayID.NotFound", "The internetGateway ID '{}' does not exist", _key("internet_gateways")
    ),
    "nat": Kind("NatGatewayNotFound", "NAT gateway {} was not found", _key("nat_gateways")),
    "eipalloc": Kind(
        "InvalidAllocationID.NotFound",
        "The allocation ID '{}' does not exist",
        _among(lambda backend: backend.addresses),
    ),
    "rtb": Kind("InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist", _key("route_tables")),
    "sg": Kind(
        "InvalidGroup.NotFound",
        "The security group '{}' does not exist",
        lambda backend, wanted: backend.get_security_group_from_id(wanted),
    ),
    "sgr": Kind(
        "InvalidSecurityGroupRuleId.NotFound",
        "The security group rule ID '{}' does not exist",
        _among(rules_of),
    ),
    "eni": Kind("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '{}' does not exist", _key("enis")),
    "vpce": Kind("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '{}' does not exist", _key("vpc_end_points")),
    "acl": Kind("InvalidNetworkAclID.NotFound", "The networkAcl ID '{}' does not exist", _key("network_acls")),
    "i": Kind(
        "InvalidInstanceID.NotFound",
        "The instance ID '{}' does not exist",
        _among(lambda backend: backend.all_instances()),
    ),
    "vol": Kind("InvalidVolume.NotFound", "The volume '{}' does not exist.", _key("volumes")),
    "snap": Kind("InvalidSnapshot.NotFound", "The snapshot '{}' does not exist.", _key("snapshots")),
    "ami": Kind("InvalidAMIID.NotFound", "The image id '[{}]' does not exist", _key("amis")),
    "lt": Kind(
        "InvalidLaunchTemplateId.NotFound",
        "The specified launch template, with template ID {}, does not exist.",
        _key("launch_templates"),
    ),
    "key": Kind(
        "InvalidKeyPair.NotFound",
        "The key pair '{}' does not exist",
        _among(lambda backend: backend.key_pairs.values()),
    ),
}
"""By the prefix of the id. Rules of other files may add theirs."""


def there_is(backend: Any, wanted: str) -> Any:
    """Return moto's object of this id.

    Raises:
        Refused: There is none, in the words for its kind.
        CannotAnswer: AWS has such resources, the world does not.
    """
    prefix = wanted.rpartition("-")[0]
    kind = KINDS.get(prefix)
    if kind is None:
        if prefix in EC2_PREFIX_TO_RESOURCE:
            raise CannotAnswer(f"the world does not look up {prefix}-...")
        raise Refused("InvalidID", f"The ID '{wanted}' is not valid")
    found = kind.find(backend, wanted)
    if found is None:
        raise Refused(kind.code, kind.words.format(wanted))
    return found


def of_kind(backend: Any, prefix: str, wanted: str) -> Any:
    """Return moto's object of this id, which must be of this kind: what a parameter names has but one."""
    kind = KINDS[prefix]
    found = kind.find(backend, wanted)
    if found is None:
        raise Refused(kind.code, kind.words.format(wanted))
    return found
