"""SSM: commands go to no node that it does not manage, and parameters are small.

By "SendCommand" and "PutParameter" in its API reference; words as in public bug reports. The world runs no SSM agent:
what would need one cannot be answered.
"""

from typing import TYPE_CHECKING

from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.rules import answer, refuse

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


def _instances(world: "World", call: Call) -> set[str]:
    return {instance.id for instance in world.backend(call, "ec2").all_instances()}


@answer("ssm", "SendCommand")
def _send(world: "World", call: Call) -> Answer:
    known, wanted = _instances(world, call), call.params.get("InstanceIds", [])
    if call.params.get("Targets") or (wanted and known.issuperset(wanted)):
        raise CannotAnswer("no SSM agent runs on the world's instances")
    names = ", ".join(name for name in wanted if name not in known)
    raise Refused("InvalidInstanceId", f"Instances [[{names}]] not in a valid state for account {call.account}")


@answer("ssm", "DescribeInstanceInformation")
def _managed(world: "World", call: Call) -> Answer:
    if _instances(world, call):
        raise CannotAnswer("no SSM agent runs on the world's instances")
    return {"InstanceInformationList": []}


@refuse("ssm", "PutParameter")
def _is_small(_: "World", call: Call) -> None:
    if call.params.get("Tier", "Standard") == "Standard" and len(call.params["Value"].encode()) > 4096:
        text = (
            "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger "
            "parameter value, upgrade the parameter to use the advanced-parameter tier."
        )
        raise Refused("ValidationException", text)
