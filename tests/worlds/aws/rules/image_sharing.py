"""Who may launch an image, and to whom it is offered: permissions and deprecation, changed by its owner alone."""

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.rules import answer, images

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


@answer("ec2", "ModifyImageAttribute")
def modify(_: "World", call: Call) -> Answer:
    """Give and take launch permissions, or change the description."""
    asked, image = call.params, images.own(call, call.params["ImageId"])
    if asked.get("ProductCodes") or asked.get("ImdsSupport"):
        raise CannotAnswer("product codes and the metadata version of an image")
    if asked.get("Description"):
        image.description = asked["Description"].get("Value", "")
    if asked.get("Attribute") == "description":
        image.description = asked.get("Value", "")
    given, taken = _permissions(call, "Add"), _permissions(call, "Remove")
    for permission in given + taken:
        _check(permission)
    kept = [permission for permission in image.launch_permissions if permission not in taken]
    image.launch_permissions = kept + [permission for permission in given if permission not in kept]
    return {}


@answer("ec2", "ResetImageAttribute")
def reset(_: "World", call: Call) -> Answer:
    """Take all launch permissions away."""
    images.own(call, call.params["ImageId"]).launch_permissions = []
    return {}


@answer("ec2", "DescribeImageAttribute")
def describe(_: "World", call: Call) -> Answer:
    """Tell who may launch an image, or its description."""
    image = images.own(call, call.params["ImageId"])
    attribute = call.params["Attribute"]
    if attribute == "launchPermission":
        return {"ImageId": image.id, "LaunchPermissions": image.launch_permissions}
    if attribute == "description":
        return {"ImageId": image.id, "Description": {"Value": image.description or ""}}
    raise CannotAnswer(f"an image's attribute {attribute}")


@answer("ec2", "EnableImageDeprecation")
def deprecate(world: "World", call: Call) -> Answer:
    """Let an image be told of to nobody but its owner from a time on, by whole minutes ("Deprecate an AMI")."""
    image, when = images.own(call, call.params["ImageId"]), call.params["DeprecateAt"]
    told = (when + timedelta(seconds=30)).replace(second=0, microsecond=0)
    if told.timestamp() <= world.clock.now_s():
        raise Refused("InvalidParameterValue", "DeprecateAt must be in the future")
    image.kept = {**getattr(image, "kept", {}), "DeprecationTime": told.astimezone(UTC).strftime(images.DATES)}
    return {"Return": True}


def _permissions(call: Call, verb: str) -> list[dict[str, str]]:
    asked: dict[str, Any] = call.params
    listed = list((asked.get("LaunchPermission") or {}).get(verb) or [])
    if asked.get("OperationType") == {"Add": "add", "Remove": "remove"}[verb]:
        listed += [{"UserId": user} for user in asked.get("UserIds") or []]
        listed += [{"Group": group} for group in asked.get("UserGroups") or []]
    return listed


def _check(permission: dict[str, str]) -> None:
    user, group = permission.get("UserId"), permission.get("Group")
    if user is not None and not (len(user) == 12 and user.isdigit()):
        raise Refused("InvalidAMIAttributeItemValue", f'Invalid attribute item value "{user}" for userId item type.')
    if group is not None and group != "all":
        raise Refused(
            "InvalidAMIAttributeItemValue", f'Invalid attribute item value "{group}" for UserGroup item type.'
        )
    if user is None and group is None:
        raise CannotAnswer("launch permissions of organisations")
