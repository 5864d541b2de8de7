"""Instances are real hosts where the world's setting ``hosts`` is true; see ``tests.worlds.aws.hosts``."""

import base64
from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Answer, Call
from tests.worlds.aws.hosts import hosts
from tests.worlds.aws.rules import amend, images
from tests.worlds.aws.rules.instance_states import LIFE, NOT_READY, Event

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


def _tell(world: "World", event: Event) -> None:
    if event.kind == "launched" and not world.settings.get("hosts"):
        return
    here = hosts.made(world) if event.kind == "launched" else hosts.of(world)
    if here is not None:
        here.told(event)


def _is_not_ready(world: "World", instance_id: str) -> bool:
    here = hosts.of(world)
    return here is not None and not here.is_ready(instance_id)


LIFE.append(_tell)
NOT_READY.append(_is_not_ready)


@amend("ec2", "GetConsoleOutput")
def _tell_console(world: "World", call: Call, answer: Answer) -> None:
    """A host's console shows its host key, so that a client can know it beforehand ("Get instance console output")."""
    here = hosts.of(world)
    shown = here.console(call.params["InstanceId"]) if here else None
    if shown is not None:
        answer["Output"] = base64.b64encode(shown.encode()).decode()


@amend("efs", "DeleteFileSystem")
def _delete_files(world: "World", call: Call, _: Answer) -> None:
    here = hosts.of(world)
    if here is not None:
        here.forget(call.params["FileSystemId"])


@amend("ec2", "CreateSnapshot")
def _save_disk(world: "World", call: Call, answer: Answer) -> None:
    """A snapshot of a host's root volume holds what is on its disk."""
    here = hosts.of(world)
    if here is not None:
        here.save_disk(answer["SnapshotId"], call.params["VolumeId"])


@amend("ec2", "CreateImage")
def _save_disks(world: "World", call: Call, answer: Answer) -> None:
    here, store = hosts.of(world), world.backend(call)
    for name in _snapshots(store.amis[answer["ImageId"]]) if here else []:
        here.save_disk(name, store.snapshots[name].volume.id)


@amend("ec2", "CopyImage")
def _copy_disks(world: "World", call: Call, answer: Answer) -> None:
    here = hosts.of(world)
    if here is not None:
        source = images.known(call, call.params["SourceImageId"], call.params["SourceRegion"])
        copy = world.backend(call).amis[answer["ImageId"]]
        for old, new in zip(_snapshots(source), _snapshots(copy), strict=True):
            here.disks.give(new, of=old)


@amend("ec2", "CopySnapshot")
def _copy_disk(world: "World", call: Call, answer: Answer) -> None:
    here = hosts.of(world)
    if here is not None:
        here.disks.give(answer["SnapshotId"], of=call.params["SourceSnapshotId"])


@amend("ec2", "DeleteSnapshot")
def _delete_disk(world: "World", call: Call, _: Answer) -> None:
    here = hosts.of(world)
    if here is not None:
        here.disks.forget(call.params["SnapshotId"])


def _snapshots(image: Any) -> list[str]:
    return [device["Ebs"]["SnapshotId"] for device in images.devices_of(image)]
