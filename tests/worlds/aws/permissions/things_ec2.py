"""EC2's resources as policies speak of them: ARNs, and the condition keys that each one has.

By "Resource types defined by Amazon EC2" in the Service Authorization Reference; what exists is read from moto's store.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from tests.worlds.aws.call import Call
from tests.worlds.aws.permissions.needs import Context, asked_tags, held_tags
from tests.worlds.aws.rules.placement_groups import PlacementGroups

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

KINDS = {
    "acl": "network-acl",
    "ami": "image",
    "cr": "capacity-reservation",
    "dopt": "dhcp-options",
    "eigw": "egress-only-internet-gateway",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "fl": "vpc-flow-log",
    "fleet": "fleet",
    "h": "dedicated-host",
    "i": "instance",
    "igw": "internet-gateway",
    "key": "key-pair",
    "lt": "launch-template",
    "nat": "natgateway",
    "pcx": "vpc-peering-connection",
    "pg": "placement-group",
    "pl": "prefix-list",
    "rtb": "route-table",
    "sg": "security-group",
    "sir": "spot-instances-request",
    "snap": "snapshot",
    "subnet": "subnet",
    "vol": "volume",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}
"""The kind of a resource in its ARN, by the prefix of its id."""

_STORES = {
    "image": "amis",
    "instance": "",
    "internet-gateway": "internet_gateways",
    "natgateway": "nat_gateways",
    "network-acl": "network_acls",
    "network-interface": "enis",
    "route-table": "route_tables",
    "security-group": "",
    "snapshot": "snapshots",
    "subnet": "",
    "volume": "volumes",
    "vpc": "vpcs",
    "vpc-endpoint": "vpc_end_points",
}


@dataclass(frozen=True)
class Thing:
    """A resource: ``name`` is its id, a name where ARNs have one, or ``*`` for one that is not made yet."""

    kind: str
    name: str
    context: Context = field(default_factory=dict)

    def arn(self, call: Call) -> str:
        """Return its ARN. Images and snapshots have no account in theirs."""
        account = "" if self.kind in ("image", "snapshot") else call.account
        return f"arn:aws:ec2:{call.region}:{account}:{self.kind}/{self.name}"


def store(call: Call) -> Any:
    """Return moto's EC2 of the caller's account and region."""
    return get_backend("ec2")[call.account][call.region]


def known(world: "World", call: Call, thing_id: str) -> Thing:
    """Return a resource by its id with the condition keys that it has now."""
    ec2 = store(call)
    kind = KINDS[thing_id.rpartition("-")[0]]
    tags = dict(ec2.tags.get(thing_id) or {})
    context = held_tags(tags, "ec2")
    found = _find(ec2, kind, thing_id)
    if kind == "placement-group":
        groups = world.of(PlacementGroups).of(call.account, call.region)
        return Thing(kind, next((group.name for group in groups if group.id == thing_id), thing_id), context)
    if kind == "key-pair":
        pair = next((pair for pair in list(ec2.key_pairs.values()) if pair.id == thing_id), None)
        return Thing(kind, pair.key_name if pair else thing_id, context)
    return Thing(kind, thing_id, {**context, **_keys(call, kind, found)} if found is not None else context)


def _find(ec2: Any, kind: str, thing_id: str) -> Any:
    if kind == "instance":
        every = [instance for reservation in list(ec2.reservations.values()) for instance in reservation.instances]
        return next((instance for instance in every if instance.id == thing_id), None)
    if kind in ("security-group", "subnet"):
        stores = ec2.groups if kind == "security-group" else ec2.subnets
        return next((found[thing_id] for found in list(stores.values()) if thing_id in found), None)
    return getattr(ec2, _STORES[kind]).get(thing_id) if kind in _STORES else None


def _keys(call: Call, kind: str, found: Any) -> Context:
    told: dict[str, Any] = {f"ec2:{_ID_KEYS[kind]}": found.id} if kind in _ID_KEYS else {}
    if kind == "instance":
        told |= _of_instance(call, found)
    elif kind == "volume":
        told |= {"ec2:volumetype": found.volume_type, "ec2:volumesize": found.size, "ec2:encrypted": found.encrypted}
        told["ec2:availabilityzone"] = found.zone.name
    elif kind == "image":
        told |= {"ec2:owner": found.owner_alias or found.owner_id, "ec2:public": found.is_public}
        told |= {"ec2:imagetype": found.image_type, "ec2:rootdevicetype": found.root_device_type}
    elif kind == "network-interface":
        told |= {"ec2:subnet": Thing("subnet", found.subnet.id).arn(call)}
        told |= {"ec2:vpc": _vpc(call, found.subnet.vpc_id)}
    elif kind == "subnet":
        told |= {"ec2:availabilityzone": found.availability_zone}
    if kind in ("subnet", "security-group", "route-table", "network-acl"):
        told["ec2:vpc"] = _vpc(call, found.vpc_id)
    return texts(told)


_ID_KEYS = {
    "image": "imageid",
    "instance": "instanceid",
    "internet-gateway": "internetgatewayid",
    "network-interface": "networkinterfaceid",
    "route-table": "routetableid",
    "security-group": "securitygroupid",
    "snapshot": "snapshotid",
    "subnet": "subnetid",
    "volume": "volumeid",
    "vpc": "vpcid",
}


def _of_instance(call: Call, found: Any) -> dict[str, Any]:
    association = store(call).iam_instance_profile_associations.get(found.id)
    group = found.placement.group_name if hasattr(found.placement, "group_name") else None
    return {
        "ec2:availabilityzone": found.availability_zone,
        "ec2:instanceprofile": association.iam_instance_profile.arn if association else None,
        "ec2:instancetype": found.instance_type,
        "ec2:placementgroup": Thing("placement-group", group).arn(call) if group else None,
        "ec2:rootdevicetype": found.root_device_type,
        "ec2:tenancy": "default",
    }


def _vpc(call: Call, vpc_id: str) -> str:
    return Thing("vpc", vpc_id).arn(call)


def texts(told: dict[str, Any]) -> Context:
    """Return condition keys with their values as texts; what is None is left out."""
    return {
        key: [str(value).lower() if isinstance(value, bool) else str(value)]
        for key, value in told.items()
        if value is not None
    }


def named(world: "World", call: Call, params: dict[str, Any]) -> Iterator[Thing]:
    """Yield every resource that a request names in its parameters, by id or name, each once."""
    seen = set()
    for text in _texts_of(params):
        thing_id = _behind(call, text)
        if thing_id.rpartition("-")[0] in KINDS and thing_id not in seen:
            seen.add(thing_id)
            yield known(world, call, thing_id)
    yield from _by_name(world, call, params)


_NO_IDS = {"ClientToken", "Description", "GroupName", "KeyName", "LaunchTemplateName", "Name", "UserData"}
"""Texts that people choose, which may look like ids."""


def _texts_of(params: dict[str, Any]) -> Iterator[str]:
    for name, value in params.items():
        if name not in _NO_IDS:
            yield from (text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str))


def _behind(call: Call, text: str) -> str:
    """Return the resource that an association belongs to: policies speak of it and not of the association."""
    ec2 = store(call)
    if text.startswith("rtbassoc-"):
        tables = list(ec2.route_tables.values())
        return next((table.id for table in tables if text in {table.main_association_id, *table._associations}), text)
    if text.startswith("eipassoc-"):
        return next((address.allocation_id for address in ec2.addresses if address.association_id == text), text)
    if text.startswith("iip-assoc-"):
        associations = list(ec2.iam_instance_profile_associations.items())
        return next((owner for owner, association in associations if association.association_id == text), text)
    if text.startswith("eni-attach-"):
        return next((eni.id for eni in list(ec2.enis.values()) if eni.attachment_id == text), text)
    return text


def _by_name(world: "World", call: Call, params: dict[str, Any]) -> Iterator[Thing]:
    if "PlacementGroup" in call.operation and not call.operation.startswith("Create") and params.get("GroupName"):
        yield placement_group(world, call, params["GroupName"])
    elif params.get("GroupName") and not call.operation.startswith("Create"):
        groups = [group for found in list(store(call).groups.values()) for group in list(found.values())]
        yield from (known(world, call, group.id) for group in groups if group.name == params["GroupName"])
    if params.get("KeyName") and call.operation == "DeleteKeyPair":
        yield key_pair(call, params["KeyName"])
    if params.get("LaunchTemplateName") and not call.operation.startswith("CreateLaunchTemplate"):
        found = template(call, params)
        yield known(world, call, found.id) if found else Thing("launch-template", "*")


def template(call: Call, asked: dict[str, Any]) -> Any:
    """Return moto's launch template of an id or a name; None where there is none."""
    ec2 = store(call)
    name = asked.get("LaunchTemplateId") or ec2.launch_template_name_to_ids.get(asked.get("LaunchTemplateName"), "")
    return ec2.launch_templates.get(name)


