"""Whether policies allow a call."""

from typing import TYPE_CHECKING

from tests.worlds.aws.call import Call

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


def authorise(world: "World", call: Call) -> list[tuple[str, str]]:
    """Return the (IAM action, resource ARN) pairs that a call needs, all of them allowed.

    Raises:
        Refused: A policy denies one of them, or none allows it; in the words of the call's service.
    """
    return []
