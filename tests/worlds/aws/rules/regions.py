"""Regions and zones: those that an account has, and the codes for names that are none.

Moto tells regions that nobody has opted into, and passes over names that it does not know ("DescribeRegions",
"DescribeAvailabilityZones" in the EC2 API Reference).
"""

from typing import TYPE_CHECKING

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, refuse

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


@refuse("ec2", "DescribeRegions")
def _regions_are_known(world: "World", call: Call) -> None:
    known = {region.name for region in world.backend(call).describe_regions()}
    for name in call.params.get("RegionNames", []):
        if name not in known:
            raise Refused("InvalidParameterValue", f"Invalid region name: {name}")


@amend("ec2", "DescribeRegions")
def _only_those_in_use(_: "World", call: Call, told: Answer) -> None:
    if not call.params.get("AllRegions") and not call.params.get("RegionNames"):
        told["Regions"] = [one for one in told["Regions"] if one.get("OptInStatus") != "not-opted-in"]


@refuse("ec2", "DescribeAvailabilityZones")
def _zones_are_known(world: "World", call: Call) -> None:
    zones = world.backend(call).describe_availability_zones()
    for name in call.params.get("ZoneNames", []):
        if name not in {zone.name for zone in zones}:
            raise Refused("InvalidParameterValue", f"Invalid availability zone: [{name}]")
    for zone_id in call.params.get("ZoneIds", []):
        if zone_id not in {zone.zone_id for zone in zones}:
            raise Refused("InvalidParameterValue", f"Invalid availability zone-id: [{zone_id}]")
