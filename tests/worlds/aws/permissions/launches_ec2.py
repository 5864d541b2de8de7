"""What a launch makes and uses, as policies speak of it ("RunInstances" in the Service Authorization Reference)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Call, Refused
from tests.worlds.aws.permissions import attached
from tests.worlds.aws.permissions.things_ec2 import (
    KINDS,
    Thing,
    key_pair,
    known,
    new,
    placement_group,
    store,
    tags_for,
    template,
    texts,
)
from tests.worlds.aws.rules import launch_templates

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


def with_template(world: "World", call: Call) -> dict[str, Any]:
    """Return a request's parameters over those of the launch template that it names."""
    if call.operation != "RunInstances":
        return call.params
    try:
        return launch_templates.with_template(world, call)
    except Refused:  # it will be refused so where it is answered
        return call.params


def profile(call: Call, asked: Any) -> Any:
    """Return moto's instance profile of a name or an ARN; None where there is none."""
    if not isinstance(asked, dict):
        return None
    name = asked.get("Name") or str(asked.get("Arn", "")).rpartition("/")[2]
    return attached.store(call.account).instance_profiles.get(name)


def launched(world: "World", call: Call, params: dict[str, Any]) -> Iterator[Thing]:
    """Yield what a launch makes: instances, their volumes and their network interfaces."""
    found, placement = profile(call, params.get("IamInstanceProfile")), params.get("Placement") or {}
    subnets = _subnets(world, call, params)
    told = {
        "ec2:availabilityzone": placement.get("AvailabilityZone"),
        "ec2:ebsoptimized": bool(params.get("EbsOptimized")),
        "ec2:instanceprofile": found.arn if found else (params.get("IamInstanceProfile") or {}).get("Arn"),
        "ec2:instancetype": params.get("InstanceType", "m1.small"),
        "ec2:instancemarkettype": (params.get("InstanceMarketOptions") or {}).get("MarketType", "on-demand"),
        "ec2:metadatahttptokens": (params.get("MetadataOptions") or {}).get("HttpTokens"),
        "ec2:rootdevicetype": "ebs",
        "ec2:tenancy": placement.get("Tenancy", "default"),
    }
    if placement.get("GroupName"):
        told["ec2:placementgroup"] = Thing("placement-group", placement["GroupName"]).arn(call)
    common = texts({"ec2:islaunchtemplateresource": bool(call.params.get("LaunchTemplate"))})
    if subnets and subnets[0].context.get("ec2:availabilityzone"):
        told["ec2:availabilityzone"] = subnets[0].context["ec2:availabilityzone"][0]
    yield Thing("instance", "*", {**common, **texts(told), **tags_for(params, "instance")})
    disk = next((one["Ebs"] for one in params.get("BlockDeviceMappings", []) if one.get("Ebs")), {})
    volume = {"AvailabilityZone": told["ec2:availabilityzone"], "Size": disk.get("VolumeSize"), **disk}
    yield new(call, "volume", {**volume, "TagSpecifications": params.get("TagSpecifications", [])})
    if not any(one.get("NetworkInterfaceId") for one in params.get("NetworkInterfaces", [])):
        asked = {
            "SubnetId": subnets[0].name if subnets else "",
            "TagSpecifications": params.get("TagSpecifications", []),
        }
        interface = new(call, "network-interface", asked)
        vpc = {"ec2:vpc": subnets[0].context["ec2:vpc"]} if subnets and "ec2:vpc" in subnets[0].context else {}
        yield Thing(interface.kind, interface.name, {**interface.context, **vpc})


def _subnets(world: "World", call: Call, params: dict[str, Any]) -> list[Thing]:
    interfaces = params.get("NetworkInterfaces", [])
    ids = [params.get("SubnetId"), *(one.get("SubnetId") for one in interfaces)]
    asked = [found for found in dict.fromkeys(ids) if found]
    if not asked and not any(one.get("NetworkInterfaceId") for one in interfaces):
        defaults = [subnet for zone in list(store(call).subnets.values()) for subnet in list(zone.values())]
        asked = [subnet.id for subnet in defaults if str(subnet.default_for_az).lower() == "true"][:1]
    return [known(world, call, found) for found in asked]


def launched_with(world: "World", call: Call, params: dict[str, Any]) -> Iterator[Thing]:
    """Yield what a launch uses: image, subnet, groups, key, placement group, template, snapshots."""
    interfaces = params.get("NetworkInterfaces", [])
    groups = [*params.get("SecurityGroupIds", []), *(group for one in interfaces for group in one.get("Groups", []))]
    ids = [params.get("ImageId"), *groups, *(one.get("NetworkInterfaceId") for one in interfaces)]
    ids += [group.id for group in _groups_by_name(call, params)]
    subnets = _subnets(world, call, params)
    for found in dict.fromkeys(ids):
        if found and found.rpartition("-")[0] in KINDS:
            yield known(world, call, found)
    yield from snapshots(world, call, params)
    yield from subnets
    if not groups and not params.get("SecurityGroups") and subnets:
        yield from _default_group(world, call, subnets[0])
    if params.get("KeyName"):
        yield key_pair(call, params["KeyName"])
    group = (params.get("Placement") or {}).get("GroupName")
    if group:
        yield placement_group(world, call, group)
    template_found = template(call, call.params["LaunchTemplate"]) if call.params.get("LaunchTemplate") else None
    if template_found:
        yield known(world, call, template_found.id)


def snapshots(world: "World", call: Call, params: dict[str, Any]) -> Iterator[Thing]:
    """Yield the snapshots that block devices are made of."""
    for one in params.get("BlockDeviceMappings", []):
        if (one.get("Ebs") or {}).get("SnapshotId"):
            yield known(world, call, one["Ebs"]["SnapshotId"])


def _groups_by_name(call: Call, params: dict[str, Any]) -> list[Any]:
    names = params.get("SecurityGroups", [])
    every = [group for found in list(store(call).groups.values()) for group in list(found.values())]
    return [group for group in every if group.name in names]


def _default_group(world: "World", call: Call, subnet: Thing) -> Iterator[Thing]:
    vpc_id = subnet.context.get("ec2:vpc", [""])[0].rpartition("/")[2]
    for group in list(store(call).groups.get(vpc_id, {}).values()):
        if group.name == "default":
            yield known(world, call, group.id)
