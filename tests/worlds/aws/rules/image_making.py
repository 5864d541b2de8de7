"""Images made: of an instance, of a snapshot, of another image; and taken away.

Each is ``pending`` for a while, with its snapshots, as "CreateImage", "RegisterImage" and "CopyImage" in the EC2 API
Reference tell; the world's setting ``image_pending_s`` says how long.
"""

from typing import TYPE_CHECKING, Any

from moto.backends import get_backend
from moto.ec2.models.amis import Ami
from moto.ec2.utils import random_ami_id

from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.rules import answer, images, instance_states, refuse
from tests.worlds.aws.rules.launch_tags import tags_for

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

PENDING_S = 60.0


@answer("ec2", "CreateImage")
def create(world: "World", call: Call) -> Answer:
    """Make an image of an instance; its host reboots for it unless ``NoReboot`` is said."""
    instance = instance_states.find(world, call, call.params["InstanceId"])
    if instance.state not in ("running", "stopped"):
        raise Refused("IncorrectInstanceState", f"The instance '{instance.id}' is not in the 'running' state.")
    _check_name(call)
    store = world.backend(call)
    devices = []
    for name, mapping in instance.get_block_device_mapping:
        snapshot = store.create_snapshot(mapping.volume_id, f"Created by CreateImage({instance.id})")
        devices.append(_device(name, snapshot, store.volumes[mapping.volume_id]))
    image = _add(world, call, {"Devices": devices, "EnaSupport": instance.kept["EnaSupport"]}, of=instance)
    if instance.state == "running" and not call.params.get("NoReboot"):
        instance_states.reboot(world, instance)
    return {"ImageId": image.id}


@answer("ec2", "RegisterImage")
def register(world: "World", call: Call) -> Answer:
    """Make an image of snapshots."""
    asked = call.params
    if asked.get("ImageLocation"):
        raise CannotAnswer("images in S3")
    _check_name(call)
    store = world.backend(call)
    devices = []
    for mapping in asked.get("BlockDeviceMappings") or []:
        snapshot = _snapshot(store, mapping.get("Ebs", {}).get("SnapshotId"))
        devices.append(_device(mapping["DeviceName"], snapshot, snapshot.volume, mapping["Ebs"]))
    root = asked.get("RootDeviceName")
    if root not in [device["DeviceName"] for device in devices]:
        raise Refused("InvalidBlockDeviceMapping", f"No snapshot is mapped to the root device {root}")
    devices.sort(key=lambda device: bool(device["DeviceName"] != root))
    kept = {name: asked[name] for name in ("BootMode", "ImdsSupport") if name in asked}
    image = _add(world, call, {"Devices": devices, "EnaSupport": bool(asked.get("EnaSupport")), **kept})
    image.architecture = asked.get("Architecture", "i386")
    image.virtualization_type = asked.get("VirtualizationType", "paravirtual")
    return {"ImageId": image.id}


@answer("ec2", "CopyImage")
def copy(world: "World", call: Call) -> Answer:
    """Make an image of another, from this or another region. Launch permissions and tags do not come along."""
    source = images.find(call, call.params["SourceImageId"], call.params["SourceRegion"])
    if source.state != "available":
        raise Refused("InvalidAMIID.Unavailable", f"The image ID '{source.id}' is not available")
    if not _may_read(source, call.account):
        raise Refused("InvalidRequest", "You do not have permission to access the storage of this ami")
    store = world.backend(call)
    devices = []
    for mapping in images.devices_of(source):
        volume = store.create_volume(size=mapping["Ebs"]["VolumeSize"], zone_name=f"{call.region}a")
        volume.encrypted = mapping["Ebs"]["Encrypted"] or bool(call.params.get("Encrypted"))
        snapshot = store.create_snapshot(volume.id, f"Copied for DestinationAmi from SourceAmi {source.id}")
        devices.append(_device(mapping["DeviceName"], snapshot, volume, mapping["Ebs"]))
        store.volumes.pop(volume.id)
    kept = {name: images.kept_of(source, name) for name in ("BootMode", "ImdsSupport")}
    kept |= {"EnaSupport": images.image_document(source, call.account)["EnaSupport"]}
    kept |= {"SourceImageId": source.id, "SourceImageRegion": call.params["SourceRegion"]}
    image = _add(world, call, {"Devices": devices, **kept}, of=source)
    return {"ImageId": image.id}


@refuse("ec2", "DeregisterImage", "DisableImage", "EnableImage")
def only_ones_own(_: "World", call: Call) -> None:
    """An image of another account stays."""
    images.own(call, call.params["ImageId"])


def _add(world: "World", call: Call, kept: dict[str, Any], of: Any = None) -> Any:
    store = world.backend(call)
    image = Ami(
        store,
        random_ami_id(),
        name=call.params["Name"],
        description=call.params.get("Description") or getattr(of, "description", None),
        virtualization_type=getattr(of, "virtualization_type", None),
        architecture=getattr(of, "architecture", None),
        platform=getattr(of, "platform", None),
        creation_date=world.clock.now(),
    )
    store.snapshots.pop(image.ebs_snapshot.id)  # moto makes one of a volume that nobody has
    image.devices, image.kept = kept.pop("Devices"), kept
    image.root_device_name = image.devices[0]["DeviceName"]
    image.instance_id = of.id if of is not None and of.id.startswith("i-") else None
    image.add_tags(tags_for(call, "image"))
    store.amis[image.id] = image
    lasts_s = float(world.settings.get("image_pending_s", PENDING_S))
    images.be_ready_later(world, image, lasts_s)
    for device in image.devices:
        snapshot = store.snapshots[device["Ebs"]["SnapshotId"]]
        snapshot.from_ami = image.id
        if call.operation != "RegisterImage":
            snapshot.add_tags(tags_for(call, "snapshot"))
            images.be_ready_later(world, snapshot, lasts_s)
    image.ebs_snapshot = store.snapshots[image.devices[0]["Ebs"]["SnapshotId"]]
    return image


def _device(name: str, snapshot: Any, volume: Any, asked: Answer | None = None) -> Answer:
    known = asked or {}
    ebs = {
        "DeleteOnTermination": known.get("DeleteOnTermination", True),
        "Encrypted": bool(volume.encrypted),
        "SnapshotId": snapshot.id,
        "VolumeSize": known.get("VolumeSize") or volume.size,
        "VolumeType": known.get("VolumeType") or volume.volume_type,
    }
    return {"DeviceName": name, "Ebs": ebs}


def _check_name(call: Call) -> None:
    name = call.params["Name"]
    if not 3 <= len(name) <= 128:
        raise Refused("InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long")
    for image in get_backend("ec2")[call.account][call.region].amis.values():
        if image.name == name and image.owner_alias != "amazon":
            raise Refused("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {image.id}")


def _snapshot(store: Any, snapshot_id: str | None) -> Any:
    if not snapshot_id:
        raise Refused("MissingParameter", "The request must contain the parameter snapshotId")
    if snapshot_id not in store.snapshots:
        raise Refused("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")
    if store.snapshots[snapshot_id].status != "completed":
        raise Refused("IncorrectState", f"The snapshot '{snapshot_id}' is not in the 'completed' state.")
    return store.snapshots[snapshot_id]


def _may_read(image: Any, account: str) -> bool:
    if image.owner_id == account or image.is_public:
        return True
    store = get_backend("ec2")[image.owner_id][image.ec2_backend.region_name]
    names = [device["Ebs"]["SnapshotId"] for device in images.devices_of(image)]
    return all(account in store.snapshots[name].create_volume_permission_userids for name in names)
