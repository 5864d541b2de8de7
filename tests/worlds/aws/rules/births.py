"""IAM is eventually consistent: what is new there is not known elsewhere for some seconds of the world's time."""

from typing import TYPE_CHECKING

from tests.worlds.aws.call import Answer, Call
from tests.worlds.aws.rules import amend

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


class Births:
    """When roles and instance profiles were made, by their unique ids, in the world's seconds."""

    def __init__(self) -> None:
        self.at_s: dict[str, float] = {}


@amend("iam", "CreateRole")
def of_a_role(world: "World", call: Call, answer: Answer) -> None:
    """A new role can be assumed only after the world's setting ``new_role_delay_s``."""
    world.of(Births).at_s[answer["Role"]["RoleId"]] = world.clock.now_s()


@amend("iam", "CreateInstanceProfile")
def of_a_profile(world: "World", call: Call, answer: Answer) -> None:
    """A new profile can be launched with only after the world's setting ``new_profile_delay_s``."""
    world.of(Births).at_s[answer["InstanceProfile"]["InstanceProfileId"]] = world.clock.now_s()


def is_too_new(world: "World", unique_id: str, setting: str) -> bool:
    """Tell whether something of IAM was made less than a setting's seconds ago."""
    born_s = world.of(Births).at_s.get(unique_id)
    return born_s is not None and world.clock.now_s() < born_s + float(world.settings.get(setting, 0))
