"""Lists in pages, as the service's own paginators tell: moto answers most of them whole, and ours are stricter.

A token is good for the account, the region and the question that it was given for; AWS says so of some services, and
answers nonsense in others. It may be used again, as a lost reply needs.
"""

import functools
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import UnknownServiceError
from moto.core.utils import get_pagination_model

from tests.worlds.aws import models
from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

MOST = 1000
"""Items on a page where nobody asks for fewer; the world's setting ``page_size`` may lower it."""

DEFAULTS = {
    "efs": 100,
    "iam": 100,
    "kms": 100,
    "logs": 50,
    "pricing": 100,
    "resourcegroupstaggingapi": 50,
    "sagemaker": 10,
    "secretsmanager": 100,
    "service-quotas": 100,
    "ssm": 10,
}
"""The same by service ("MaxItems", "MaxResults", "Limit" in their API references)."""

_OTHERWISE = {"dynamodb:Query", "dynamodb:Scan", "cloudwatch:GetMetricData"}
"""Their pages are no slices of a list; moto makes them."""

_BAD_TOKEN = (
    "InvalidPaginationTokenException",
    "InvalidNextTokenException",
    "InvalidNextToken",
    "InvalidMarkerException",
    "PaginationTokenExpiredException",
    "BadRequest",
    "InvalidParameterException",
)
"""What services call a token that they do not know: the first that the operation's model lists."""


@dataclass(frozen=True)
class Paged:
    """How an operation's answers come in pages: the names of its members."""

    takes: str
    gives: str
    lists: tuple[str, ...]
    limit: str = ""
    more: str = ""


@dataclass
class Rest:
    """What is still to be told: the question, the members that every page has, and items with the list of each."""

    question: tuple[str, str, str, str]
    always: Answer
    items: list[tuple[str, Any]]


class Pages:
    """What is still to be told, by token."""

    def __init__(self) -> None:
        self.rest: dict[str, Rest] = {}


def is_paged(call: Call) -> bool:
    """Tell whether the operation's answers come in pages."""
    return _paged(call.service, call.operation) is not None


def lists_of(call: Call) -> tuple[str, ...]:
    """Return the names of an operation's lists that come in pages."""
    paged = _paged(call.service, call.operation)
    return paged.lists if paged else ()


def next_page(world: "World", call: Call) -> Answer | None:
    """Return the page that the request's token asks for; None where the request has no token.

    Raises:
        Refused: The token is none of ours, or belongs to another account, region or question.
    """
    paged = _paged(call.service, call.operation)
    token = call.params.get(paged.takes) if paged else None
    if paged is None or token in (None, ""):
        return None
    rest = world.of(Pages).rest.get(str(token))
    if rest is None or rest.question != _question(call, paged):
        raise _bad_token(call)
    return _page(world, call, paged, rest)


def first_page(world: "World", call: Call, whole: Answer) -> Answer:
    """Return a whole answer, or its first page with the token of the next."""
    paged = _paged(call.service, call.operation)
    if paged is None:
        return whole
    if whole.get(paged.gives):
        raise CannotAnswer(f"a rule has made pages of its own; {', '.join(paged.lists)} are wanted whole")
    items = [(name, item) for name in paged.lists for item in whole.get(name) or []]
    always = {name: value for name, value in whole.items() if name not in paged.lists}
    told = {name: [] for name in paged.lists if name in whole}
    return {**told, **_page(world, call, paged, Rest(_question(call, paged), always, items))}


def whole(call: Call, ask: Callable[[dict[str, Any]], Answer]) -> Answer:
    """Return a list whole, however many pages moto makes of it.

    Args:
        call: The request.
        ask: Asks moto with these parameters changed; None takes a parameter away.
    """
    paged = _paged(call.service, call.operation)
    if paged is None:
        return ask({})
    changed: dict[str, Any] = {name: None for name in (paged.limit, paged.takes) if name in call.params}
    told = ask(changed)
    token = told.pop(paged.gives, None)
    while token:
        page = ask({**changed, paged.takes: token})
        token = page.pop(paged.gives, None)
        for name in paged.lists:
            if name in page:
                told[name] = [*told.get(name, []), *page[name]]
    if paged.more in told:
        told[paged.more] = False
    return told


def _page(world: "World", call: Call, paged: Paged, rest: Rest) -> Answer:
    asked = call.params.get(paged.limit) or DEFAULTS.get(call.service, MOST)
    size = max(1, min(int(asked), int(world.settings.get("page_size", MOST))))
    told: Answer = dict(rest.always)
    for name, item in rest.items[:size]:
        told.setdefault(name, []).append(item)
    if rest.items[size:]:
        token = secrets.token_hex(24)
        world.of(Pages).rest[token] = Rest(rest.question, rest.always, rest.items[size:])
        told[paged.gives] = token
        if paged.more:
            told[paged.more] = True
    return told


def _question(call: Call, paged: Paged) -> tuple[str, str, str, str]:
    return call.account, call.region, call.name, call.digest(paged.takes, paged.limit)


@functools.cache
def _paged(service: str, operation: str) -> Paged | None:
    if service == "s3" or f"{service}:{operation}" in _OTHERWISE:
        return None  # S3 has rules of its own
    model = models.operation_model(service, operation)
    if model.input_shape is None or model.output_shape is None:
        return None
    try:
        told = get_pagination_model(service).get(operation)
    except UnknownServiceError:  # a service without paginators
        told = None
    return _as_told(told, model.output_shape.members) if told else _as_named(model)


def _as_told(told: dict[str, Any], members: Any) -> Paged | None:
    names = told["result_key"] if isinstance(told["result_key"], list) else [told["result_key"]]
    lists = tuple(name for name in names if name in members and members[name].type_name == "list")
    takes, gives = told["input_token"], told["output_token"]
    if not lists or not isinstance(takes, str) or gives not in members:
        return None
    return Paged(takes, gives, lists, told.get("limit_key", ""), told.get("more_results", ""))


def _as_named(model: Any) -> Paged | None:
    """Some lists come in pages and have no paginator in botocore: SageMaker's projects, Cost Explorer's days."""
    takes, gives = model.input_shape.members, model.output_shape.members
    token = next((name for name in ("NextToken", "nextToken", "Marker", "NextPageToken") if name in takes), "")
    lists = tuple(name for name, shape in gives.items() if shape.type_name == "list")
    if not token or token not in gives or len(lists) != 1:
        return None
    return Paged(token, token, lists, next((name for name in ("MaxResults", "MaxItems") if name in takes), ""))


def _bad_token(call: Call) -> Refused:
    if call.service == "ec2":
        return Refused("InvalidParameterValue", "Unable to parse pagination token")
    known = models.known_codes(call.service, call.operation)
    is_json = models.service_model(call.service).protocol != "query"
    last = "ValidationException" if is_json else "ValidationError"
    return Refused(next((code for code in _BAD_TOKEN if code in known), last), "The pagination token is not valid.")
