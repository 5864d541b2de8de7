"""EFS: file systems and mount targets that take their time, and mount targets that hold their network.

Codes: the errors of each operation in the "Amazon EFS API Reference". What comes to be and goes away by the clock, and
how long it takes, is of the usual order; settings of the world change it. Where AWS's documentation is silent: deleting
what is being deleted already succeeds, and an access point asked for twice with one token is refused as existing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.worlds.aws import limits, models
from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, answer, refuse
from tests.worlds.aws.rules.lookups import KINDS, of_kind
from tests.worlds.aws.rules.networks import drop_interface, free_addresses
from tests.worlds.aws.rules.passing_time import DUE

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

LASTS_S = {"file_system": 5.0, "mount_target": 20.0, "access_point": 2.0, "updating": 5.0, "deleting": 10.0}
"""Seconds that each needs to become available, to change, or to go; the world's setting ``efs_s`` changes them."""


@dataclass
class Change:
    """Something of EFS that is on its way: at ``until_s`` it has the state, or ``gone`` takes it away."""

    thing: Any
    until_s: float
    gone: Callable[[], None] | None = None


class Changes:
    """All that is on its way."""

    def __init__(self) -> None:
        self.all: list[Change] = []


def _begin(world: "World", thing: Any, state: str, lasts: str, gone: Callable[[], None] | None = None) -> None:
    seconds = {**LASTS_S, **world.settings.get("efs_s", {})}[lasts]
    changes = world.of(Changes)
    changes.all = [change for change in changes.all if change.thing is not thing]
    changes.all.append(Change(thing, world.clock.now_s() + seconds, gone))
    thing.life_cycle_state = state


def _settle(world: "World") -> None:
    changes, now_s = world.of(Changes), world.clock.now_s()
    due = [change for change in changes.all if change.until_s <= now_s]
    changes.all = [change for change in changes.all if change.until_s > now_s]
    for change in due:
        if change.gone:
            change.gone()
        else:
            change.thing.life_cycle_state = "available"


DUE.append(_settle)


def _file_system(world: "World", call: Call, file_system_id: str, *, available: bool = False) -> Any:
    found = world.backend(call, "efs").file_systems_by_id.get(file_system_id)
    if found is None:
        raise Refused("FileSystemNotFound", f"File system '{file_system_id}' does not exist.")
    if available and found.life_cycle_state != "available":
        text = f"None of the operations on '{file_system_id}' is allowed while it is {found.life_cycle_state}."
        raise Refused("IncorrectFileSystemLifeCycleState", text)
    return found


def _mount_target(world: "World", call: Call, *, available: bool = False) -> Any:
    wanted = call.params["MountTargetId"]
    found = world.backend(call).mount_targets_by_id.get(wanted)
    if found is None:
        raise Refused("MountTargetNotFound", f"Mount target '{wanted}' does not exist.")
    if available and found.life_cycle_state != "available":
        raise Refused("IncorrectMountTargetState", f"Mount target '{wanted}' is {found.life_cycle_state}.")
    return found


@refuse(
    "efs",
    "DeleteFileSystemPolicy",
    "DescribeBackupPolicy",
    "DescribeFileSystemPolicy",
    "DescribeLifecycleConfiguration",
    "DescribeMountTargets",
    "DescribeAccessPoints",
)
def _file_system_is_there(world: "World", call: Call) -> None:
    if call.params.get("FileSystemId"):
        _file_system(world, call, call.params["FileSystemId"])
    wanted = call.params.get("AccessPointId")
    if wanted and wanted not in world.backend(call).access_points:
        raise Refused("AccessPointNotFound", f"Access point '{wanted}' does not exist.")


@refuse(
    "efs",
    "CreateMountTarget",
    "CreateAccessPoint",
    "PutBackupPolicy",
    "PutFileSystemPolicy",
    "PutLifecycleConfiguration",
    "UpdateFileSystem",
)
def _file_system_is_available(world: "World", call: Call) -> None:
    _file_system(world, call, call.params["FileSystemId"], available=True)


@refuse("efs", "CreateFileSystem")
def _may_be_made(world: "World", call: Call) -> None:
    systems = world.backend(call).file_systems_by_id.values()
    token = call.params["CreationToken"]
    for system in systems:
        if system.creation_token == token:
            text = f"File system '{system.file_system_id}' already exists with creation token '{token}'"
            raise Refused("FileSystemAlreadyExists", text, FileSystemId=system.file_system_id)
    if len(systems) >= limits.limit(world, call.account, call.region, limits.FILE_SYSTEMS):
        raise Refused("FileSystemLimitExceeded", "You have reached the maximum number of file systems.")
    _throughput_fits(call)
    if call.params.get("KmsKeyId") and _key_arn(world, call, call.params["KmsKeyId"]) == "":
        raise Refused("BadRequest", f"The KMS key '{call.params['KmsKeyId']}' is not there or not enabled.")


