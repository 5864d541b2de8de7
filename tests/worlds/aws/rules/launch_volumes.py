"""The volumes of a launch: the image's, changed by what the call says, and what becomes of them at the end.

Facts: "Block device mappings" in the EC2 User Guide. A launch whose KMS key cannot be used is answered with success,
and its instances end instead of running ("Instance terminates immediately" there).
"""

from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import images, instance_states

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

TYPES = ("gp2", "gp3", "io1", "io2", "sc1", "st1", "standard")
NEEDS_IOPS = ("io1", "io2")
TAKES_IOPS = ("gp3", *NEEDS_IOPS)
NO_KEY = (
    "Client.InvalidKMSKey.InvalidState",
    "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state",
)


def devices(call: Call, asked: dict[str, Any], image: Any, store: Any) -> list[Answer]:
    """Return the volumes that each instance of a launch gets, as block device mappings.

    Raises:
        Refused: AWS makes no such volume.
    """
    kept = {device["DeviceName"]: device["Ebs"] for device in images.devices_of(image)}
    for wanted in asked.get("BlockDeviceMappings") or []:
        name = wanted["DeviceName"]
        if wanted.get("NoDevice") is not None:
            kept.pop(name, None)
        elif wanted.get("VirtualName"):
            continue  # instance store: the type has it, or it is passed over
        else:
            kept[name] = _mapped(store, name, kept.get(name), wanted.get("Ebs"))
    for ebs in kept.values():
        if store.ebs_encryption_by_default:
            ebs["Encrypted"] = True
        _check(ebs)
    return [{"DeviceName": name, "Ebs": ebs} for name, ebs in kept.items()]


def _mapped(store: Any, name: str, of_image: Answer | None, ebs: Answer | None) -> Answer:
    if ebs is None:
        raise Refused("MissingParameter", "The request must contain the parameter ebs")
    snapshot_id = ebs.get("SnapshotId")
    if of_image is None:
        of_image = {"DeleteOnTermination": False, "VolumeType": "gp2", "Encrypted": False}
        of_image |= _of_snapshot(store, snapshot_id) if snapshot_id else {}
        if not snapshot_id and not ebs.get("VolumeSize"):
            raise Refused("MissingParameter", "The request must contain the parameter size or snapshotId")
    elif snapshot_id not in (None, of_image.get("SnapshotId")):
        text = f"The snapshot of the device '{name}' cannot be changed"
        raise Refused("InvalidBlockDeviceMapping", text)
    least = of_image.get("VolumeSize", 0)
    size = ebs.get("VolumeSize") or least
    if size < least:
        text = f"Volume of size {size}GB is smaller than snapshot '{of_image['SnapshotId']}', expect size >= {least}GB"
        raise Refused("InvalidBlockDeviceMapping", text)
    return {**of_image, **{key: value for key, value in ebs.items() if value is not None}, "VolumeSize": size}


def _of_snapshot(store: Any, snapshot_id: str) -> Answer:
    snapshot = store.snapshots.get(snapshot_id)
    if snapshot is None:
        raise Refused("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")
    return {"SnapshotId": snapshot_id, "VolumeSize": snapshot.volume.size, "Encrypted": bool(snapshot.encrypted)}


def _check(ebs: Answer) -> None:
    kind, iops = ebs.get("VolumeType", "gp2"), ebs.get("Iops")
    if kind not in TYPES:
        raise Refused("InvalidParameterValue", f"Value ({kind}) for parameter volumeType is invalid.")
    if iops and kind not in TAKES_IOPS:
        raise Refused("InvalidParameterCombination", f"The parameter iops is not supported for {kind} volumes.")
    if kind in NEEDS_IOPS and not iops:
        raise Refused("MissingParameter", f"The parameter iops must be specified for {kind} volumes.")
    if ebs.get("Throughput") and kind != "gp3":
        raise Refused("InvalidParameterCombination", f"The parameter throughput is not supported for {kind} volumes.")
    if ebs.get("KmsKeyId") and not ebs.get("Encrypted"):
        raise Refused(
            "InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set."
        )
    most = 1024 if kind == "standard" else 16384 if kind in ("gp2", "io1", "sc1", "st1") else 65536
    if not 1 <= ebs["VolumeSize"] <= most:
        raise Refused("InvalidParameterValue", f"Volume size {ebs['VolumeSize']} is invalid for volume type {kind}.")


def doom(call: Call, found: list[Answer]) -> instance_states.Reason:
    """Return why a launch with these volumes ends instead of running, if it does."""
    keys = [device["Ebs"]["KmsKeyId"] for device in found if device["Ebs"].get("KmsKeyId")]
    return instance_states.UNHARMED if all(_is_usable(call, key) for key in keys) else NO_KEY


def _is_usable(call: Call, named: str) -> bool:
    account, region = named.split(":")[4:2:-1] if named.startswith("arn:") else (call.account, call.region)
    if account not in get_backend("kms"):
        return False
    store = get_backend("kms")[account][region]
    wanted = named.rpartition(":key/")[2]
    alias = wanted.rpartition(":")[2]
    for key in store.keys.values():
        if key.id == wanted or alias in key.aliases:
            return bool(key.key_state == "Enabled")
    return False


def attach(world: "World", instance: Any, found: list[Answer], tags: dict[str, str]) -> None:
    """Make an instance's volumes, with these tags, and attach them."""
    store = instance.ec2_backend
    for device in found:
        ebs = device["Ebs"]
        volume = store.create_volume(
            size=ebs["VolumeSize"],
            zone_name=instance.placement.zone,
            encrypted=bool(ebs.get("Encrypted")),
            kms_key_id=ebs.get("KmsKeyId"),
            volume_type=ebs.get("VolumeType"),
            iops=ebs.get("Iops"),
            throughput=ebs.get("Throughput"),
        )
        volume.create_time = world.clock.now()
        volume.snapshot_id = ebs.get("SnapshotId")  # of another account's image, moto would not find it
        volume.add_tags(tags)
        name = device["DeviceName"]
        store.attach_volume(volume.id, instance.id, name, bool(ebs.get("DeleteOnTermination")))
        volume.attachment.attach_time = instance.block_device_mapping[name].attach_time = world.clock.now()


def _take_away(_: "World", instance: Any) -> None:
    store = instance.ec2_backend
    for device, mapping in instance.get_block_device_mapping:
        del instance.block_device_mapping[device]
        volume = store.volumes.get(mapping.volume_id)
        if volume is None:
            continue
        volume.attachment = None
        if mapping.delete_on_termination:
            store.volumes.pop(volume.id)
            store.tags.pop(volume.id, None)


instance_states.ENDED.append(_take_away)
