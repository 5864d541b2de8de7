"""Documents looked at through AWS's own shapes: members, types, enums, patterns, lengths, ranges.

botocore looks at some of it, and only at what a client sends. Here each shape is read once and becomes a function, so
that every answer of the world can be looked at (measured: 0.02 ms for most, 0.1 ms for each instance described).
"""

import contextlib
import functools
import json
import re
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from botocore.model import Shape
from botocore.utils import parse_to_aware_datetime

Problem = tuple[str, str]
"""Where, below the value looked at, and what."""

Look = Callable[[Any], list[Problem]]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (float, int, Decimal),
    "double": (float, int, Decimal),
    "boolean": (bool,),
    "blob": (bytes, bytearray, str),
    "structure": (dict,),
    "map": (dict,),
    "list": (list, tuple),
}
_SCALARS: tuple[type, ...] = (str, int, float, Decimal)


def problems(shape: Shape | None, document: Any) -> list[str]:
    """Say what is wrong with a document of a shape, one line for each fault. A shape of None takes no members."""
    if shape is None:
        return [] if not document else [f"nothing is told here, not {sorted(document)}"]
    return [f"{shape.name}{where}: {what}" for where, what in look_of(shape)(document)]


@functools.cache
def look_of(shape: Shape) -> Look:
    """Return the function that looks at values of a shape."""
    if shape.metadata.get("jsonvalue"):
        return _jsonvalue
    if shape.type_name == "structure" and getattr(shape, "is_document_type", False):
        return _anything
    if shape.type_name == "timestamp":
        return _timestamp
    inside: Look | None = _INSIDES.get(shape.type_name, _scalar)(shape)
    return _typed(shape.type_name, inside)


def _typed(kind: str, inside: Look | None) -> Look:
    types = _TYPES[kind]
    wants_bool = kind == "boolean"

    def look(value: Any) -> list[Problem]:
        if not isinstance(value, types) or (isinstance(value, bool) and not wants_bool):
            if kind == "blob" and hasattr(value, "read"):
                return []
            return [("", f"{value!r} is no {kind}")]
        return inside(value) if inside else []

    return look


def _structure(shape: Any) -> Look:
    members, required = dict(shape.members), frozenset(shape.metadata.get("required", ()))
    is_union = bool(shape.is_tagged_union)

    def look(value: dict[str, Any]) -> list[Problem]:
        found = [("", f"lacks {name}") for name in sorted(required - value.keys())] if required else []
        if is_union and len(value) != 1:
            found.append(("", f"wants exactly one of {', '.join(members)}"))
        for name, item in value.items():
            if name not in members:
                found.append(("", f"knows no member {name}, but {', '.join(members)}"))
            else:
                found += [(f".{name}{where}", what) for where, what in look_of(members[name])(item)]
        return found

    return look


def _list(shape: Any) -> Look:
    bounds = _lengths(shape)

    def look(value: list[Any]) -> list[Problem]:
        member, found = look_of(shape.member), bounds(value) if bounds else []
        for index, item in enumerate(value):
            found += [(f"[{index}]{where}", what) for where, what in member(item)]
        return found

    return look


def _map(shape: Any) -> Look:
    bounds = _lengths(shape)

    def look(value: dict[str, Any]) -> list[Problem]:
        found = bounds(value) if bounds else []
        for key, item in value.items():
            found += [(f" key {key}", what) for _, what in look_of(shape.key)(key)]
            found += [(f".{key}{where}", what) for where, what in look_of(shape.value)(item)]
        return found

    return look


def _scalar(shape: Shape) -> Look | None:
    looks = [look for look in _scalar_looks(shape) if look]
    if not looks:
        return None
    return lambda value: [problem for look in looks for problem in look(value)]


def _scalar_looks(shape: Shape) -> Iterator[Look | None]:
    if shape.type_name in ("string", "blob"):
        yield _lengths(shape)
        yield _enum(shape)
        yield _pattern(shape)
    elif shape.type_name != "boolean":
        yield _range(shape)


def _lengths(shape: Shape) -> Look | None:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", float("inf"))
    if least <= 0 and most == float("inf"):
        return None

    def look(value: Any) -> list[Problem]:
        if least <= len(value) <= most:
            return []
        return [("", f"its length {len(value)} is outside {least} to {most}")]

    return look


def _range(shape: Shape) -> Look | None:
    if "min" not in shape.metadata and "max" not in shape.metadata:
        return None
    least, most = shape.metadata.get("min", float("-inf")), shape.metadata.get("max", float("inf"))
    return lambda value: [] if least <= value <= most else [("", f"{value} is outside {least} to {most}")]


def _enum(shape: Any) -> Look | None:
    if not shape.metadata.get("enum"):
        return None
    enum = frozenset(shape.enum)
    return lambda value: [] if value in enum else [("", f"{value!r} is none of {', '.join(sorted(enum))}")]


def _pattern(shape: Shape) -> Look | None:
    pattern = _compiled(shape.metadata.get("pattern", ""))
    if pattern is None:
        return None
    return lambda value: [] if pattern.fullmatch(value) else [("", f"{value!r} does not match {pattern.pattern}")]


_JAVA = ((r"\p{L}", r"\w"), (r"\p{Z}", r"\s"), (r"\p{N}", r"\d"), (r"\p{Alnum}", "A-Za-z0-9"))


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """AWS's patterns are Java's, and match the whole text; those that Python cannot read say nothing here."""
    if not pattern:
        return None
    for java, python in _JAVA:
        pattern = pattern.replace(java, python)
    with warnings.catch_warnings(), contextlib.suppress(re.error):
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(pattern)
    return None


def _timestamp(value: Any) -> list[Problem]:
    if isinstance(value, datetime) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return []
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return _other_time(value)
    except TypeError:
        return [("", f"{value!r} is no time")]
    return []


def _other_time(value: str) -> list[Problem]:
    try:
        parse_to_aware_datetime(value)
    except (TypeError, ValueError, AttributeError):
        return [("", f"{value!r} is no time")]
    return []


def _jsonvalue(value: Any) -> list[Problem]:
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        return [("", f"is no JSON: {error}")]
    return []


def _anything(value: Any) -> list[Problem]:
    if isinstance(value, dict):
        return [problem for item in value.values() for problem in _anything(item)]
    if isinstance(value, list):
        return [problem for item in value for problem in _anything(item)]
    return [] if value is None or isinstance(value, _SCALARS) else [("", f"{value!r} is no part of a document")]


_INSIDES: dict[str, Callable[[Any], Look | None]] = {"structure": _structure, "list": _list, "map": _map}