def _throughput_fits(call: Call) -> None:
    is_provisioned = call.params.get("ThroughputMode") == "provisioned"
    if is_provisioned != ("ProvisionedThroughputInMibps" in call.params):
        raise Refused(
            "BadRequest", "ProvisionedThroughputInMibps goes with ThroughputMode provisioned, and only there."
        )


def _key_arn(world: "World", call: Call, name: str) -> str:
    keys = world.backend(call, "kms")
    key = keys.keys.get(keys.get_key_id_from_alias(keys.get_alias_name(name)) or keys.get_key_id(name))
    return str(key.arn) if key and key.key_state == "Enabled" else ""


@amend("efs", "CreateFileSystem")
def _is_creating(world: "World", call: Call, told: Answer) -> None:
    system = world.backend(call).file_systems_by_id[told["FileSystemId"]]
    _begin(world, system, "creating", "file_system")
    system.creation_time = world.clock.now_s()
    if system.encrypted:
        # AWS tells the ARN of the key, and takes its own key where none is asked for.
        system.kms_key_id = _key_arn(world, call, system.kms_key_id or "alias/aws/elasticfilesystem")
        told["KmsKeyId"] = system.kms_key_id
    told |= {"LifeCycleState": "creating", "CreationTime": world.clock.now()}


@answer("efs", "UpdateFileSystem")
def _update(world: "World", call: Call) -> Answer:
    _throughput_fits(call)
    system = _file_system(world, call, call.params["FileSystemId"])
    system.throughput_mode = call.params.get("ThroughputMode", system.throughput_mode)
    system.provisioned_throughput_in_mibps = call.params.get("ProvisionedThroughputInMibps")
    _begin(world, system, "updating", "updating")
    members = models.operation_model("efs", "UpdateFileSystem").output_shape.members
    return {name: value for name, value in system.info_json().items() if name in members and value is not None}


@answer("efs", "DeleteFileSystem")
def _delete(world: "World", call: Call) -> Answer:
    system = _file_system(world, call, call.params["FileSystemId"])
    if system.number_of_mount_targets:
        raise Refused("FileSystemInUse", f"File system '{system.file_system_id}' has mount targets.")
    if system.life_cycle_state != "deleting":
        store = world.backend(call)
        _begin(world, system, "deleting", "deleting", lambda: _forget(store, system))
    return {}


def _forget(store: Any, system: Any) -> None:
    for point in [point for point in store.access_points.values() if point.file_system_id == system.file_system_id]:
        store.delete_access_point(point.access_point_id)
    store.delete_file_system(system.file_system_id)


@refuse("efs", "CreateMountTarget")
def _may_be_mounted(world: "World", call: Call) -> None:
    backend = world.backend(call, "ec2")
    subnet = KINDS["subnet"].find(backend, call.params["SubnetId"])
    if subnet is None:
        raise Refused("SubnetNotFound", f"The subnet ID '{call.params['SubnetId']}' does not exist")
    system = _file_system(world, call, call.params["FileSystemId"])
    if system.availability_zone_name and system.availability_zone_name != subnet.availability_zone:
        raise Refused("AvailabilityZonesMismatch", "The file system is of one zone, and the subnet of another.")
    _groups_fit(world, call, subnet.vpc_id)
    wanted = call.params.get("IpAddress")
    if wanted and any(wanted == eni.private_ip_address for eni in backend.enis.values() if eni.subnet.id == subnet.id):
        raise Refused("IpAddressInUse", f"Address '{wanted}' is in use.")
    if free_addresses(world, call, subnet.id) < 1:
        raise Refused("NoFreeAddressesInSubnet", f"The subnet '{subnet.id}' has no free addresses.")


@refuse("efs", "ModifyMountTargetSecurityGroups")
def _may_change_groups(world: "World", call: Call) -> None:
    _groups_fit(world, call, _mount_target(world, call, available=True).vpc_id)


@refuse("efs", "DescribeMountTargetSecurityGroups")
def _may_tell_groups(world: "World", call: Call) -> None:
    _mount_target(world, call, available=True)


def _groups_fit(world: "World", call: Call, vpc_id: str) -> None:
    wanted = call.params.get("SecurityGroups", [])
    if len(wanted) > 5:
        text = "The maximum number of security groups per interface has been reached."
        raise Refused("SecurityGroupLimitExceeded", text)
    for name in wanted:
        group = KINDS["sg"].find(world.backend(call, "ec2"), name)
        if group is None or group.vpc_id != vpc_id:
            raise Refused(
                "SecurityGroupNotFound", f"The SecurityGroup ID '{name}' does not exist in the VPC '{vpc_id}'"
            )


