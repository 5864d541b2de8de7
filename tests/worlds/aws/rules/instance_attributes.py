"""Attributes of an instance: what is changed at any time, and what in the state ``stopped`` only.

"ModifyInstanceAttribute" in the EC2 API Reference. Each call changes one attribute.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moto.ec2.utils import parse_user_data

from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.rules import answer, instance_states, launch_checks
from tests.worlds.aws.rules.interfaces import groups_fit
from tests.worlds.aws.rules.lookups import of_kind

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_MEMBERS = {
    "disableApiStop": "DisableApiStop",
    "disableApiTermination": "DisableApiTermination",
    "ebsOptimized": "EbsOptimized",
    "groupSet": "Groups",
    "instanceInitiatedShutdownBehavior": "InstanceInitiatedShutdownBehavior",
    "instanceType": "InstanceType",
    "sourceDestCheck": "SourceDestCheck",
    "userData": "UserData",
}
_WHEN_STOPPED = ("EbsOptimized", "InstanceType", "UserData")


@answer("ec2", "ModifyInstanceAttribute")
def modify(world: "World", call: Call) -> Answer:
    """Change an attribute."""
    instance = instance_states.find(world, call, call.params["InstanceId"])
    name, value = _asked(call)
    if instance.state in ("shutting-down", "terminated"):
        raise Refused(
            "IncorrectInstanceState", f"The instance '{instance.id}' is not in a valid state for this operation."
        )
    if name in _WHEN_STOPPED and instance.state != "stopped":
        raise Refused("IncorrectInstanceState", f"The instance '{instance.id}' is not in the 'stopped' state.")
    if name == "BlockDeviceMappings":
        _set_devices(instance, value)
    elif name == "Groups":
        _set_groups(world, call, instance, value)
    else:
        _SET[name](instance, value)
    return {}


@answer("ec2", "DescribeInstanceAttribute")
def describe(world: "World", call: Call) -> Answer:
    """Tell an attribute."""
    instance = instance_states.find(world, call, call.params["InstanceId"])
    name = _MEMBERS.get(call.params["Attribute"])
    if name is None:
        raise CannotAnswer(f"an instance's attribute {call.params['Attribute']}")
    told: Answer = {"InstanceId": instance.id}
    if name == "Groups":
        return {**told, name: [{"GroupId": group.id, "GroupName": group.name} for group in instance.nics[0].group_set]}
    value = _GET[name](instance)
    return {**told, name: {} if value is None else {"Value": value}}


@answer("ec2", "ModifyInstanceMetadataOptions")
def modify_metadata(world: "World", call: Call) -> Answer:
    """Change how an instance's metadata is reached; what is not said stays, where moto forgets it."""
    instance = instance_states.find(world, call, call.params["InstanceId"])
    names = ("HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint", "HttpProtocolIpv6", "InstanceMetadataTags")
    asked = {name: call.params[name] for name in names if name in call.params}
    launch_checks.check_metadata(asked)
    instance.kept["MetadataOptions"] = {**instance.kept["MetadataOptions"], **asked}
    return {
        "InstanceId": instance.id,
        "InstanceMetadataOptions": {"State": "pending", **instance.kept["MetadataOptions"]},
    }


def _asked(call: Call) -> tuple[str, Any]:
    members = [*_SET, "Groups", "BlockDeviceMappings"]
    given = {name: call.params[name] for name in members if call.params.get(name) is not None}
    if call.params.get("Attribute"):
        name = _MEMBERS.get(call.params["Attribute"])
        if name is None:
            raise CannotAnswer(f"an instance's attribute {call.params['Attribute']}")
        given.setdefault(name, {"Value": call.params.get("Value")})
    if len(given) != 1:
        text = "Fields for multiple attribute types specified" if given else "No attributes specified."
        raise Refused("InvalidParameterCombination", text)
    name, value = given.popitem()
    is_plain = name in ("Groups", "BlockDeviceMappings")
    return name, value if is_plain else value.get("Value")


def _set_kind(instance: Any, value: Any) -> None:
    kind = launch_checks.kind_of(str(value), code="InvalidInstanceAttributeValue")
    if instance.architecture not in kind["ProcessorInfo"]["SupportedArchitectures"]:
        text = f"The architecture '{instance.architecture}' of the instance does not match the instance type {value}."
        raise Refused("InvalidInstanceAttributeValue", text)
    launch_checks.check_offered(str(value), instance.region_name, instance.placement.zone)
    instance.instance_type = str(value)
    instance.kept["CpuOptions"] = launch_checks.processor({}, kind)


def _set_user_data(instance: Any, value: Any) -> None:
    text = value.decode() if isinstance(value, bytes) else value
    launch_checks.user_data({"UserData": text})
    instance.user_data = parse_user_data(text) if text else None


def _set_behaviour(instance: Any, value: Any) -> None:
    if value not in ("stop", "terminate"):
        raise Refused(
            "InvalidParameterValue", f"Value ({value}) for parameter instanceInitiatedShutdownBehavior is invalid."
        )
    instance.instance_initiated_shutdown_behavior = value


def _set_source_check(instance: Any, value: Any) -> None:
    _only_interface(instance).source_dest_check = _truth(value)


def _only_interface(instance: Any) -> Any:
    if len(instance.nics) > 1:
        text = f"There are multiple interfaces attached to instance '{instance.id}'. Please specify an interface ID"
        raise Refused("InvalidInstanceID", f"{text} for the operation instead.")
    return instance.nics[0]


def _truth(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"


def _flag(attribute: str) -> Callable[[Any, Any], None]:
    return lambda instance, value: setattr(instance, attribute, _truth(value))


_SET: dict[str, Callable[[Any, Any], None]] = {
    "DisableApiStop": _flag("disable_api_stop"),
    "DisableApiTermination": _flag("disable_api_termination"),
    "EbsOptimized": _flag("ebs_optimized"),
    "InstanceInitiatedShutdownBehavior": _set_behaviour,
    "InstanceType": _set_kind,
    "SourceDestCheck": _set_source_check,
    "UserData": _set_user_data,
}

_GET: dict[str, Callable[[Any], Any]] = {
    "DisableApiStop": lambda instance: instance.disable_api_stop,
    "DisableApiTermination": lambda instance: instance.disable_api_termination,
    "EbsOptimized": lambda instance: instance.ebs_optimized,
    "InstanceInitiatedShutdownBehavior": lambda instance: instance.instance_initiated_shutdown_behavior,
    "InstanceType": lambda instance: instance.instance_type,
    "SourceDestCheck": lambda instance: instance.nics[0].source_dest_check,
    "UserData": lambda instance: str(instance.user_data) if instance.user_data else None,
}


def _set_groups(world: "World", call: Call, instance: Any, group_ids: list[str]) -> None:
    nic = _only_interface(instance)
    groups_fit(world, call, group_ids, nic.subnet)
    nic._group_set = [of_kind(instance.ec2_backend, "sg", group_id) for group_id in group_ids]


def _set_devices(instance: Any, mappings: list[dict[str, Any]]) -> None:
    for mapping in mappings:
        device = instance.block_device_mapping.get(mapping.get("DeviceName"))
        if device is None:
            text = f"No device is currently mapped at {mapping.get('DeviceName')}"
            raise Refused("InvalidInstanceAttributeValue", text)
        kept = (mapping.get("Ebs") or {}).get("DeleteOnTermination")
        if kept is not None:
            device.delete_on_termination = bool(kept)
