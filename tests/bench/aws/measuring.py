"""Clusters in AWS with its modelled latencies: ours beside its critical path, and what people write with boto3.

Time is real: the world runs as quick as our clock, so every pause of everybody lasts as long as in the cloud, and no
code of anybody is patched. What takes minutes there takes minutes here.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.bench.aws import ours, peers
from tests.bench.aws.timeline import Calls, Counts, counts, critical_path_s, late_share
from tests.bench.report import Goal
from tests.drill.lane import Lane, lane
from tests.drill.lives import REGION
from tests.worlds.aws.latencies import STATES
from tests.worlds.aws_world import AwsWorld, aws_world

COLD, WARM = "ours, cold", "ours, warm"
PEERS: dict[str, Callable[[AwsWorld, int], None]] = {
    "boto3, one after another": peers.one_after_another,
    "boto3, threads": peers.in_threads,
}
MODELLED = {"modelled": True, **STATES}
MOST_OVER, MOST_OVER_S, MOST_CALLS, MOST_GROWTH, MOST_LATE = 1.05, 5.0, 40, 1.05, 0.02


@dataclass(frozen=True)
class Run:
    """One creation: how long it took, the least it could have taken, and its calls. ``late``: a share of answers."""

    way: str
    nodes: int
    took_s: float
    bound_s: float
    counts: Counts
    late: float

    @property
    def over_s(self) -> float:
        return self.took_s - self.bound_s

    def __str__(self) -> str:
        ratio = f"x{self.took_s / self.bound_s:.3f}, {self.over_s:+.1f} s"
        late = f"; VOID: {self.late:.0%} of the answers left late" if self.late > MOST_LATE else ""
        times = f"{self.took_s:6.1f} s of {self.bound_s:5.1f} s critical path ({ratio})"
        return f"{self.way:<26} {self.nodes:>4} nodes   {times}   {self.counts}{late}"


def measure(sizes: list[int], *, with_peers: bool = True) -> tuple[list[Run], list[Goal]]:
    """Create clusters of these sizes, cold and warm; then let the others do it, all at once, each in its own world."""
    with lane(haste=1) as opened:
        mine = [run for nodes in sizes for run in _ours(opened, nodes)]
    others = [(way, nodes) for way in PEERS for nodes in sizes] if with_peers else []
    with ThreadPoolExecutor(max(len(others), 1)) as pool:
        theirs = list(pool.map(lambda other: _theirs(*other), others))
    return [*mine, *theirs], goals(mine)


def goals(mine: list[Run]) -> list[Goal]:
    """What has to be true of ours."""
    found = []
    for run in mine:
        what = f"{run.way}, {run.nodes} nodes"
        found += [
            Goal(f"{what}: seconds / critical path", run.took_s / run.bound_s, MOST_OVER),
            Goal(f"{what}: seconds over it", run.over_s, MOST_OVER_S),
            Goal(f"{what}: calls but polls", run.counts.but_polls, MOST_CALLS),
            Goal(f"{what}: throttled calls", run.counts.throttled, 0),
        ]
    for way in (COLD, WARM):
        runs = sorted((run for run in mine if run.way == way), key=lambda run: run.nodes)
        growth = runs[-1].took_s / runs[0].took_s
        found.append(Goal(f"{way}: {runs[-1].nodes} nodes / {runs[0].nodes}", growth, MOST_GROWTH))
    return found


def _ours(opened: Lane, nodes: int) -> list[Run]:
    opened.begin(REGION.settings)
    REGION.ready(opened.aws)
    opened.aws.settings(**MODELLED)
    found = []
    for way, name in ((COLD, "cold"), (WARM, "warm")):
        before = len(opened.aws.calls())
        took_s = ours.ready_s(opened, name, nodes)
        found.append(_run(way, nodes, took_s, opened.aws.calls()[before:]))
        end = opened.do("tests.bench.aws.ours:finish", {})
        assert end.code == 0, end.words
    return found


def _theirs(way: str, nodes: int) -> Run:
    with aws_world() as aws:
        aws.settings(**MODELLED)
        began = time.monotonic()
        PEERS[way](aws, nodes)
        return _run(way, nodes, time.monotonic() - began, aws.calls())


def _run(way: str, nodes: int, took_s: float, calls: Calls) -> Run:
    # Theirs is done when all of it is; ours when nodes are of use.
    bound_s = critical_path_s(calls) if way in (COLD, WARM) else critical_path_s(calls, aside=())
    return Run(way, nodes, took_s, bound_s, counts(calls), late_share(calls))
