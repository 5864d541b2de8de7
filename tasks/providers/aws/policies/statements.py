"""From rights to the statements of a policy: as few as can be, and none that gives more than the rights do."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tasks.providers.aws.policies.rights import Right
from tasks.providers.aws.policies.words import CONDITIONS, THINGS, Condition

Statement = dict[str, Any]
"""One statement of a policy, as JSON."""

_BORN = "born:"
_ANY_OF_EC2 = "arn:*:ec2:*:*:*/*"


@dataclass
class _Group:
    """Actions that stand in one statement, each with the things that it was given there."""

    things: dict[str, set[str]] = field(default_factory=dict)

    def all_things(self) -> set[str]:
        return set().union(*self.things.values())


def statements_of(rights: Iterable[Right], bounds: Mapping[str, str], sid: str) -> list[Statement]:
    """Return statements that give these rights.

    A statement gives each of its actions on each of its things. So two rights share one only where that adds nothing:
    where no action of it knows a thing that it was not given (an action on a thing that it does not know means nothing
    to AWS), and none meets a wider name of things that it was given by a narrower one.

    Args:
        rights: What to give.
        bounds: Values for the places in ARNs and conditions.
        sid: What each statement's Sid begins with.
    """
    asked = list(rights)
    known = _known(asked)
    told = []
    for when, kinds in sorted(_by_condition(asked).items()):
        told += [_statement(group, when, bounds) for group in _groups(kinds, known)]
    return [{"Sid": f"{sid}{number}", **statement} for number, statement in enumerate(told, 1)]


def condition_of(when: Iterable[str], bounds: Mapping[str, str]) -> Condition:
    """Return the Condition of a statement: all of the named ones."""
    told: Condition = defaultdict(dict)
    births = sorted({word.removeprefix(_BORN) for word in when if word.startswith(_BORN)})
    if births:
        told["StringEquals"]["ec2:CreateAction"] = _alone(births)
    for word in when:
        for operator, keys in CONDITIONS.get(word, {}).items():
            told[operator] |= {key: str(value).format_map(bounds) for key, value in keys.items()}
    return dict(told)


def arn_of(thing: str, bounds: Mapping[str, str]) -> str:
    """Return the ARN of a kind of thing, with wildcards."""
    return THINGS[thing].format_map(bounds)


def _known(rights: Iterable[Right]) -> dict[str, set[str]]:
    known = defaultdict(set)
    for right in rights:
        known[right.action].add(right.thing)
    return known


def _by_condition(rights: Iterable[Right]) -> dict[tuple[str, ...], dict[str, set[str]]]:
    """Sort rights by what may stand together at all: same conditions, and one service where things are named."""
    sorted_out: dict[tuple[str, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    births = tuple(sorted({word for right in rights for word in right.when if word.startswith(_BORN)}))
    for right in rights:
        when = births if right.when and right.when[0] in births else right.when
        service = "*" if right.thing == "*" else right.action.partition(":")[0]
        sorted_out[service, *when][right.action].add(right.thing)
    return sorted_out


def _groups(actions: Mapping[str, set[str]], known: Mapping[str, set[str]]) -> Iterator[_Group]:
    groups: list[_Group] = []
    for action, things in sorted(actions.items()):
        group = next((group for group in groups if _fits(group, action, things, known)), None)
        if group is None:
            group = _Group()
            groups.append(group)
        group.things[action] = things
    yield from groups


def _fits(group: _Group, action: str, things: set[str], known: Mapping[str, set[str]]) -> bool:
    together = group.all_things() | things
    wanted = {**group.things, action: things}
    return all(together & known[each] <= given and not _is_widened(given, together) for each, given in wanted.items())


def _is_widened(given: set[str], together: set[str]) -> bool:
    """Whether among other things is one whose name is that of something given, too, as any bucket is of ours.

    The name of buckets is that of their objects, too; beside those it means no others.
    """
    pairs = [(THINGS[own], THINGS[other]) for other in together - given for own in given]
    return any(fnmatchcase(own, other) and own != f"{other}/*" for own, other in pairs)


def _statement(group: _Group, key: tuple[str, ...], bounds: Mapping[str, str]) -> Statement:
    condition = condition_of(key[1:], bounds)
    # What may be tagged is said by the call that it is tagged in.
    is_birth = any(word.startswith(_BORN) for word in key)
    named = group.all_things()
    things = {thing for thing in named if not _is_widened({thing}, named)}
    resources = [_ANY_OF_EC2] if is_birth else sorted(arn_of(thing, bounds) for thing in things)
    return {
        "Effect": "Allow",
        "Action": _alone(sorted(group.things)),
        "Resource": _alone(resources),
        **({"Condition": condition} if condition else {}),
    }


def _alone(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
