"""What AWS's own service models, as botocore ships them, say of a document or an error code."""

import functools
import re
from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape
from botocore.session import get_session
from botocore.validate import ParamValidator

COMMON_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InternalFailure",
        "InvalidClientTokenId",
        "RequestExpired",
        "ServiceUnavailable",
        "SignatureDoesNotMatch",
        "Throttling",
        "ThrottlingException",
        "UnrecognizedClientException",
        "ValidationError",
        "ValidationException",
    }
)
"""Every service may answer with these; their models do not list them."""


@functools.cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service, by boto3's name of it."""
    return get_session().get_service_model(service)


@functools.cache
def operation_model(service: str, operation: str) -> OperationModel:
    """Return botocore's model of an operation."""
    return service_model(service).operation_model(operation)


def problems(shape: Shape | None, document: Any) -> list[str]:
    """Say what is wrong with a document of a shape; botocore itself does not look at enums, patterns and lengths."""
    if shape is None:
        return [] if not document else [f"this operation answers nothing, not {sorted(document)}"]
    report = ParamValidator().validate(document, shape)
    return [*([report.generate_report()] if report.has_errors() else []), *_bounds(shape, document, shape.name)]


def unknown_code(service: str, operation: str, code: str) -> str:
    """Say that a service's model knows no such error of an operation; empty where it does, or lists no errors."""
    shapes = operation_model(service, operation).error_shapes
    known = {shape.metadata.get("error", {}).get("code") or shape.name for shape in shapes}
    if not known or code in known | COMMON_CODES:
        return ""
    return f"{service}:{operation} knows no error {code}, but {', '.join(sorted(known))}"


def _bounds(shape: Shape, value: Any, where: str) -> Iterator[str]:
    for kind, look in _LOOKS:
        if isinstance(shape, kind):
            yield from look(shape, value, where)
            return
    yield from _text(shape, value, where) if isinstance(value, str) else _number(shape, value, where)


def _structure(shape: Any, value: Any, where: str) -> Iterator[str]:
    for name, member in shape.members.items():
        if isinstance(value, dict) and value.get(name) is not None:
            yield from _bounds(member, value[name], f"{where}.{name}")


def _list(shape: Any, value: Any, where: str) -> Iterator[str]:
    yield from _length(shape, value, where)
    for index, item in enumerate(value):
        yield from _bounds(shape.member, item, f"{where}[{index}]")


def _map(shape: Any, value: Any, where: str) -> Iterator[str]:
    for key, item in value.items():
        yield from _bounds(shape.key, key, f"{where} key")
        yield from _bounds(shape.value, item, f"{where}.{key}")


_LOOKS = ((StructureShape, _structure), (ListShape, _list), (MapShape, _map))


def _text(shape: Shape, value: str, where: str) -> Iterator[str]:
    enum = shape.enum if isinstance(shape, StringShape) else []
    if enum and value not in enum:
        yield f"{where}: {value!r} is none of {', '.join(enum)}"
    pattern = shape.metadata.get("pattern")
    if pattern and not _matches(pattern, value):
        yield f"{where}: {value!r} does not match {pattern}"
    yield from _length(shape, value, where)


def _length(shape: Shape, value: str | list[Any], where: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and len(value) < least) or (most is not None and len(value) > most):
        yield f"{where}: its length {len(value)} is outside {least} to {most}"


def _number(shape: Shape, value: Any, where: str) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and value < least) or (most is not None and value > most):
        yield f"{where}: {value} is outside {least} to {most}"


def _matches(pattern: str, value: str) -> bool:
    python = pattern.replace(r"\p{L}", r"[^\W\d_]").replace(r"\p{Z}", r"\s").replace(r"\p{N}", r"\d")
    try:
        # AWS's patterns are Java's; those that Python does not read say nothing here.
        return re.search(python, value) is not None
    except re.error:
        return True
