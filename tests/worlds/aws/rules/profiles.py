"""Instance profiles at a launch: one that is not there, and one that EC2 has not heard of yet.

A new profile is refused for some seconds (public bug reports): the world's setting ``new_profile_delay_s``, else 0.
"""

from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Call, Refused
from tests.worlds.aws.rules import refuse
from tests.worlds.aws.rules.births import is_too_new

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


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
        if (name or arn) in (profile.name, profile.arn) and not is_too_new(world, profile.id, "new_profile_delay_s"):
            return str(profile.arn)
    member, words = ("name", "name") if name else ("arn", "ARN")
    text = f"Value ({name or arn}) for parameter iamInstanceProfile.{member} is invalid."
    raise Refused("InvalidParameterValue", f"{text} Invalid IAM Instance Profile {words}")


@refuse("ec2", "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation")
def profile_is_there(world: "World", call: Call) -> None:
    """A running instance gets no profile that EC2 does not know."""
    profile_for(world, call, call.params["IamInstanceProfile"])
