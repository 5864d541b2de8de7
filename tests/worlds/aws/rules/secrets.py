"""Secrets Manager: a secret that was deleted keeps its name until its time has come.

By "DeleteSecret" and "CreateSecret" in its API reference; words as in public bug reports.
"""

from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, refuse
from tests.worlds.aws.rules.passing_time import DUE

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_DAY_S = 24 * 3600


class Doomed:
    """Stores in which a secret is scheduled for deletion."""

    def __init__(self) -> None:
        self.stores: list[Any] = []


def _settle(world: "World") -> None:
    for store in world.of(Doomed).stores:
        for name, secret in list(store.secrets.items()):
            if secret.deleted_date is not None and secret.deleted_date <= world.clock.now_s():
                store.secrets.pop(name)


DUE.append(_settle)


@refuse("secretsmanager", "CreateSecret")
def _name_is_free(world: "World", call: Call) -> None:
    found = world.backend(call).secrets.get(call.params["Name"])
    if found is not None and found.deleted_date is not None:
        text = "You can't create this secret because a secret with this name is already scheduled for deletion."
        raise Refused("InvalidRequestException", text)


@amend("secretsmanager", "DeleteSecret")
def _deleted_by_the_clock(world: "World", call: Call, told: Answer) -> None:
    store = world.backend(call)
    window_s = (
        0 if call.params.get("ForceDeleteWithoutRecovery") else call.params.get("RecoveryWindowInDays", 30) * _DAY_S
    )
    secret = store.secrets.get(told["Name"])
    if secret is not None:
        secret.deleted_date = int(world.clock.now_s() + window_s)
        world.of(Doomed).stores.append(store)
    told["DeletionDate"] = int(world.clock.now_s() + window_s)


@amend("secretsmanager", "ListSecretVersionIds")
def _versions_in_use(world: "World", call: Call, told: Answer) -> None:
    secret = world.backend(call).secrets[call.params["SecretId"]]
    told |= {"ARN": secret.arn, "Name": secret.name}
    told["Versions"] = [
        {name: value for name, value in version.items() if name != "VersionStages" or value}
        for version in told.get("Versions", [])
        if version.get("VersionStages") or call.params.get("IncludeDeprecated")
    ]
