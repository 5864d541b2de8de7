"""EC2's filters, asked of the documents that the world tells ("Using filtering" in the EC2 API Reference)."""

import fnmatch
import functools
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tests.worlds.aws.call import Answer, Call, Refused


def chosen(call: Call, documents: list[Answer], paths: Mapping[str, str]) -> list[Answer]:
    """Return the documents that all filters of a call let through.

    ``paths`` tells for each of the operation's filters where the value stands, such as ``State.Name``; a list on the
    way stands for each of its items. Filters by tag need no path.

    Raises:
        Refused: The operation has no such filter.
    """
    for wanted in call.params.get("Filters") or []:
        read = _reader(wanted["Name"], paths)
        patterns = [_pattern(value) for value in wanted.get("Values") or []]
        documents = [found for found in documents if _fits(read(found), patterns)]
    return documents


def _reader(name: str, paths: Mapping[str, str]) -> Any:
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda found: (tag["Value"] for tag in found.get("Tags", []) if tag["Key"] == key)
    path = {"tag-key": "Tags.Key", "tag-value": "Tags.Value", **paths}.get(name)
    if path is None:
        raise Refused("InvalidParameterValue", f"The filter '{name}' is invalid")
    return lambda found: _values(found, path.split("."))


def _values(found: Any, path: list[str]) -> Iterator[str]:
    if isinstance(found, list):
        for item in found:
            yield from _values(item, path)
    elif not path:
        yield _text(found)
    elif found.get(path[0]) is not None:
        yield from _values(found[path[0]], path[1:])


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fits(values: Iterator[str], patterns: list[re.Pattern[str]]) -> bool:
    return any(pattern.match(value) for value in values for pattern in patterns)


@functools.cache
def _pattern(value: str) -> re.Pattern[str]:
    # Only * and ? stand for anything; fnmatch would read brackets as well.
    return re.compile(fnmatch.translate(value.replace("[", "[[]")))