@amend("efs", "CreateMountTarget")
def _is_mounting(world: "World", call: Call, told: Answer) -> None:
    backend = world.backend(call, "ec2")
    target = world.backend(call).mount_targets_by_id[told["MountTargetId"]]
    if not target.security_groups:
        target.security_groups = [backend.get_default_security_group(target.vpc_id).id]
    interface = of_kind(backend, "eni", target.network_interface_id)
    interface._group_set = [of_kind(backend, "sg", name) for name in target.security_groups]
    interface.description = f"EFS mount target for {target.file_system_id} ({target.mount_target_id})"
    interface.requester_managed, interface.status = True, "in-use"
    _begin(world, target, "creating", "mount_target")
    told["LifeCycleState"] = "creating"


@answer("efs", "DeleteMountTarget")
def _unmount(world: "World", call: Call) -> Answer:
    target = _mount_target(world, call)
    if target.life_cycle_state != "deleting":
        backend, store = world.backend(call, "ec2"), world.backend(call)
        _begin(world, target, "deleting", "deleting", lambda: _take_off(backend, store, target))
    return {}


def _take_off(backend: Any, store: Any, target: Any) -> None:
    interface = backend.enis.get(target.network_interface_id)
    if interface:
        drop_interface(backend, interface)
    store.mount_targets_by_id.pop(target.mount_target_id, None)
    target.clean_up()


@refuse("efs", "CreateAccessPoint")
def _is_no_second_point(world: "World", call: Call) -> None:
    for point in world.backend(call).access_points.values():
        if point.client_token == call.params["ClientToken"]:
            text = f"Access point '{point.access_point_id}' already exists with this token."
            raise Refused("AccessPointAlreadyExists", text, AccessPointId=point.access_point_id)


@amend("efs", "CreateAccessPoint")
def _point_is_creating(world: "World", call: Call, told: Answer) -> None:
    point = world.backend(call).access_points[told["AccessPointId"]]
    _begin(world, point, "creating", "access_point")
    told["LifeCycleState"] = "creating"


@amend("efs", "DescribeAccessPoints")
def _points_as_they_are(world: "World", call: Call, told: Answer) -> None:
    for point in told["AccessPoints"]:
        point["LifeCycleState"] = world.backend(call).access_points[point["AccessPointId"]].life_cycle_state


@answer("efs", "DeleteAccessPoint")
def _delete_point(world: "World", call: Call) -> Answer:
    store, wanted = world.backend(call), call.params["AccessPointId"]
    if wanted not in store.access_points:
        raise Refused("AccessPointNotFound", f"Access point '{wanted}' does not exist.")
    point = store.access_points[wanted]
    _begin(world, point, "deleting", "deleting", lambda: store.delete_access_point(wanted))
    return {}


@refuse("efs", "TagResource", "UntagResource", "ListTagsForResource")
def _is_there(world: "World", call: Call) -> None:
    wanted = call.params["ResourceId"].rpartition("/")[2]
    if wanted.startswith("fsap-") and wanted not in world.backend(call).access_points:
        raise Refused("AccessPointNotFound", f"Access point '{wanted}' does not exist.")
    if not wanted.startswith("fsap-"):
        _file_system(world, call, wanted)


@answer("efs", "DescribeTags")
def _tags_of_old(world: "World", call: Call) -> Answer:
    # Deprecated in favour of ListTagsForResource, and still asked by Ansible's community.aws.efs.
    found = _file_system(world, call, call.params["FileSystemId"])
    return {"Tags": world.backend(call).list_tags_for_resource(found.file_system_id)}


@refuse("efs", "PutFileSystemPolicy")
def _is_a_policy(world: "World", call: Call) -> None:
    try:
        statements = json.loads(call.params["Policy"])["Statement"]
    except (ValueError, KeyError, TypeError):
        statements = []
    if not statements:
        raise Refused("InvalidPolicyException", "The policy is malformed or has a syntax error.")


_ON_ITS_WAY = {"ENABLED": "ENABLING", "DISABLED": "DISABLING"}


@answer("efs", "PutBackupPolicy")
def _put_backup(world: "World", call: Call) -> Answer:
    status = call.params["BackupPolicy"]["Status"]
    if status not in _ON_ITS_WAY:
        raise Refused("ValidationException", "The status of a backup policy is set to ENABLED or DISABLED.")
    _file_system(world, call, call.params["FileSystemId"])._backup = status == "ENABLED"
    return {"BackupPolicy": {"Status": _ON_ITS_WAY[status]}}
