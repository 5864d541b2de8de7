"""Removing all that goes, round by round: what can go now is deleted, then looked at again, until nothing is left.

A round starts from what is there, never from what an earlier one remembers: whoever is killed at any call, the next run
goes on where that one ended.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from blocks.errors import (
    AccessDenied,
    CredentialsInvalid,
    GroundworkError,
    PlaceFailed,
    PlaceUnreachable,
    Throttled,
    TimedOut,
    WrongState,
)
from tasks.providers.aws.removal.deleting import Wishes, delete
from tasks.providers.aws.removal.listing import Sight, look, look_twice_over
from tasks.providers.aws.removal.order import is_hopeless, whose_turn
from tasks.providers.aws.removal.things import Area, Kind, Thing, listed
from tasks.providers.aws.waiting import wait_somewhat

LIMIT_S = 1800.0
"""How long one run tries at most: a NAT gateway takes one to two minutes, a large file system some more."""

_BUSY = (Throttled, PlaceUnreachable, PlaceFailed)
_MOST_PAUSE_S = 15.0
_GROWTH = 1.5
_MOST_DENIED = 3
_MOST_TRIES = {Kind.PROFILE: 4, Kind.ROLE: 4, Kind.VOLUME: 8, Kind.NETWORK_ACL: 1, Kind.OTHER: 1}
"""Kinds whose refusals are hardly a matter of time: somebody attached something by hand, or we never delete them."""

_AGAIN = "Then run cleanup-region again: it goes on where this one ended."


@dataclass
class _Work:
    """What is known of things that do not go.

    Args:
        tries: How often each was asked to go.
        reasons: Why it did not, the last time.
        refused: Those that will not, however often they are asked.
    """

    tries: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    reasons: dict[tuple[Kind, str], GroundworkError] = field(default_factory=dict)
    refused: set[tuple[Kind, str]] = field(default_factory=set)

    def note(self, thing: Thing, error: GroundworkError) -> None:
        self.reasons[thing.key] = error
        # Who may delete what bears our tag is denied what is gone: only what is seen again after that is denied.
        most = _MOST_DENIED if isinstance(error, AccessDenied) else _MOST_TRIES.get(thing.kind, sys.maxsize)
        if self.tries[thing.key] >= most:
            self.refused.add(thing.key)

    def told(self, left: Iterable[Thing]) -> str:
        return "; ".join(self._line(thing) for thing in left)

    def _line(self, thing: Thing) -> str:
        reason = self.reasons.get(thing.key)
        if reason is not None:
            tries = self.tries[thing.key]
            return f"{thing}: {reason.what} ({tries} {'try' if tries == 1 else 'tries'})"
        return f"{thing}: {thing.state}" if thing.is_going else f"{thing}: waits for others"


def refuse(area: Area, sight: Sight, wishes: Wishes) -> None:
    """Refuse to remove what clusters need, and what something of others holds; nothing was touched.

    Raises:
        WrongState: With the list.
    """
    where = f"region {area.region}"
    if sight.orphans and not wishes.remove_orphans:
        names = sorted({thing.cluster for thing in sight.orphans} - {""})
        raise WrongState(
            f"things of clusters that no record knows are there ({', '.join(names) or 'without a name'}): "
            f"{listed(sight.orphans)}",
            where=where,
            advice="Look at them in AWS's console; with remove_orphans they are removed too.",
        )
    holders = sight.holders(wishes.going(sight.ours))
    if holders:
        raise WrongState(
            f"what is not Groundwork's is in the way: {'; '.join(_held(*pair) for pair in holders[:10])}",
            where=where,
            advice=f"Remove it, or move it elsewhere. {_AGAIN}",
        )


def _held(holder: Thing, held: Sequence[Thing]) -> str:
    about = f" ({holder.name})" if holder.name else ""
    return f"{holder}{about} holds {listed(held, 3)}"


def remove(
    area: Area,
    wishes: Wishes,
    *,
    limit_s: float = LIMIT_S,
    pause_s: float = 1.0,
    between_looks_s: float = 5.0,
    tell: Callable[[str], object] = str,
) -> list[Thing]:
    """Remove all that goes, until both lists have twice nothing of it. Return what stays as it is.

    Args:
        area: Where.
        wishes: What goes beside what always goes.
        limit_s: The most seconds that it takes.
        pause_s: Seconds after the first round. The pause grows while nothing goes, and begins anew when something did.
        between_looks_s: Seconds between the last two looks: what AWS did not tell at first, it tells then.
        tell: Takes a line about what happens.

    Raises:
        WrongState: Something is left that cannot go: each with its reason. What could go is gone.
        AccessDenied: The same, where our policies are why.
        TimedOut: Something is left after all that time, each with its reason.
        CredentialsInvalid: What is left was not seen.
    """
    end, work, pause = time.monotonic() + limit_s, _Work(), pause_s
    before: set[tuple[Kind, str]] = set()
    sight = _patiently(look_twice_over, area, end)
    while True:
        refuse(area, sight, wishes)
        left = wishes.going(sight.ours)
        if not left:
            wait_somewhat(between_looks_s)
            sight = _patiently(look_twice_over, area, end)
            if not wishes.going(sight.ours):
                break
            continue
        _one_round(area, left, wishes, work, tell)
        if is_hopeless(left, work.refused):
            raise _cannot(area, work, left)
        if time.monotonic() >= end:
            raise TimedOut(
                f"still there after {limit_s:g} s: {work.told(left)}", where=f"region {area.region}", advice=_AGAIN
            )
        now = {thing.key for thing in left}
        pause = pause_s if before - now else min(pause * _GROWTH, _MOST_PAUSE_S)
        before = now
        wait_somewhat(min(pause, max(0.0, end - time.monotonic())))
        sight = _patiently(lambda where: look(where, {thing.kind for thing in left}), area, end)  # noqa: B023 # at once
        if not wishes.going(sight.ours):
            sight = _patiently(look_twice_over, area, end)
    _refuse_nameless(area, sight)
    return sight.ours


def _one_round(area: Area, left: list[Thing], wishes: Wishes, work: _Work, tell: Callable[[str], object]) -> None:
    for thing in whose_turn(left):
        if thing.key in work.refused:
            continue
        work.tries[thing.key] += 1
        try:
            delete(area, thing, wishes)
        except CredentialsInvalid:
            raise
        except GroundworkError as error:
            work.note(thing, error)
        else:
            work.reasons.pop(thing.key, None)
            tell(f"{thing} goes")


def _cannot(area: Area, work: _Work, left: list[Thing]) -> GroundworkError:
    where = f"region {area.region}"
    denied = [
        reason for key, reason in work.reasons.items() if key in work.refused and isinstance(reason, AccessDenied)
    ]
    if denied:
        return AccessDenied(f"left: {work.told(left)}", where=where, advice=f"{denied[0].advice} {_AGAIN}")
    advice = f"Something was changed by hand: take it off in AWS's console. {_AGAIN}"
    return WrongState(f"left: {work.told(left)}", where=where, advice=advice)


def _refuse_nameless(area: Area, sight: Sight) -> None:
    if sight.nameless:
        raise WrongState(
            f"called like Groundwork's, but without its tag, and so not touched: {listed(sight.nameless)}",
            where=f"region {area.region}",
            advice="Remove it by hand; or, if it is not Groundwork's, give it another name.",
        )


def _patiently(ask: Callable[[Area], Sight], area: Area, end: float) -> Sight:
    """Look; where AWS is busy or fails by itself, look again later, as long as there is time."""
    pause = 0.5
    while True:
        try:
            return ask(area)
        except _BUSY:
            if time.monotonic() >= end:
                raise
        wait_somewhat(pause)
        pause = min(pause * 2, _MOST_PAUSE_S)
