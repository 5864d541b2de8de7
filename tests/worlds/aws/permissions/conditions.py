"""The Condition part of a policy's statement (AWS: "IAM JSON policy elements: Condition operators").

Keys are compared without regard to case. A key that the request does not have makes a condition false, the negated
ones ("not equal to ...") true; ``...IfExists`` makes every one true.
"""

import fnmatch
import functools
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

Context = Mapping[str, list[str]]
"""What a request tells of itself: all values of each condition key, the keys in small letters."""

Test = Callable[[str, str], bool]
"""Whether a value of the request fits a value of the policy."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SIGNS = {"*": "*", "?": "?", "$": "$"}


def as_list(value: Any) -> list[Any]:
    """Return a policy's member, which may stand alone or in a list, as a list."""
    return value if isinstance(value, list) else [value]


def glob(pattern: str, context: Context) -> str | None:
    """Return a pattern with wildcards and policy variables as a regular expression.

    What a variable stands for is taken literally. None where the request does not have one of the variables: the part
    of the policy that names it then fits nothing.
    """
    parts, end = [], 0
    for variable in _VARIABLE.finditer(pattern):
        value = _value(variable[1], context)
        if value is None:
            return None
        parts += [_wild(pattern[end : variable.start()]), re.escape(value)]
        end = variable.end()
    return "".join([*parts, _wild(pattern[end:])])


def _value(variable: str, context: Context) -> str | None:
    key, comma, default = variable.partition(",")
    values = context.get(key.strip().lower(), [])
    if key.strip() in _SIGNS:
        return _SIGNS[key.strip()]
    if len(values) == 1:
        return values[0]
    return default.strip().strip("'") if comma else None


@functools.cache
def _wild(text: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in text)


def holds(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Tell whether all of a statement's conditions hold for a request."""
    return all(
        _holds(operator, context.get(key.lower(), []), [_text(value) for value in as_list(wanted)], context)
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def keys_of(condition: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the keys that conditions ask for, and those of the variables in them."""
    for keys in condition.values():
        for key, wanted in keys.items():
            yield key
            for value in as_list(wanted):
                yield from variables_of(_text(value))


def variables_of(text: str) -> Iterator[str]:
    """Yield the keys of the variables in a text of a policy."""
    names = (match[1].partition(",")[0].strip() for match in _VARIABLE.finditer(text))
    yield from (name for name in names if name not in _SIGNS)


def is_operator(operator: str) -> bool:
    """Tell whether AWS knows a condition operator."""
    name = _parts(operator)[1]
    return name in _TESTS or name == "Null"


def _parts(operator: str) -> tuple[str, str, bool]:
    quantifier, colon, name = operator.rpartition(":")
    return quantifier if colon else "", name.removesuffix("IfExists"), name.endswith("IfExists")


def _holds(operator: str, found: list[str], wanted: list[str], context: Context) -> bool:
    quantifier, name, if_exists = _parts(operator)
    if name == "Null":
        return any((value.lower() == "true") == (not found) for value in wanted)
    test, is_negated = _TESTS[name]
    if not found:
        return if_exists or quantifier == "ForAllValues" or (is_negated and quantifier != "ForAnyValue")
    fits = (any(_fits(test, value, pattern, context) for pattern in wanted) != is_negated for value in found)
    # Without a quantifier one value is meant. Of several, "not equal" must be true of each.
    return all(fits) if quantifier == "ForAllValues" or (is_negated and not quantifier) else any(fits)


def _fits(test: Test, value: str, pattern: str, context: Context) -> bool:
    expression = glob(pattern, context) if test in _PATTERNS else _filled(pattern, context)
    return expression is not None and test(value, expression)


def _filled(text: str, context: Context) -> str | None:
    values = {match[0]: _value(match[1], context) for match in _VARIABLE.finditer(text)}
    if None in values.values():
        return None
    return _VARIABLE.sub(lambda match: str(values[match[0]]), text)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _like(value: str, expression: str) -> bool:
    return re.fullmatch(expression, value, re.DOTALL) is not None


def _equal(value: str, wanted: str) -> bool:
    return value == wanted


def _equal_letters(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


def _arn_like(value: str, wanted: str) -> bool:
    """Each of an ARN's six parts is compared by itself: a wildcard does not reach over a colon, but in the last."""
    parts, patterns = value.split(":", 5), wanted.split(":", 5)
    return len(parts) == len(patterns) and all(
        fnmatch.fnmatchcase(part, pattern.replace("[", "[[]")) for part, pattern in zip(parts, patterns, strict=True)
    )


def _in_network(value: str, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _numbers(test: Callable[[float, float], bool]) -> Test:
    def compare(value: str, wanted: str) -> bool:
        try:
            return test(float(value), float(wanted))
        except ValueError:
            return False

    return compare


def _dates(test: Callable[[float, float], bool]) -> Test:
    def compare(value: str, wanted: str) -> bool:
        try:
            return test(_seconds(value), _seconds(wanted))
        except ValueError:
            return False

    return compare


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


_ORDERS: dict[str, tuple[Callable[[float, float], bool], bool]] = {
    "Equals": (lambda a, b: a == b, False),
    "NotEquals": (lambda a, b: a == b, True),
    "LessThan": (lambda a, b: a < b, False),
    "LessThanEquals": (lambda a, b: a <= b, False),
    "GreaterThan": (lambda a, b: a > b, False),
    "GreaterThanEquals": (lambda a, b: a >= b, False),
}

_TESTS: dict[str, tuple[Test, bool]] = {
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringEqualsIgnoreCase": (_equal_letters, False),
    "StringNotEqualsIgnoreCase": (_equal_letters, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn_like, False),
    "ArnLike": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnNotLike": (_arn_like, True),
    "Bool": (_equal_letters, False),
    "BinaryEquals": (_equal, False),
    "IpAddress": (_in_network, False),
    "NotIpAddress": (_in_network, True),
    **{f"Numeric{name}": (_numbers(test), negated) for name, (test, negated) in _ORDERS.items()},
    **{f"Date{name}": (_dates(test), negated) for name, (test, negated) in _ORDERS.items()},
}
"""Each operator's test, and whether the operator asks for its contrary."""

_PATTERNS = (_like,)
"""Tests that want a regular expression."""