def placement_group(world: "World", call: Call, name: str) -> Thing:
    """Return a placement group by its name."""
    groups = world.of(PlacementGroups).of(call.account, call.region)
    group_id = next((group.id for group in groups if group.name == name), "")
    context = held_tags(dict(store(call).tags.get(group_id) or {}), "ec2")
    return Thing("placement-group", name, {**context, "ec2:placementgroupname": [name]})


def key_pair(call: Call, name: str) -> Thing:
    """Return a key pair by its name."""
    pair = store(call).key_pairs.get(name)
    tags = dict(store(call).tags.get(pair.id) or {}) if pair else {}
    return Thing("key-pair", name, {**held_tags(tags, "ec2"), "ec2:keypairname": [name]})


def new(call: Call, kind: str, params: dict[str, Any]) -> Thing:
    """Return a resource that is not made yet, with what is known of it before."""
    named_kinds = {"key-pair": "KeyName", "placement-group": "GroupName"}
    told: dict[str, Any] = {}
    if kind == "network-interface" and params.get("SubnetId"):
        told["ec2:subnet"] = Thing("subnet", params["SubnetId"]).arn(call)
    told["ec2:availabilityzone"] = params.get("AvailabilityZone")
    if kind == "volume":
        told |= {"ec2:volumetype": params.get("VolumeType"), "ec2:volumesize": params.get("Size")}
        told["ec2:encrypted"] = bool(params.get("Encrypted"))
    if kind == "vpc-endpoint":
        told["ec2:vpceservicename"] = params.get("ServiceName")
    return Thing(kind, params.get(named_kinds.get(kind, ""), "*"), {**texts(told), **tags_for(params, kind)})


def tags_for(params: dict[str, Any], kind: str) -> Context:
    """Return the condition keys of the tags that a request wants on one kind of resource."""
    asked = params.get("TagSpecifications", [])
    return asked_tags([tag for one in asked if one.get("ResourceType", kind) == kind for tag in one.get("Tags", [])])
