"""Ending, stopping and starting nodes. Each goes round by round: look, do what is left to do, until nothing is left.

A round may be repeated at any time, so a crash between two of them, and a look that is late, cost a round and no more.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from blocks.errors import NotFound, StillInUse
from tasks.providers.aws.cluster_things import remove_all
from tasks.providers.aws.node_listing import Listed, listed
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.standing import Standing
from tasks.providers.aws.waiting import wait_for

NODES = "nodes"

_ROUND_S = 3.0
_MOST_LOOKS = 4
_MOST_HOLDS = 40
"""Rounds in which something else may hold on to what is ours, when all nodes are gone: two minutes."""

_CHANGED_WITHIN_S = 600.0
_GONE_WITHIN_S = 1800.0


def end_nodes(standing: Standing, node_ids: Collection[str], *, is_wholly: bool = False) -> None:
    """Terminate nodes; returns when EC2 no longer tells of them as alive. New ones may be unknown to it for a while.

    Args:
        standing: The cluster's place.
        node_ids: EC2's ids.
        is_wholly: Return only when they have ended wholly, which takes half a minute and more.
    """
    if not node_ids:
        return

    def end() -> list[str]:
        unknown = _terminated(standing, sorted(node_ids))
        told = [node for node in listed(standing) if node.node_id in node_ids]
        left = [node.node_id for node in told if node.is_alive or (is_wholly and node.state != "terminated")]
        return sorted({*unknown, *left})

    wait_for(f"end of {_said(node_ids)}", end, _is_empty, limit_s=_CHANGED_WITHIN_S, first_s=0, every_s=_ROUND_S)


def terminate(standing: Standing, is_meant: Callable[[Listed], bool]) -> None:
    """Terminate the living nodes that are meant; returns when there are none. What is not there is passed over."""

    def end() -> list[str]:
        alive = [node.node_id for node in listed(standing) if node.is_alive and is_meant(node)]
        _terminated(standing, alive)
        return alive

    _rounds(standing, "end of nodes", end)


def stop(standing: Standing, is_kept: Callable[[Listed], bool]) -> None:
    """Stop the nodes that are kept and terminate all others; returns when what is kept is stopped."""

    def step() -> list[str]:
        alive = [node for node in listed(standing) if node.is_alive]
        leaving = [node.node_id for node in alive if not is_kept(node)]
        _terminated(standing, leaving)
        moving = [node for node in alive if is_kept(node) and node.state != "stopped"]
        running = [node.node_id for node in moving if node.state == "running"]
        if running:
            with translated(f"stop of {standing.where}"):
                standing.ec2.stop_instances(InstanceIds=running)
        return [*leaving, *_ids(moving)]

    _rounds(standing, "stop of nodes", step)


def start(standing: Standing) -> None:
    """Start the nodes that are stopped, or will be; returns when all that live run.

    Raises:
        NoCapacity: AWS has no room for them where they stand, and stopped nodes cannot stand elsewhere.
    """

    def step() -> list[str]:
        alive = [node for node in listed(standing) if node.is_alive and node.state != "running"]
        stopped = [node.node_id for node in alive if node.state == "stopped"]
        if stopped:
            with translated(f"start of {standing.where}"):
                standing.ec2.start_instances(InstanceIds=stopped)
        return _ids(alive)

    _rounds(standing, "start of nodes", step)


def release(standing: Standing, expected: Collection[str]) -> None:
    """Remove nodes and all else that a cluster owns, until a look sees nothing.

    Args:
        standing: The cluster's place.
        expected: Parts that should be there (``NODES``, and those of ``cluster_things``): what is not seen although it
            should be is looked for some times more, for EC2 may tell of it late.

    Raises:
        StillInUse, TimedOut: With what is still there, and why.
        GroundworkError: AWS does not tell, or does not let us: nothing is taken for gone.
    """
    sweep = _Sweep(standing, set(expected))
    wait_for(f"end of {standing.where}", sweep.step, _is_empty, limit_s=_GONE_WITHIN_S, first_s=0, every_s=_ROUND_S)


@dataclass
class _Sweep:
    """The rounds of a release: which expected parts were not seen yet, and how often was looked in vain."""

    standing: Standing
    unseen: set[str]
    looks: int = 0
    holds: int = 0

    def step(self) -> list[str]:
        """Remove what is seen; return what is still there, or may be."""
        told = listed(self.standing)
        nodes = [node for node in told if node.state != "terminated"]
        _terminated(self.standing, [node.node_id for node in nodes if node.state != "shutting-down"])
        if told:
            self.unseen.discard(NODES)
        if nodes:
            return [f"{node.node_id} ({node.state})" for node in nodes]
        parts, held = remove_all(self.standing)
        self.unseen -= parts
        if held:
            self.holds += 1
            if self.holds > _MOST_HOLDS:
                raise StillInUse(
                    "; ".join(held), where=self.standing.where, advice="Remove that, then delete it again."
                )
            return held
        self.looks += 1
        return [f"{part}: not seen yet" for part in sorted(self.unseen)] if self.looks < _MOST_LOOKS else []


def _rounds(standing: Standing, what: str, step: Callable[[], list[str]]) -> None:
    wait_for(f"{what} of {standing.where}", step, _is_empty, limit_s=_CHANGED_WITHIN_S, first_s=0, every_s=_ROUND_S)


def _terminated(standing: Standing, node_ids: list[str]) -> list[str]:
    """Terminate nodes; return those that EC2 does not know (yet). It refuses a call whole for one of them."""
    try:
        _terminate_all(standing, node_ids)
    except NotFound:
        return [node_id for node_id in node_ids if not _is_known(standing, node_id)]
    return []


def _is_known(standing: Standing, node_id: str) -> bool:
    try:
        _terminate_all(standing, [node_id])
    except NotFound:
        return False
    return True


def _terminate_all(standing: Standing, node_ids: list[str]) -> None:
    if node_ids:
        with translated(f"end of {_said(node_ids)}"):
            standing.ec2.terminate_instances(InstanceIds=node_ids)


def _ids(nodes: Iterable[Listed]) -> list[str]:
    return [node.node_id for node in nodes]


def _said(node_ids: Collection[str]) -> str:
    first, *others = sorted(node_ids)
    return f"{first} and {len(others)} more" if others else first


def _is_empty(left: list[str]) -> bool:
    return not left
