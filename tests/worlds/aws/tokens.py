"""Client tokens: the same token and the same request give the same answer, and nothing is made twice."""

from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from tests.worlds.aws import models
from tests.worlds.aws.call import Call, Refused

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_OWN_RULE = {"efs:CreateFileSystem"}
"""A second call with the same token is refused there, not answered."""


class Tokens:
    """Answers by (account, region, operation, token), each with the digest of its request."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str, str, str], tuple[str, Response]] = {}


def seen_before(world: "World", call: Call) -> Response | None:
    """Return the first answer to this token; None where it is new.

    Raises:
        Refused: The token came with another request before.
    """
    member = _member(call)
    known = world.of(Tokens).answers.get(_key(call, member)) if member else None
    if known is None:
        return None
    digest, response = known
    if digest != call.digest(member):
        text = "The client token you have provided is associated with a resource that was made by another request"
        raise Refused("IdempotentParameterMismatch", text, 400)
    return response


def remember(world: "World", call: Call, response: Response) -> None:
    """Keep the answer to a request that has a token."""
    member = _member(call)
    if member and response.status_code < 300:
        world.of(Tokens).answers[_key(call, member)] = (call.digest(member), response)


def _key(call: Call, member: str) -> tuple[str, str, str, str]:
    return call.account, call.region, call.name, str(call.params[member])


def _member(call: Call) -> str:
    shape = models.operation_model(call.service, call.operation).input_shape
    if shape is None or call.name in _OWN_RULE:
        return ""
    marked = [name for name, member in shape.members.items() if member.metadata.get("idempotencyToken")]
    return next((name for name in [*marked, "ClientToken"] if call.params.get(name)), "")
