"""A service's own role is there after the first thing that needs it."""

from typing import TYPE_CHECKING

from tests.worlds.aws.call import Answer, Call
from tests.worlds.aws.permissions import service_roles
from tests.worlds.aws.rules import amend

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


@amend("efs", "CreateMountTarget")
def of_file_systems(world: "World", call: Call, answer: Answer) -> None:
    """EFS makes its role with the first mount target."""
    service_roles.make(call.account, "elasticfilesystem.amazonaws.com")


@amend("ec2", "RunInstances")
def of_spot(world: "World", call: Call, answer: Answer) -> None:
    """EC2 makes the role of spot instances with the first of them."""
    if any(instance.get("InstanceLifecycle") == "spot" for instance in answer["Instances"]):
        service_roles.make(call.account, "spot.amazonaws.com")
