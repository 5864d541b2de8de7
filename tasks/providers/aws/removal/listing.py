"""All that is left in a region, by two lists that know nothing of each other: the services' own, and the tag index."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from tasks.providers.aws.removal import index, network, stores
from tasks.providers.aws.removal.things import Area, Kind, Thing

_LISTS: tuple[tuple[frozenset[Kind], Callable[[Area], list[Thing]]], ...] = (
    (frozenset({Kind.PARAMETER}), stores.parameters),
    (frozenset({Kind.KEY, Kind.ALIAS}), stores.keys),
    (frozenset({Kind.PROFILE, Kind.ROLE}), stores.identities),
    (frozenset({Kind.BUCKET}), stores.buckets),
)
"""Kinds, and the service's own list of them, beside the network's and the files'."""

_FILES = frozenset({Kind.FILE_SYSTEM, Kind.MOUNT_TARGET})


@dataclass(frozen=True)
class Sight:
    """What was seen in one look.

    Args:
        things: Ours; those that are called like ours and bear nobody's tag; foreign ones that hold something of ours.
    """

    things: tuple[Thing, ...]

    @cached_property
    def ours(self) -> list[Thing]:
        """What is ours, in the order in which it goes."""
        return sorted(
            (thing for thing in self.things if thing.standing == "ours"), key=lambda thing: list(Kind).index(thing.kind)
        )

    @property
    def nameless(self) -> list[Thing]:
        """What is called as we call things and bears nobody's tag: never touched, always told."""
        return [thing for thing in self.things if thing.standing == "nameless"]

    @property
    def orphans(self) -> list[Thing]:
        """What belongs to clusters."""
        return [thing for thing in self.ours if thing.cluster or thing.kind is Kind.NODE]

    def holders(self, going: Collection[Thing]) -> list[tuple[Thing, list[Thing]]]:
        """Return what is not ours and holds some of what shall go, each with what it holds."""
        others = [thing for thing in self.things if thing.standing != "ours"]
        pairs = [(holder, [thing for thing in going if _is_held(thing, holder)]) for holder in others]
        return [(holder, held) for holder, held in pairs if held]


def _is_held(thing: Thing, holder: Thing) -> bool:
    return thing.id in holder.holds or (bool(thing.inside) and f"gateway of {thing.inside}" in holder.holds)


def look(area: Area, kinds: Collection[Kind] = frozenset(Kind)) -> Sight:
    """Return what the services tell of some kinds; in a look at all of them nothing that is in the way is missed.

    Raises:
        CredentialsInvalid, AccessDenied: Nothing was seen. An empty sight is AWS's own word.
    """
    found: list[Thing] = []
    wanted = frozenset(kinds)
    files = stores.files(area) if wanted & (_FILES | {Kind.NETWORK}) else []
    found += [thing for thing in files if thing.standing != "foreign"]
    if wanted & network.KINDS:
        found += network.seen(area, wanted, [thing.id for thing in files if thing.standing != "ours"])
    for some, ask in _LISTS:
        found += ask(area) if wanted & some else []
    return Sight(tuple(found))


def look_twice_over(area: Area) -> Sight:
    """Return what the services and the tag index tell together.

    Raises:
        CredentialsInvalid, AccessDenied: As ``look``.
    """
    seen = look(area)
    more = index.there_still(area, index.unknown_to(seen.things, index.told(area)))
    return Sight((*seen.things, *_new(more, seen.things)))


def _new(things: Iterable[Thing], known: Iterable[Thing]) -> list[Thing]:
    keys = {thing.key for thing in known}
    return [thing for thing in things if thing.key not in keys]
