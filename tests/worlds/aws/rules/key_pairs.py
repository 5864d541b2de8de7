"""Key pairs by their ids: moto reads only their names, and keeps what is deleted by id.

By "DeleteKeyPair" and "DescribeKeyPairs" in the "Amazon EC2 API Reference".
"""

from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, answer, refuse

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


def _by_id(world: "World", call: Call, wanted: str) -> Any:
    pairs = world.backend(call).key_pairs.values()
    return next((pair for pair in pairs if pair.id == wanted), None)


@answer("ec2", "DeleteKeyPair")
def _delete(world: "World", call: Call) -> Answer:
    name, wanted = call.params.get("KeyName"), call.params.get("KeyPairId")
    if not name and not wanted:
        raise Refused("MissingParameter", "The request must contain the parameter KeyName or KeyPairId")
    backend = world.backend(call)
    pair = backend.key_pairs.get(name) if name else _by_id(world, call, str(wanted))
    if pair is None:
        return {"Return": True}  # what is not there is deleted
    backend.key_pairs.pop(pair.key_name)
    backend.tags.pop(pair.id, None)
    return {"Return": True, "KeyPairId": pair.id}


@refuse("ec2", "DescribeKeyPairs")
def _are_there(world: "World", call: Call) -> None:
    for wanted in call.params.get("KeyPairIds", []):
        if _by_id(world, call, wanted) is None:
            raise Refused("InvalidKeyPair.NotFound", f"The key pair ID '{wanted}' does not exist")


@amend("ec2", "DescribeKeyPairs")
def _only_these(_: "World", call: Call, told: Answer) -> None:
    wanted = call.params.get("KeyPairIds")
    if wanted:
        told["KeyPairs"] = [pair for pair in told["KeyPairs"] if pair["KeyPairId"] in wanted]
