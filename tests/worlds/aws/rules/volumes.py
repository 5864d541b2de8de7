"""Volumes put on instances and taken off: in the right zone, state and place.

"AttachVolume" and "DetachVolume" in the EC2 API Reference; moto attaches anything to anything.
"""

from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Call, Refused
from tests.worlds.aws.rules import instance_states, refuse
from tests.worlds.aws.rules.lookups import of_kind

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


@refuse("ec2", "AttachVolume")
def can_be_attached(world: "World", call: Call) -> None:
    """A volume is attached once, to an instance of its zone that runs or is stopped, where nothing is yet."""
    volume = of_kind(world.backend(call), "vol", call.params["VolumeId"])
    instance = instance_states.find(world, call, call.params["InstanceId"])
    device = call.params["Device"]
    if instance.state not in ("running", "stopped"):
        raise Refused("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
    if volume.attachment is not None:
        holder = volume.attachment.instance.id
        raise Refused("VolumeInUse", f"{volume.id} is already attached to an instance: {holder}")
    if volume.zone.name != instance.placement.zone:
        text = f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'"
        raise Refused("InvalidVolume.ZoneMismatch", text)
    if device in instance.block_device_mapping:
        text = f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        raise Refused("InvalidParameterValue", text)


@refuse("ec2", "DetachVolume")
def can_be_detached(world: "World", call: Call) -> None:
    """A volume that is attached is taken off, the root volume of a stopped instance only."""
    volume = of_kind(world.backend(call), "vol", call.params["VolumeId"])
    held: Any = volume.attachment
    if held is None:
        raise Refused("IncorrectState", f"Volume '{volume.id}' is in the 'available' state.")
    if held.device == held.instance.root_device_name and held.instance.state != "stopped":
        text = f"Unable to detach root volume '{volume.id}' from instance '{held.instance.id}'"
        raise Refused("OperationNotPermitted", text)
