"""What was measured, side by side, and which goals were met."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter


def time_s(work: Callable[[], object]) -> float:
    """How long it took."""
    began = perf_counter()
    work()
    return perf_counter() - began


@dataclass
class Row:
    """One thing done in several ways on so many nodes. The ways take turns, so that a busy machine is busy for all."""

    what: str
    nodes: int
    times_s: dict[str, list[float]] = field(default_factory=dict)

    def take_turns(self, rounds: int, ways: dict[str, Callable[[], object]]) -> None:
        """Time every way once a round, in an order that turns round by round."""
        names = list(ways)
        for turn in range(rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                self.times_s.setdefault(name, []).append(time_s(ways[name]))

    def median_s(self, way: str) -> float:
        return median(self.times_s[way])

    def __str__(self) -> str:
        first = self.median_s(next(iter(self.times_s)))
        ways = "   ".join(
            f"{way} {self.median_s(way):.3f} s (x{self.median_s(way) / first:.2f})" for way in self.times_s
        )
        return f"{self.what:<22} {self.nodes:>4} nodes   {ways}"


@dataclass(frozen=True)
class Goal:
    """A ratio and the most it may be."""

    what: str
    ratio: float
    most: float

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.most

    def __str__(self) -> str:
        return f"{'met ' if self.is_met else 'MISSED'} {self.what}: {self.ratio:.2f} (at most {self.most:.2f})"


def show(rows: Sequence[object], goals: Sequence[Goal]) -> int:
    """Print everything; the last line is the verdict. Returns the exit code."""
    for line in (*rows, *goals):
        print(line)
    missed = [goal.what for goal in goals if not goal.is_met]
    print("OK: all goals met" if not missed else f"MISSED: {'; '.join(missed)}")
    return 1 if missed else 0
