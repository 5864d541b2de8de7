"""Every call of an act is a point at which its process dies; the act, done again, has to come to the same end."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from tests.drill.lane import End, Lane, Point
from tests.drill.lives import Life, Told
from tests.drill.snapshot import difference, told_shortly
from tests.worlds.aws.latencies import is_read


@dataclass(frozen=True)
class Undisturbed:
    """An act when nothing goes wrong: the points it has, and what stands in the account at its end."""

    act: str
    points: tuple[Point, ...]
    world: Counter[str]
    took_s: float


@dataclass(frozen=True)
class Result:
    """How an act ended that was killed at a point and done again, or that met a storm.

    ``refused`` is the error that it has to end with; empty: it has to end well. ``reached`` is false where the act,
    this time, did not make that call (a poll more or less). ``missing`` and ``left`` are lines of
    ``tests.drill.snapshot``.
    """

    act: str
    point: str
    end: End
    refused: str = ""
    reached: bool = True
    missing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether it came to the end that it has to come to."""
        ended = self.end.words.startswith(self.refused) if self.refused else self.end.code == 0
        return ended and not self.missing and not self.left

    def __str__(self) -> str:
        told = [f"{self.act}, {self.point}: " + (self.end.words or f"ended with {self.end.code}")]
        told += [f"    {line}" for line in told_shortly(self.missing, self.left)]
        return "\n".join(told)


class Spoilt(Exception):
    """An act fails when nothing disturbs it: there is nothing to compare with."""


def undisturbed(lane: Lane, life: Life) -> list[Undisturbed]:
    """Live a life in which nothing goes wrong.

    Raises:
        Spoilt: Something did.
    """
    told = begun(lane, life)
    found = []
    for act in life.acts:
        began = time.monotonic()
        end, calls = lane.calls_of(act, told.get(act, {}))
        if end.code:
            raise Spoilt(f"{life.name}: {act} fails undisturbed: {end.words}")
        took_s = time.monotonic() - began
        found.append(Undisturbed(act, tuple(points_of(calls)), lane.seen(), took_s))
    return found


def points_of(calls: Sequence[dict[str, Any]]) -> Iterator[Point]:
    """The points of an act: each call that changes something twice, done and not done.

    A call that only looks is one point: its process is dead before it sees the reply, so both are the same.
    """
    numbers: Counter[str] = Counter()
    for call in sorted(calls, key=lambda call: call["at_s"]):
        name = f"{call['service']}:{call['operation']}"
        numbers[name] += 1
        yield Point(name, numbers[name], applied=False)
        if not is_read(call["operation"]):
            yield Point(name, numbers[name], applied=True)


def plans(known: Sequence[Undisturbed]) -> list[list[Point | None]]:
    """Lives in which each act dies at one of its points, as few as there can be; the last points come alone."""
    return [list(plan) for plan in zip_longest(*(each.points for each in known))]


def disturbed(lane: Lane, life: Life, known: Sequence[Undisturbed], plan: Sequence[Point | None]) -> list[Result]:
    """Live a life in which each act is killed at its point and done again. It ends where an act did not come right,
    and after the last act that has a point."""
    told = begun(lane, life)
    found: list[Result] = []
    last = max(number for number, point in enumerate(plan) if point)
    for act, point in list(zip(known, plan, strict=True))[: last + 1]:
        words = told.get(act.act, {})
        reached = point is None or lane.do_and_kill(act.act, words, point)
        end = lane.do(act.act, words)
        missing, left = difference(act.world, lane.seen())
        result = Result(act.act, f"killed at {point}", end, reached=reached, missing=missing, left=left)
        found += [result] if point or not result.is_good else []
        if not result.is_good:
            break
    return found


def begun(lane: Lane, life: Life) -> Told:
    """Make a new world ready for a life; the acts' words.

    Raises:
        Spoilt: What comes before the acts failed.
    """
    lane.begin(life.settings)
    told = life.ready(lane.aws)
    for act in life.first:
        end = lane.do(act, told.get(act, {}))
        if end.code:
            raise Spoilt(f"{life.name}: {act} fails undisturbed: {end.words}")
    return told
