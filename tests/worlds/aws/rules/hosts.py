"""Instances are real hosts where the world's setting ``hosts`` is true; see ``tests.worlds.aws.hosts``."""

import base64
from typing import TYPE_CHECKING

from tests.worlds.aws.call import Answer, Call
from tests.worlds.aws.hosts import hosts
from tests.worlds.aws.rules import amend
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
