"""Images: which of them an account sees, and may launch. Moto shows to each account its own ones and Amazon's only.

An image is seen by its owner, by those to whom a launch permission is given, and by all when it is public ("Shared
AMIs" in the EC2 User Guide). Its tags are shown to its owner alone.
"""

from collections.abc import Iterable
from datetime import UTC
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import answer
from tests.worlds.aws.rules.document_filters import chosen
from tests.worlds.aws.rules.instance_documents import tags_of
from tests.worlds.aws.rules.passing_time import DUE

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

DATES = "%Y-%m-%dT%H:%M:%S.000Z"
"""How images tell times."""

PUBLIC_ROOT_GIB = 8
"""The root volume of each public image in the world, in GiB."""

FILTERS = {
    "architecture": "Architecture",
    "block-device-mapping.delete-on-termination": "BlockDeviceMappings.Ebs.DeleteOnTermination",
    "block-device-mapping.device-name": "BlockDeviceMappings.DeviceName",
    "block-device-mapping.encrypted": "BlockDeviceMappings.Ebs.Encrypted",
    "block-device-mapping.snapshot-id": "BlockDeviceMappings.Ebs.SnapshotId",
    "block-device-mapping.volume-size": "BlockDeviceMappings.Ebs.VolumeSize",
    "block-device-mapping.volume-type": "BlockDeviceMappings.Ebs.VolumeType",
    "creation-date": "CreationDate",
    "description": "Description",
    "ena-support": "EnaSupport",
    "hypervisor": "Hypervisor",
    "image-id": "ImageId",
    "image-type": "ImageType",
    "is-public": "Public",
    "manifest-location": "ImageLocation",
    "name": "Name",
    "owner-alias": "ImageOwnerAlias",
    "owner-id": "OwnerId",
    "platform": "Platform",
    "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType",
    "source-image-id": "SourceImageId",
    "source-instance-id": "SourceInstanceId",
    "state": "State",
    "sriov-net-support": "SriovNetSupport",
    "virtualization-type": "VirtualizationType",
}


class Images:
    """Images and snapshots that are being made: moto's objects, with the time when each is ready."""

    def __init__(self) -> None:
        self.making: dict[str, tuple[Any, float]] = {}


def visible(account: str, region: str) -> list[Any]:
    """Return all images that an account sees in a region."""
    return [image for image in _all(account, region) if may_launch(image, account)]


def may_launch(image: Any, account: str) -> bool:
    """Tell whether an account may launch an image, and so sees it."""
    return image.owner_id == account or image.is_public or {"UserId": account} in image.launch_permissions


def find(call: Call, image_id: str, region: str = "") -> Any:
    """Return an image that a call names, in the call's region or another.

    Raises:
        Refused: There is none of this id, or the caller may not use it.
    """
    wanted = known(call, image_id, region)
    if not may_launch(wanted, call.account):
        raise Refused("AuthFailure", f"Not authorized for images: [{image_id}]", 400)
    return wanted


def own(call: Call, image_id: str) -> Any:
    """Return an image of the caller's own.

    Raises:
        Refused: It is another's, or there is none of this id.
    """
    wanted = known(call, image_id)
    if wanted.owner_id != call.account or wanted.owner_alias == "amazon":
        raise Refused("AuthFailure", f"Not authorized for image:{image_id}", 400)
    return wanted


