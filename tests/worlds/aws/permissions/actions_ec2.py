"""Which IAM actions and resources a call to EC2 needs.

By "Actions, resources, and condition keys for Amazon EC2" in the Service Authorization Reference, as a rule instead of
a list: what an operation names is told by the prefixes of the ids in its parameters, what it makes by its own name.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Call
from tests.worlds.aws.permissions import actions_kms, attached, launches_ec2, service_roles, things_ec2
from tests.worlds.aws.permissions.needs import Need, asked_tags, pass_role
from tests.worlds.aws.permissions.things_ec2 import KINDS, Thing

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_MADE = {
    "AllocateAddress": ["elastic-ip"],
    "AllocateHosts": ["dedicated-host"],
    "CopyImage": ["image"],
    "CopySnapshot": ["snapshot"],
    "CreateFlowLogs": ["vpc-flow-log"],
    "CreateNatGateway": ["natgateway"],
    "CreateSnapshots": ["snapshot"],
    "ImportKeyPair": ["key-pair"],
    "RegisterImage": ["image"],
    "RequestSpotInstances": ["spot-instances-request"],
}
"""What operations make whose name does not say it."""

_OWN_KINDS = {*KINDS.values(), "placement-group"}

_ONLY = {
    "CreateRoute": "route-table",
    "DeleteRoute": "route-table",
    "ReplaceRoute": "route-table",
    "CreateNetworkAclEntry": "network-acl",
}
"""Operations that are asked for one kind only, whatever else they name."""

_ABOUT_ONE = re.compile(r"^(?!(Describe(?!\w+Attribute$)|List|Search|GetLaunchTemplateData))")
"""Whether an operation is allowed for single resources: those that only look are not, but for attributes of one."""


def needs(world: "World", call: Call) -> list[Need]:
    """Return what a call to EC2 needs."""
    if not _ABOUT_ONE.match(call.operation):
        return [Need(f"ec2:{call.operation}", "*", _common(call))]
    params = launches_ec2.with_template(world, call)
    things = [*_made(world, call, params), *_named(world, call, params)]
    found = [Need(f"ec2:{call.operation}", thing.arn(call), {**_common(call), **thing.context}) for thing in things]
    found = found or [Need(f"ec2:{call.operation}", "*", {**_common(call), **_all_tags(call)})]
    return [*found, *_tagging(call, params, things), *_passing(world, call, params), *_elsewhere(call, params)]


def _common(call: Call) -> dict[str, list[str]]:
    return {"ec2:region": [call.region]}


def _all_tags(call: Call) -> dict[str, list[str]]:
    return asked_tags(call.params.get("Tags", []))


def _made(world: "World", call: Call, params: dict[str, Any]) -> Iterator[Thing]:
    """Yield what does not exist yet; it has no tags but those asked for."""
    if call.operation == "RunInstances":
        yield from launches_ec2.launched(world, call, params)
        return
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", call.operation.removeprefix("Create")).lower()
    for kind in _MADE.get(call.operation, [name] if call.operation.startswith("Create") else []):
        if kind in _OWN_KINDS or call.operation in _MADE:
            yield things_ec2.new(call, kind, params)


def _named(world: "World", call: Call, params: dict[str, Any]) -> Iterator[Thing]:
    if call.operation == "RunInstances":
        yield from launches_ec2.launched_with(world, call, params)
        return
    if call.operation == "RegisterImage":
        yield from launches_ec2.snapshots(world, call, params)
        return
    only = _ONLY.get(call.operation)
    extra = _all_tags(call) if call.operation in ("CreateTags", "DeleteTags") else {}
    for thing in things_ec2.named(world, call, params):
        if only in (None, thing.kind):
            yield Thing(thing.kind, thing.name, {**thing.context, **extra, **_new_profile(params)})


def _new_profile(params: dict[str, Any]) -> dict[str, list[str]]:
    asked = params.get("IamInstanceProfile") or {}
    return {"ec2:newinstanceprofile": [asked["Arn"]]} if isinstance(asked, dict) and "Arn" in asked else {}


def _tagging(call: Call, params: dict[str, Any], things: list[Thing]) -> Iterator[Need]:
    """Yield the right to tag what is made, an action of its own (User Guide: "Grant permission to tag resources")."""
    asked = [one for one in params.get("TagSpecifications", []) if one.get("Tags")]
    first = next((thing.kind for thing in things), "*")
    for kind in dict.fromkeys(one.get("ResourceType") or first for one in asked):
        made = next((thing for thing in things if thing.kind == kind), Thing(kind, "*"))
        context = {**_common(call), **made.context, **things_ec2.tags_for(params, kind)}
        yield Need("ec2:CreateTags", made.arn(call), {**context, "ec2:createaction": [call.operation]})


def _passing(world: "World", call: Call, params: dict[str, Any]) -> Iterator[Need]:
    profile = launches_ec2.profile(call, params.get("IamInstanceProfile"))
    if call.operation.startswith(("CreateLaunchTemplate", "Disassociate")) or profile is None:
        return
    instance = next((thing for thing in things_ec2.named(world, call, params) if thing.kind == "instance"), None)
    about = (instance or Thing("instance", "*")).arn(call)
    for role in profile.roles:
        if attached.entity(role.arn) is not None:
            yield pass_role(role.arn, "ec2.amazonaws.com", about)


_FOR_DISKS = ("kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant")
"""What a user of encrypted volumes needs (EBS User Guide: "Permissions for IAM principals")."""


def _elsewhere(call: Call, params: dict[str, Any]) -> list[Need]:
    """Return what EC2 does in other services in the caller's name: a key for volumes, its role for spot instances."""
    found: list[Need] = []
    if call.operation == "RunInstances":
        disks = [one.get("Ebs") or {} for one in params.get("BlockDeviceMappings", [])]
        for key in dict.fromkeys(disk.get("KmsKeyId") for disk in disks):
            found += [replace(need, is_late=True) for need in actions_kms.through(call, key, _FOR_DISKS)]
    if (params.get("InstanceMarketOptions") or {}).get("MarketType") == "spot" and call.operation == "RunInstances":
        found += service_roles.need(call, "spot.amazonaws.com")
    return found
