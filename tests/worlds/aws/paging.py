"""Lists in pages, as the service's own paginators tell: moto answers most of them whole."""

import secrets
from typing import TYPE_CHECKING, Any

from moto.core.utils import get_pagination_model

from tests.worlds.aws.call import Answer, Call, Refused

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

MOST = 1000
"""Items on a page where nobody asks for fewer; the world's setting ``page_size`` may lower it."""


class Pages:
    """What is still to be told, by token."""

    def __init__(self) -> None:
        self.rest: dict[str, list[Any]] = {}


def is_paged(call: Call) -> bool:
    """Tell whether the operation's answers come in pages."""
    return _model(call) is not None


def next_page(world: "World", call: Call) -> Answer | None:
    """Return the page that the request's token asks for; None where the request has no token of ours."""
    model = _model(call)
    token = call.params.get(str(model["input_token"])) if model else None
    if model is None or token is None:
        return None
    rest = world.of(Pages).rest
    if token not in rest:
        raise Refused(*_bad_token(call))
    return _page(world, call, model, {}, rest[token])


def first_page(world: "World", call: Call, whole: Answer) -> Answer:
    """Return a whole answer, or its first page with the token of the next."""
    model = _model(call)
    if model is None or whole.get(str(model["output_token"])):
        return whole
    return _page(world, call, model, whole, whole.get(model["result_key"]) or [])


def _page(world: "World", call: Call, model: dict[str, Any], whole: Answer, items: list[Any]) -> Answer:
    asked = call.params.get(model.get("limit_key", "")) or MOST
    size = min(int(asked), int(world.settings.get("page_size", MOST)))
    told = {**whole, model["result_key"]: items[:size]}
    if items[size:]:
        token = secrets.token_urlsafe(40)
        world.of(Pages).rest[token] = items[size:]
        told[model["output_token"]] = token
        if "more_results" in model:
            told[model["more_results"]] = True
    return told


def _model(call: Call) -> dict[str, Any] | None:
    if call.service == "s3":
        return None  # moto pages S3 itself
    try:
        model = get_pagination_model(call.service).get(call.operation)
    except Exception:  # noqa: BLE001 # a service without paginators
        return None
    is_plain = model and all(isinstance(model.get(key), str) for key in ("input_token", "output_token", "result_key"))
    return model if is_plain and "." not in model["result_key"] else None


def _bad_token(call: Call) -> tuple[str, str]:
    if call.service == "ec2":
        return "InvalidParameterValue", "Invalid value for nextToken"
    return "ValidationError" if call.service in ("iam", "cloudformation") else "ValidationException", "Invalid token"
