"""How many instances there may be: the account's quotas of vCPUs, and what AWS has left in a zone.

The world's settings: ``no_capacity``, types by zone, of which none starts; ``capacity``, a number by zone and type, of
which no more run at once in all accounts together. Codes, words and HTTP 500 as in public bug reports.
"""

import re
from typing import TYPE_CHECKING, Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

from tests.worlds.aws import limits
from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.rules.instance_states import Lives, of

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_STANDARD = ("a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z")
_FAMILIES = {
    **dict.fromkeys(_STANDARD, (limits.VCPUS_STANDARD, limits.SPOT_VCPUS_STANDARD)),
    **dict.fromkeys(("g", "gr", "vt"), (limits.VCPUS_G, limits.SPOT_VCPUS_G)),
    "p": (limits.VCPUS_P, limits.SPOT_VCPUS_P4),
    "hpc": (limits.VCPUS_HPC, ""),
}
"""Quotas by the letters that a type begins with: on demand, and spot."""

_USES = ("pending", "running")
"""States in which an instance counts ("On-Demand Instance quotas")."""


def quota_of(kind: str, *, is_spot: bool) -> str:
    """Return the code of the quota that an instance type counts towards.

    Raises:
        CannotAnswer: The table of quotas has none for it.
    """
    family = re.match("[a-z]+", kind)
    codes = _FAMILIES.get(family.group() if family else "")
    if codes is None or not codes[is_spot]:
        raise CannotAnswer(f"no quota is known for {'spot ' if is_spot else ''}{kind}")
    return limits.SPOT_VCPUS_P5 if is_spot and kind.startswith("p5") else codes[is_spot]


def vcpus(kind: str) -> int:
    """Return how many vCPUs an instance of a type counts as, whatever its CpuOptions."""
    return int(INSTANCE_TYPES[kind]["VCpuInfo"]["DefaultVCpus"])


def in_use(world: "World", account: str, region: str, code: str) -> int:
    """Return the vCPUs that count towards a quota now."""
    counted = [one for one in of(world, account, region) if one.state in _USES]
    return sum(vcpus(one.instance_type) for one in counted if _counts_as(one) == code)


def check_quota(world: "World", call: Call, kind: str, count: int, *, is_spot: bool) -> None:
    """Refuse so many more instances of a type than the account may run."""
    code = quota_of(kind, is_spot=is_spot)
    most = limits.limit(world, call.account, call.region, code)
    if in_use(world, call.account, call.region, code) + count * vcpus(kind) <= most:
        return
    if is_spot:
        raise Refused("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    text = (
        f"You have requested more vCPU capacity than your current vCPU limit of {most:.0f} allows for the instance "
        "bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request "
        "to request an adjustment to this limit."
    )
    raise Refused("VcpuLimitExceeded", text)


def available(world: "World", kind: Answer, zone: str, least: int, most: int) -> int:
    """Return how many of at most so many instances AWS has capacity for.

    Raises:
        Refused: Not for the least number.
    """
    name = kind["InstanceType"]
    left = float(world.settings.get("capacity", {}).get(zone, {}).get(name, most + _running(world, name, zone)))
    left -= _running(world, name, zone)
    if name in world.settings.get("no_capacity", {}).get(zone, []):
        left = 0
    if left >= least:
        return min(most, int(left))
    text = (
        f"We currently do not have sufficient {name} capacity in the Availability Zone you requested ({zone}). "
        "Our system will be working on provisioning additional capacity."
    )
    raise Refused("InsufficientInstanceCapacity", text, 500)


def _running(world: "World", kind: str, zone: str) -> int:
    lives = [life.instance for life in world.of(Lives).all.values()]
    return sum(1 for one in lives if one.state in _USES and (one.instance_type, one.placement.zone) == (kind, zone))


def _counts_as(instance: Any) -> str:
    return quota_of(instance.instance_type, is_spot=instance.lifecycle == "spot")
