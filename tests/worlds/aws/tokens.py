"""Client tokens: the same token and the same request give the same answer, and nothing is made twice.

"Ensuring idempotency in Amazon EC2 API requests". A token is kept for each account, region and operation, for as long
as the world lasts. A request that was refused leaves none behind. "The only information that might vary in the response
is the state of the instance" (the same page, of RunInstances): see ``AS_NOW``.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from tests.worlds.aws import models, wire
from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_OWN_RULE = {
    "efs:CreateAccessPoint": "a second call is refused and tells what exists",
    "efs:CreateFileSystem": "a second call is refused and tells what exists",
    "secretsmanager:CreateSecret": "its token is the version's id",
    "secretsmanager:PutSecretValue": "its token is the version's id",
    "secretsmanager:UpdateSecret": "its token is the version's id",
}

_MISMATCH = ("IdempotentParameterMismatch", "IdempotentParameterMismatchException", "TokenAlreadyExistsException")
"""What services call a token that came with another request: the first that the operation's model lists."""

AS_NOW: dict[str, Callable[["World", Call, Answer], None]] = {}
"""By operation: what changes the first answer to a token into what is so now, when the token comes again."""


class Tokens:
    """Answers by (account, region, operation, token), each with the digest of its request."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str, str, str], tuple[str, Response]] = {}


def seen_before(world: "World", call: Call) -> Response | None:
    """Return the first answer to this token; None where it is new.

    Raises:
        Refused: The token came with another request before, or is none.
    """
    member = _member(call)
    if not member:
        return None
    _is_short(call, member)
    known = world.of(Tokens).answers.get(_key(call, member))
    if known is None:
        return None
    digest, response = known
    if digest != call.digest(member):
        raise _mismatch(call)
    change = AS_NOW.get(call.name)
    if change is None:
        return response
    document = wire.parse(call, response)
    change(world, call, document)
    return wire.answer(call, document, 0)


def remember(world: "World", call: Call, response: Response) -> None:
    """Keep the answer to a request that has a token."""
    member = _member(call)
    if member and response.status_code < 300:
        world.of(Tokens).answers[_key(call, member)] = (call.digest(member), response)


def _key(call: Call, member: str) -> tuple[str, str, str, str]:
    return call.account, call.region, call.name, str(call.params[member])


def _is_short(call: Call, member: str) -> None:
    token = str(call.params[member])
    if call.service == "ec2" and (len(token) > 64 or not token.isascii()):
        text = f"Value ({token}) for parameter {member} is invalid. At most 64 ASCII characters are allowed."
        raise Refused("InvalidParameterValue", text)


def _mismatch(call: Call) -> Refused:
    known = models.known_codes(call.service, call.operation)
    code = next((code for code in _MISMATCH if code in known or not known), "")
    if not code:
        raise CannotAnswer(f"{call.name} was called with one token and two requests, and its model has no word for it")
    return Refused(
        code, "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
    )


def _member(call: Call) -> str:
    return next((name for name in _members(call.service, call.operation) if call.params.get(name)), "")


@functools.cache
def _members(service: str, operation: str) -> tuple[str, ...]:
    shape = models.operation_model(service, operation).input_shape
    if shape is None or f"{service}:{operation}" in _OWN_RULE:
        return ()
    marked = [name for name, member in shape.members.items() if member.metadata.get("idempotencyToken")]
    return tuple(name for name in (*marked, "ClientToken", "ClientRequestToken") if name != "OperationId")