def known(call: Call, image_id: str, region: str = "") -> Any:
    """Return an image by its id, whoever may see it.

    Raises:
        Refused: There is none of this id, or no longer.
    """
    if not image_id.startswith("ami-"):
        raise Refused("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
    found = next((image for image in _all(call.account, region or call.region) if image.id == image_id), None)
    if found is not None:
        return found
    if image_id in _deregistered(region or call.region):
        raise Refused("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is no longer available")
    raise Refused("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")


def devices_of(image: Any) -> list[Answer]:
    """Return an image's volumes as a new list of block device mappings: the root volume is the first."""
    kept: list[Answer] | None = getattr(image, "devices", None)
    if kept is not None:
        return [{**device, "Ebs": dict(device["Ebs"])} for device in kept]
    root = {
        "DeleteOnTermination": True,
        "Encrypted": False,
        "SnapshotId": image.ebs_snapshot.id,
        "VolumeSize": PUBLIC_ROOT_GIB,
        "VolumeType": "gp3",
    }
    return [{"DeviceName": image.root_device_name, "Ebs": root}]


def kept_of(image: Any, name: str, otherwise: Any = None) -> Any:
    """Return what moto does not keep of an image that was made in this world."""
    return getattr(image, "kept", {}).get(name, otherwise)


def image_document(image: Any, account: str) -> Answer:
    """Return an image as an account sees it."""
    is_windows = image.platform == "windows"
    document = {
        "Architecture": image.architecture,
        "BlockDeviceMappings": devices_of(image),
        "CreationDate": image.creation_date.replace(tzinfo=UTC).strftime(DATES),
        "EnaSupport": kept_of(image, "EnaSupport", otherwise=image.virtualization_type == "hvm"),
        "Hypervisor": "xen",
        "ImageId": image.id,
        "ImageLocation": f"{image.owner_alias or image.owner_id}/{image.name}",
        "ImageType": "machine",
        "Name": image.name,
        "OwnerId": image.owner_id,
        "PlatformDetails": "Windows" if is_windows else "Linux/UNIX",
        "Public": image.is_public,
        "RootDeviceName": image.root_device_name,
        "RootDeviceType": "ebs",
        "SriovNetSupport": "simple",
        "State": image.state,
        "UsageOperation": "RunInstances:0002" if is_windows else "RunInstances",
        "VirtualizationType": image.virtualization_type,
    }
    if_any = {
        "BootMode": kept_of(image, "BootMode"),
        "DeprecationTime": kept_of(image, "DeprecationTime"),
        "Description": image.description,
        "ImageOwnerAlias": image.owner_alias,
        "ImdsSupport": kept_of(image, "ImdsSupport"),
        "Platform": "windows" if is_windows else None,
        "SourceImageId": kept_of(image, "SourceImageId"),
        "SourceImageRegion": kept_of(image, "SourceImageRegion"),
        "SourceInstanceId": image.instance_id,
        "Tags": tags_of(image) if image.owner_id == account else None,
    }
    return {**document, **{name: value for name, value in if_any.items() if value}}


@answer("ec2", "DescribeImages")
def describe(world: "World", call: Call) -> Answer:
    """Tell the images that the caller sees, of the accounts and the users that it names."""
    images: Iterable[Any] = visible(call.account, call.region)
    wanted = call.params.get("ImageIds") or []
    if wanted:
        images = [image for image in images if image.id in wanted]
        _refuse_unknown(call, wanted, {image.id for image in images})
    elif not call.params.get("IncludeDeprecated"):
        now = world.clock.now().strftime(DATES)
        images = [one for one in images if one.owner_id == call.account or kept_of(one, "DeprecationTime", now) >= now]
    owners = {call.account if owner == "self" else owner for owner in call.params.get("Owners") or []}
    if owners:
        images = [image for image in images if {image.owner_id, image.owner_alias} & owners]
    users = {call.account if user == "self" else user for user in call.params.get("ExecutableUsers") or []}
    if users:
        images = [image for image in images if _is_given_to(image, users, call.account)]
    return {"Images": chosen(call, [image_document(image, call.account) for image in images], FILTERS)}


def _refuse_unknown(call: Call, wanted: list[str], found: set[str]) -> None:
    missing = [image_id for image_id in wanted if image_id not in found | _deregistered(call.region)]
    for image_id in missing:
        if not image_id.startswith("ami-"):
            raise Refused("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
    if missing:
        raise Refused("InvalidAMIID.NotFound", f"The image id '[{', '.join(missing)}]' does not exist")


def _is_given_to(image: Any, users: set[str], account: str) -> bool:
    if "all" in users and image.is_public:
        return True
    # Whom an image is given to is known to its owner, and to the account itself.
    asked = users if image.owner_id == account else users & {account}
    return any({"UserId": user} in image.launch_permissions for user in asked)


def _all(account: str, region: str) -> list[Any]:
    images = list(get_backend("ec2")[account][region].amis.values())
    for store in stores(region):
        if store.account_id != account:
            images += [image for image in list(store.amis.values()) if image.owner_alias != "amazon"]
    return images


def stores(region: str) -> list[Any]:
    """Return moto's stores of a region, of all accounts that have used it."""
    accounts = get_backend("ec2")
    # Asked whether it has a region, moto says yes for each that AWS has, and makes a store when it is read.
    return [accounts[name][region] for name in list(accounts.keys()) if region in list(accounts[name].keys())]


def _deregistered(region: str) -> set[str]:
    return {image_id for store in stores(region) for image_id in store.deleted_amis}


def be_ready_later(world: "World", made: Any, lasts_s: float) -> None:
    """Let an image or a snapshot be ``pending`` for a while; then it is what it should be."""
    _show(made, is_ready=False)
    world.of(Images).making[made.id] = (made, world.clock.now_s() + lasts_s)


def _settle(world: "World") -> None:
    making = world.of(Images).making
    for name, (made, ready_s) in list(making.items()):
        if ready_s <= world.clock.now_s():
            _show(made, is_ready=True)
            making.pop(name)


def _show(made: Any, *, is_ready: bool) -> None:
    if made.id.startswith("snap-"):
        made.status = "completed" if is_ready else "pending"
    else:
        made.state = "available" if is_ready else "pending"


DUE.append(_settle)
