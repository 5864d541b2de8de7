"""Snapshots: whose they are, and that they take a while.

Moto tells the snapshots of Amazon's images as each account's own, whatever owner is asked for.
"""

from datetime import UTC
from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, answer, images, refuse
from tests.worlds.aws.rules.document_filters import chosen
from tests.worlds.aws.rules.instance_documents import tags_of

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

PENDING_S = 30.0
"""How long a snapshot is made; the world's setting ``snapshot_pending_s`` changes it."""

FILTERS = {
    "description": "Description",
    "encrypted": "Encrypted",
    "owner-id": "OwnerId",
    "progress": "Progress",
    "snapshot-id": "SnapshotId",
    "start-time": "StartTime",
    "status": "State",
    "storage-tier": "StorageTier",
    "volume-id": "VolumeId",
    "volume-size": "VolumeSize",
}


@amend("ec2", "CreateSnapshot", "CopySnapshot")
def take_a_while(world: "World", call: Call, document: Answer) -> None:
    """A new snapshot is ``pending``."""
    snapshot = world.backend(call).snapshots[document["SnapshotId"]]
    images.be_ready_later(world, snapshot, float(world.settings.get("snapshot_pending_s", PENDING_S)))
    if call.operation == "CreateSnapshot":
        document.update(State="pending", Progress="")


@answer("ec2", "DescribeSnapshots")
def describe(world: "World", call: Call) -> Answer:
    """Tell the caller's snapshots, and those that are shared with it."""
    found = [snapshot for snapshot in _all(call.region) if _may_see(snapshot, call.account)]
    wanted = call.params.get("SnapshotIds") or []
    known = {snapshot.id for snapshot in found}
    for name in wanted:
        if name not in known:
            raise Refused("InvalidSnapshot.NotFound", f"The snapshot '{name}' does not exist.")
    owners = {call.account if owner == "self" else owner for owner in call.params.get("OwnerIds") or []}
    users = {call.account if user == "self" else user for user in call.params.get("RestorableByUserIds") or []}
    found = [one for one in found if not wanted or one.id in wanted]
    found = [one for one in found if not owners or one.owner_id in owners]
    found = [one for one in found if not users or users & {*_given_to(one), one.owner_id}]
    return {"Snapshots": chosen(call, [_document(one, call.account) for one in found], FILTERS)}


@refuse("ec2", "DeleteSnapshot", "ModifySnapshotAttribute", "ResetSnapshotAttribute", "DescribeSnapshotAttribute")
def only_ones_own(world: "World", call: Call) -> None:
    """A snapshot of another account stays, and so does one that Amazon's images are made of."""
    name = call.params["SnapshotId"]
    if name not in {one.id for one in _all(call.region) if one.owner_id == call.account}:
        raise Refused("InvalidSnapshot.NotFound", f"The snapshot '{name}' does not exist.")


def _all(region: str) -> list[Any]:
    return [snapshot for store in images.stores(region) for snapshot in store.snapshots.values()]


def _may_see(snapshot: Any, account: str) -> bool:
    is_here = snapshot.owner_id == snapshot.ec2_backend.account_id
    return is_here and (snapshot.owner_id == account or bool({account, "all"} & _given_to(snapshot)))


def _given_to(snapshot: Any) -> set[str]:
    return snapshot.create_volume_permission_userids | snapshot.create_volume_permission_groups


def _document(snapshot: Any, account: str) -> Answer:
    is_ready = snapshot.status == "completed"
    told = {
        "Description": snapshot.description or "",
        "Encrypted": bool(snapshot.encrypted),
        "OwnerId": snapshot.owner_id,
        "Progress": "100%" if is_ready else "0%",
        "SnapshotId": snapshot.id,
        "StartTime": snapshot.start_time.replace(tzinfo=UTC),
        "State": snapshot.status,
        "StorageTier": "standard",
        "VolumeId": snapshot.volume.id,
        "VolumeSize": snapshot.volume.size,
    }
    if snapshot.kms_key_id:
        told["KmsKeyId"] = snapshot.kms_key_id
    if snapshot.owner_id == account:
        told["Tags"] = tags_of(snapshot)
    return told
