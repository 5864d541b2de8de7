"""A launch whose caller may not use the key of its volumes: EC2 answers, and the instance ends instead of running.

By "Instance terminates immediately" in the EC2 User Guide: ``Client.InternalError``.
"""

from typing import TYPE_CHECKING

from tests.worlds.aws.call import Answer, Call
from tests.worlds.aws.rules import amend
from tests.worlds.aws.rules.instance_states import BROKEN, Lives

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


@amend("ec2", "RunInstances")
def end(world: "World", call: Call, answer: Answer) -> None:
    """Doom the instances."""
    if call.keep.get("denied_later"):
        for instance in answer["Instances"]:
            world.of(Lives).all[instance["InstanceId"]].doom = BROKEN
