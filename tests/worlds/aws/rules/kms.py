"""KMS: the states of a key are kept to, and a key that was given up is gone when its time has come.

What each operation does in each state: "Key states of AWS KMS keys" in the KMS Developer Guide; words as in public bug
reports. Key policies are not weighed, and a key of another account cannot be used: what the world is asked about one
is refused as AWS refuses what its owner does not allow.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.worlds.aws import models
from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, answer, refuse
from tests.worlds.aws.rules.passing_time import DUE

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_ALWAYS = {
    "CancelKeyDeletion",
    "DeleteAlias",
    "DescribeKey",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "ListAliases",
    "ListGrants",
    "ListKeyPolicies",
    "ListKeyRotations",
    "ListResourceTags",
    "PutKeyPolicy",
    "RetireGrant",
    "RevokeGrant",
}
"""Operations that a key pending deletion allows."""

_ENABLED_ONLY = {
    name
    for name in models.service_model("kms").operation_names
    if "DisabledException" in models.known_codes("kms", name)
}

_NAMES = ("KeyId", "TargetKeyId", "DestinationKeyId", "SourceKeyId")


class Doomed:
    """Stores in which a key is pending deletion."""

    def __init__(self) -> None:
        self.stores: list[Any] = []


def _settle(world: "World") -> None:
    now = world.clock.now().replace(tzinfo=None)  # moto's dates are naive
    for store in world.of(Doomed).stores:
        for key in [key for key in store.keys.values() if key.key_state == "PendingDeletion"]:
            if key.deletion_date <= now:
                store.keys.pop(key.id)  # its aliases go with it
                store.tagger.delete_all_tags_for_resource(key.id)


DUE.append(_settle)


@refuse("kms", *(name for name in models.service_model("kms").operation_names if name != "CreateKey"))
def _state_allows(world: "World", call: Call) -> None:
    store = world.backend(call)
    for name in _NAMES:
        if call.params.get(name):
            _is_ours(call, call.params[name])
            _allows(call, _key(store, call.params[name]))
    if call.operation in ("Decrypt", "ReEncrypt"):
        _allows(call, _key_of_ciphertext(store, call.params["CiphertextBlob"]))
    if call.operation == "UpdateAlias":
        _allows(call, _key(store, call.params["AliasName"]))


def _is_ours(call: Call, name: str) -> None:
    if not name.startswith("arn:"):
        return
    _, _, _, region, account, _ = name.split(":", 5)
    if region != call.region:
        raise Refused("NotFoundException", f"Invalid arn {region}")
    if account != call.account:
        text = (
            f"User: {call.principal.arn} is not authorized to perform: kms:{call.operation} on resource: {name} "
            "because the resource does not exist in this Region, no resource-based policies allow access, or a "
            "resource-based policy explicitly denies access"
        )
        raise Refused("AccessDeniedException", text)


def _key(store: Any, name: str) -> Any:
    alias = store.get_alias_name(name)
    if alias.startswith("alias/"):
        return store.keys.get(store.get_key_id_from_alias(alias))
    return store.keys.get(store.get_key_id(name))


def _key_of_ciphertext(store: Any, blob: bytes) -> Any:
    return store.keys.get(blob[:36].decode(errors="replace"))


def _allows(call: Call, key: Any) -> None:
    if key is None:
        return  # moto says that it is not there
    if key.key_state == "PendingDeletion" and call.operation not in _ALWAYS:
        raise Refused("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    if key.key_state == "Disabled" and call.operation in _ENABLED_ONLY:
        raise Refused("DisabledException", f"{key.arn} is disabled.")
    if key.key_state != "PendingDeletion" and call.operation == "CancelKeyDeletion":
        raise Refused("KMSInvalidStateException", f"{key.arn} is not pending deletion.")


@refuse("kms", "ScheduleKeyDeletion")
def _window_fits(world: "World", call: Call) -> None:
    days = call.params.get("PendingWindowInDays", 30)
    if not 7 <= days <= 30:
        bound = "greater than or equal to 7" if days < 7 else "less than or equal to 30"
        text = f"Value '{days}' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value {bound}"
        raise Refused("ValidationException", f"1 validation error detected: {text}")


@refuse("kms", "DisableKey", "EnableKey", "PutKeyPolicy", "ScheduleKeyDeletion", "EnableKeyRotation")
def _is_no_key_of_aws(world: "World", call: Call) -> None:
    key = _key(world.backend(call), call.params["KeyId"])
    if key and _is_of_aws(key):
        raise Refused("AccessDeniedException", f"{key.arn} is managed by AWS: nobody else may do this to it.")


def _is_of_aws(key: Any) -> bool:
    return any(name.startswith("alias/aws/") for name in key.aliases)


@answer("kms", "ScheduleKeyDeletion")
def _give_up(world: "World", call: Call) -> Answer:
    store = world.backend(call)
    key = _there(store, call)
    days = call.params.get("PendingWindowInDays", 30)
    key.enabled, key.key_state = False, "PendingDeletion"
    ends = world.clock.now() + timedelta(days=days)
    key.deletion_date = ends.replace(tzinfo=None)
    world.of(Doomed).stores.append(store)
    told = {"KeyId": key.arn, "DeletionDate": ends, "KeyState": key.key_state}
    return {**told, "PendingWindowInDays": days}


@answer("kms", "CancelKeyDeletion")
def _save(world: "World", call: Call) -> Answer:
    key = _there(world.backend(call), call)
    key.key_state, key.deletion_date = "Disabled", None
    return {"KeyId": key.arn}


@answer("kms", "DisableKey", "EnableKey")
def _switch(world: "World", call: Call) -> Answer:
    key = _there(world.backend(call), call)
    key.enabled = call.operation == "EnableKey"
    key.key_state = "Enabled" if key.enabled else "Disabled"
    return {}


def _there(store: Any, call: Call) -> Any:
    name = call.params["KeyId"]
    key = None if "alias/" in name else _key(store, name)
    if key is None:
        raise Refused("NotFoundException", f"Key '{name}' does not exist")
    return key


@amend("kms", "CreateKey")
def _made_by_the_clock(world: "World", call: Call, told: Answer) -> None:
    key = world.backend(call).keys[told["KeyMetadata"]["KeyId"]]
    key.creation_date = world.clock.now_s()
    told["KeyMetadata"]["CreationDate"] = datetime.fromtimestamp(int(key.creation_date), UTC)


@amend("kms", "DescribeKey")
def _who_manages_it(world: "World", call: Call, told: Answer) -> None:
    if _is_of_aws(world.backend(call).keys[told["KeyMetadata"]["KeyId"]]):
        told["KeyMetadata"]["KeyManager"] = "AWS"
