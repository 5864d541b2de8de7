"""What AWS does that moto does not, one file for each part of it.

A rule is a function for one or more operations, said by its decorator:

* ``@refuse``: called before the answer is made; raises ``Refused`` where AWS refuses.
* ``@answer``: makes the answer itself. It may ask moto for one with ``world.moto(call)``.
* ``@amend``: gets the answer when it is made (by moto or a rule) and changes it in place.

Every rule gets ``(world, call)``, an amendment ``(world, call, answer)``. What a rule remembers lives in a class of its
own, one instance for each world: ``world.of(PlacementGroups)``.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tests.worlds.aws.call import Answer, Call

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

Refusal = Callable[["World", Call], None]
Maker = Callable[["World", Call], Answer]
Amendment = Callable[["World", Call, Answer], None]

REFUSALS: dict[str, list[Refusal]] = defaultdict(list)
MAKERS: dict[str, Maker] = {}
AMENDMENTS: dict[str, list[Amendment]] = defaultdict(list)

Kind = TypeVar("Kind")


def refuse(service: str, *operations: str) -> Callable[[Refusal], Refusal]:
    """Let a rule look at these operations before they are answered."""

    def keep(rule: Refusal) -> Refusal:
        for operation in operations:
            REFUSALS[f"{service}:{operation}"].append(rule)
        return rule

    return keep


def answer(service: str, *operations: str) -> Callable[[Maker], Maker]:
    """Let a rule make the answer to these operations."""

    def keep(rule: Maker) -> Maker:
        for operation in operations:
            name = f"{service}:{operation}"
            if name in MAKERS:
                raise ValueError(f"two rules answer {name}: {MAKERS[name].__module__} and {rule.__module__}")
            MAKERS[name] = rule
        return rule

    return keep


def amend(service: str, *operations: str) -> Callable[[Amendment], Amendment]:
    """Let a rule change the answers to these operations."""

    def keep(rule: Amendment) -> Amendment:
        for operation in operations:
            AMENDMENTS[f"{service}:{operation}"].append(rule)
        return rule

    return keep
