"""Clusters in AWS with its modelled latencies: ours beside its critical path, and what people write for the same.

Time is real: the world runs as quick as our clock, so every pause of everybody lasts as long as in the cloud, and no
code of anybody is patched. What takes minutes there takes minutes here.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.bench.aws import ansible, least, ours, peers
from tests.bench.aws.timeline import Calls, Counts, counts, critical_path_s, late_share
from tests.bench.report import Goal
from tests.drill.lane import Lane, lane
from tests.drill.lives import REGION
from tests.worlds.aws.latencies import STATES
from tests.worlds.aws_world import AwsWorld, aws_world
from tests.worlds.own_venv import NotInstalled

COLD, WARM = "ours, cold", "ours, warm"
ANSIBLE = "Ansible playbook"
PEERS: dict[str, Callable[[AwsWorld, int], None]] = {
    "boto3, one after another": peers.one_after_another,
    "boto3, threads": peers.in_threads,
    ANSIBLE: ansible.by_playbook,
}
MODELLED = {"modelled": True, **STATES}
MOST_OVER, MOST_OVER_S, MOST_GROWTH, MOST_LATE = 1.05, 5.0, 1.05, 0.02
MOST_CALLS, MOST_LOOKS = 40, 20
_PEERS_AT_ONCE = 3


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


def measure(sizes: list[int], *, with_peers: bool = True) -> tuple[list[object], list[Goal]]:
    """Create clusters of these sizes, cold and warm; then let the others do it, some at once, each in its own world."""
    with lane(haste=1) as opened:
        mine = [run for nodes in sizes for run in ours_of(opened, nodes)]
    theirs = _theirs_of(sizes) if with_peers else []
    return [*mine, *theirs], goals(mine)


def goals(mine: list[Run]) -> list[Goal]:
    """What has to be true of ours."""
    found = []
    for run in mine:
        what = f"{run.way}, {run.nodes} nodes"
        found += [
            Goal(f"{what}: seconds / critical path", run.took_s / run.bound_s, MOST_OVER),
            Goal(f"{what}: seconds over it", run.over_s, MOST_OVER_S),
            *goals_of_calls(run),
        ]
    for way in (COLD, WARM):
        runs = sorted((run for run in mine if run.way == way), key=lambda run: run.nodes)
        growth = runs[-1].took_s / runs[0].took_s
        found.append(Goal(f"{way}: {runs[-1].nodes} nodes / {runs[0].nodes}", growth, MOST_GROWTH))
    return found


def goals_of_calls(run: Run) -> list[Goal]:
    """What has to be true of a run's calls, however long they take.

    A cold one makes what the region lacks, which takes more than forty calls in anybody's hands: it may change things
    as often as making them needs, and look around a little.
    """
    what, told = f"{run.way}, {run.nodes} nodes", run.counts
    if run.way == COLD:
        needed = least.calls(least.REGION, least.CLUSTER).total()
        goals = [
            Goal(f"{what}: changes", told.writes, needed),
            Goal(f"{what}: looks but polls", told.looks, MOST_LOOKS),
        ]
    else:
        goals = [Goal(f"{what}: calls but polls", told.but_polls, MOST_CALLS)]
    return [*goals, Goal(f"{what}: throttled calls", told.throttled, 0)]


def ours_of(opened: Lane, nodes: int) -> list[Run]:
    """Create two clusters in an account that was verified: the first with all that its region needs, then another."""
    opened.begin(REGION.settings)
    REGION.ready(opened.aws)
    _do(opened, "verify")
    opened.aws.settings(**MODELLED)
    found = []
    for way, name in ((COLD, "cold"), (WARM, "warm")):
        before = len(opened.aws.calls())
        took_s = ours.ready_s(opened, name, nodes)
        found.append(_run(way, nodes, took_s, opened.aws.calls()[before:]))
        _do(opened, "finish", name=name)
    return found


def _do(opened: Lane, act: str, **told: str) -> None:
    end = opened.do(f"tests.bench.aws.ours:{act}", told)
    assert end.code == 0, end.words


def _theirs_of(sizes: list[int]) -> list[object]:
    absent: list[object] = []
    ways = dict(PEERS)
    try:
        ansible.program()
    except NotInstalled as error:
        del ways[ANSIBLE]
        absent.append(f"{ANSIBLE}: left out, {error}")
    with ThreadPoolExecutor(_PEERS_AT_ONCE) as pool:
        others = [(way, nodes) for nodes in sizes for way in ways]
        theirs = sorted(pool.map(lambda other: _theirs(*other), others), key=lambda run: list(ways).index(run.way))
    return [*theirs, *absent]


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
