"""AWS's refusals in human words: from botocore's exceptions to one of our errors, in one line.

A line says where, what, AWS's own code, request id and words, and what to try.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from blocks import errors
from blocks.errors import GroundworkError
from tasks.providers.aws.refusal_codes import BROKEN, DAMAGED, NONSENSE, UNKNOWN, Meaning, meaning_of

ENCODED = re.compile(r"[Ee]ncoded authorization failure message: ?([A-Za-z0-9_=+/.-]+)")
"""How EC2 encloses the reason of a refusal, for those who may decode it."""

_MOST_WORDS = 400

_NO_ROLE = (
    "AWS answers the same for a role that does not exist, for another external id, for a trust in another account, and "
    "for the first seconds of a new role. show-aws-onboarding shows the trust policy."
)
_ASKED_ABOUT = r"aws:(RequestTag|ResourceTag|RequestedRegion)|ec2:(Vpc|InstanceProfile|InstanceType|ResourceTag)"


class _Said(NamedTuple):
    """What AWS said, and to which call."""

    code: str
    words: str
    request_id: str
    status: int
    operation: str
    decoded: str = ""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Let what is called inside raise our errors instead of botocore's.

    Args:
        where: What is being done, or to what, for the message.

    Raises:
        GroundworkError: One of the tree's errors; those that are ours already pass as they are.
    """
    try:
        yield
    except (boto.ClientError, boto.BotoCoreError, ResponseParserError) as error:
        raise translate(error, where) from error


def translate(error: Exception, where: str) -> GroundworkError:
    """Return the error of ours that an exception of botocore stands for."""
    if isinstance(error, boto.ClientError):
        return _refusal(_said(error.response, error.operation_name), where)
    if isinstance(error, boto.WaiterError):
        return _end_of_waiting(error, where)
    for kinds, meaning in _OUTSIDE:
        if isinstance(error, kinds):
            return meaning.kind(f"{meaning.what} ({_short(str(error))})", where=where, advice=meaning.advice)
    return UNKNOWN.kind(f"the AWS client failed ({_short(str(error))})", where=where)


def code_of(error: boto.ClientError) -> str:
    """Return AWS's own code of a refusal."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _said(response: Any, operation: str) -> _Said:
    error, about = response.get("Error", {}), response.get("ResponseMetadata", {})
    return _Said(
        str(error.get("Code", "")),
        str(error.get("Message") or ""),
        str(about.get("RequestId", "")),
        int(about.get("HTTPStatusCode", 0)),
        operation,
        str(error.get("Decoded", "")),
    )


def _refusal(said: _Said, where: str) -> GroundworkError:
    meaning = meaning_of(said.code, said.words, said.status)
    what, advice = meaning.what, meaning.advice
    if meaning.kind is errors.AccessDenied:
        what, advice = _denial(said)
    request = f", request {said.request_id}" if said.request_id else ""
    words = _short(ENCODED.sub("", said.words).strip(" :"))
    told = f"{said.code}{request}" + (f": {words}" if words else "")
    return meaning.kind(f"{what} ({said.operation}: {told})", where=where, advice=advice)


def _denial(said: _Said) -> tuple[str, str]:
    """Return what was denied and what to try: by AWS's words, and by the decoded reason where there is one."""
    if said.operation == "AssumeRole":
        return "the role cannot be assumed", _NO_ROLE
    decoded = json.loads(said.decoded) if said.decoded else {}
    context = decoded.get("context", {})
    named = re.search(r"not authorized to perform: ([\w-]+:\w+)(?: on resource: (\S+))?", said.words)
    action, resource = (named[1], named[2]) if named else (context.get("action", ""), context.get("resource", ""))
    what = " ".join(["not allowed"] + [f"to do {action}"] * bool(action) + [f"on {resource}"] * bool(resource))
    advice = _who_may_allow(said, action or said.operation, is_denied=bool(decoded.get("explicitDeny")))
    if decoded:
        told = _telling(context)
        what += f"; asked with {told}" if told else ""
    elif ENCODED.search(said.words):
        advice += " AWS's reason is encoded: allow sts:DecodeAuthorizationMessage, and we tell it."
    return what, advice


def _who_may_allow(said: _Said, action: str, *, is_denied: bool) -> str:
    if said.code == "OptInRequired":
        return "Enable the service or the region in the account, then try again."
    if "control policy" in said.words:
        return "The organisation's policy forbids it: ask whoever manages the organisation."
    if is_denied or "explicit deny" in said.words:
        return f"A Deny statement forbids {action}: ask whoever wrote it."
    bound = re.search(r"no (permissions boundary|session policy|resource-based policy)", said.words)
    policy = bound[1] if bound else "policy"
    return f"Let the {policy} allow {action}; verify-account names all that is missing."


def _telling(context: dict[str, Any]) -> str:
    """Return the condition keys of a decoded message that our policies' conditions ask about, with their values."""
    items = context.get("conditions", {}).get("items", [])
    told = {item["key"]: ",".join(value["value"] for value in item["values"]["items"]) for item in items}
    return " ".join(f"{key}={value}" for key, value in told.items() if re.match(_ASKED_ABOUT, key, re.IGNORECASE))


def _end_of_waiting(error: boto.WaiterError, where: str) -> GroundworkError:
    last = error.last_response
    if isinstance(last, dict) and last.get("Error"):
        return _refusal(_said(last, str(error.kwargs.get("name", ""))), where)
    return errors.TimedOut(_short(str(error)), where=where, advice="Run it again: it goes on where this one ended.")


def _short(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _MOST_WORDS else line[:_MOST_WORDS] + " ..."


_NOBODY = Meaning(
    errors.CredentialsInvalid,
    "this process has no AWS credentials",
    "Give the Prefect worker an AWS identity: an instance role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
)
_UNREACHABLE = Meaning(
    errors.PlaceUnreachable,
    "AWS does not answer",
    "Check the network and proxy of the Prefect worker's machine, the region, and AWS_ENDPOINT_URL if it is set.",
)
_OUTSIDE: tuple[tuple[tuple[type[Exception], ...], Meaning], ...] = (
    (
        (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.MetadataRetrievalError,
            boto.ProfileNotFound,
            boto.SSOError,
            boto.TokenRetrievalError,
            boto.NoAuthTokenError,
        ),
        _NOBODY,
    ),
    ((boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError), _UNREACHABLE),
    ((boto.ParamValidationError, boto.InvalidRegionError, boto.UnknownServiceError), NONSENSE),
    ((ResponseParserError,), BROKEN),
    ((boto.FlexibleChecksumError,), DAMAGED),
)
"""What went wrong before AWS answered, or instead."""
