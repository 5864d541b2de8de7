"""Instance profiles at a launch: one that is not there, and one that EC2 has not heard of yet.

A new profile is refused for some seconds (public bug reports): the world's setting ``new_profile_delay_s``, else 0.
"""

from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, refuse

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


class NewProfiles:
    """When each profile was made, by ARN, in the world's seconds."""

    def __init__(self) -> None:
        self.made_s: dict[str, float] = {}


@amend("iam", "CreateInstanceProfile")
def remember_when(world: "World", _: Call, document: Answer) -> None:
    """Note the world's time of it: moto keeps ours."""
    world.of(NewProfiles).made_s[document["InstanceProfile"]["Arn"]] = world.clock.now_s()


def profile_for(world: "World", call: Call, named: dict[str, Any] | None) -> str:
    """Return the ARN of a launch's instance profile; empty where none is named.

    Raises:
        Refused: There is none, or EC2 has not heard of it yet.
    """
    if not named:
        return ""
    name, arn = named.get("Name"), named.get("Arn")
    if name and arn:
        text = "The parameter iamInstanceProfile.name cannot be used with the parameter iamInstanceProfile.arn"
        raise Refused("InvalidParameterCombination", text)
    for profile in world.backend(call, "iam").instance_profiles.values():
        if (name or arn) in (profile.name, profile.arn) and not _is_too_new(world, profile.arn):
            return str(profile.arn)
    member, words = ("name", "name") if name else ("arn", "ARN")
    text = f"Value ({name or arn}) for parameter iamInstanceProfile.{member} is invalid."
    raise Refused("InvalidParameterValue", f"{text} Invalid IAM Instance Profile {words}")


@refuse("ec2", "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation")
def profile_is_there(world: "World", call: Call) -> None:
    """A running instance gets no profile that EC2 does not know."""
    profile_for(world, call, call.params["IamInstanceProfile"])


def _is_too_new(world: "World", arn: str) -> bool:
    made_s = world.of(NewProfiles).made_s.get(arn, float("-inf"))
    return world.clock.now_s() - made_s < float(world.settings.get("new_profile_delay_s", 0))
