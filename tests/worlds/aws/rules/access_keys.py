"""Users' access keys: who has one signs with it in the whole world, until it is deleted or made inactive."""

from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Answer, Call, Principal, Refused
from tests.worlds.aws.keys import Key
from tests.worlds.aws.permissions import attached
from tests.worlds.aws.rules import amend, refuse

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_OWN = ("CreateAccessKey", "DeleteAccessKey", "GetUser", "ListAccessKeys", "UpdateAccessKey")


@refuse("iam", *_OWN)
def of_no_user(world: "World", call: Call) -> None:
    """Without a user's name these are about the caller, who must then be a user."""
    if not call.params.get("UserName") and call.principal.role:
        text = "Must specify userName when calling with non-User credentials"
        raise Refused("ValidationError", text, 400)


@amend("iam", "CreateAccessKey")
def add(world: "World", call: Call, answer: Answer) -> None:
    """A new key can be signed with."""
    made = answer["AccessKey"]
    user = _user(call, made["AccessKeyId"])
    world.keys.add(_key(user, made["AccessKeyId"], made["SecretAccessKey"]))


@amend("iam", "DeleteAccessKey")
def remove(world: "World", call: Call, answer: Answer) -> None:
    """A deleted key is not known any more, nor are the sessions that it asked for."""
    world.keys.remove(call.params["AccessKeyId"])


@amend("iam", "UpdateAccessKey", "UpdateUser")
def change(world: "World", call: Call, answer: Answer) -> None:
    """An inactive key is as good as none, until it is active again; a user's new name is in its ARN."""
    for user in list(attached.store(call.account).users.values()):
        for key in user.access_keys:
            if key.status == "Active":
                world.keys.add(_key(user, key.access_key_id, key.secret_access_key))
            else:
                world.keys.remove(key.access_key_id)


def _user(call: Call, access_key: str) -> Any:
    users = list(attached.store(call.account).users.values())
    return next(user for user in users if any(key.access_key_id == access_key for key in user.access_keys))


def _key(user: Any, access_key: str, secret: str) -> Key:
    return Key(access_key, secret, Principal(user.arn, user.account_id, user.id))
