"""Launching the missing nodes of a cluster: all in one zone, in the next one where there is no room, none twice.

A launch is known again by its client token, made of what it is for; so a call whose reply was lost, or a run that died,
is told the nodes that it made. A token whose nodes ended is spent ("The client token is valid for at least 24 hours
after the termination of the instance", EC2 API Reference, "Ensuring Idempotency"): the same nodes are asked for with
the next number.
"""

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from blocks.aws_cluster import OnFailure
from blocks.errors import Conflict, GroundworkError, NoCapacity, RequestRefused, TimedOut
from tasks.providers.aws.ending import end_nodes
from tasks.providers.aws.launch_requests import HEAD, Batch, Order, batches
from tasks.providers.aws.node_listing import ALIVE, Listed, listed, one_each
from tasks.providers.aws.refusal_codes import meaning_of
from tasks.providers.aws.refusals import code_of
from tasks.providers.aws.waiting import wait_for

_KNOWN_WITHIN_S = 120.0
_RUNNING_WITHIN_S = 600.0
_FIRST_LOOK_S = 8.0
_LOOK_EVERY_S = 3.0
_MOST_TOKENS = 50

_TOO_NEW = frozenset(
    {
        "InvalidGroup.NotFound",
        "InvalidKeyPair.NotFound",
        "InvalidPlacementGroup.Unknown",
        "InvalidSubnetID.NotFound",
        # The nodes that were in it in another zone are still ending.
        "InvalidPlacementGroup.InUse",
    }
)
_NEW_PROFILE = "Invalid IAM Instance Profile"
_SPENT = "IdempotentParameterMismatch"

Place = tuple[str, str]
"""A zone, and a subnet in it."""


def launch(order: Order, nodes: Iterable[Listed], indexes: Collection[int], *, may_move: bool) -> None:
    """Make the nodes with these indexes where they are missing; returns when they run.

    Args:
        order: What all launches of the cluster have in common.
        nodes: What ``settled`` told of the cluster a moment ago.
        indexes: Which nodes there shall be.
        may_move: Nodes that stand may be made anew in another zone: the cluster never ran.

    Raises:
        NoCapacity: No zone has room: with all that was tried.
        QuotaExceeded: After one call for each launch; another zone has the same quota.
        GroundworkError: Nothing of this call is left, unless the spec wants it kept.
    """
    standing, doubles = one_each(nodes)
    end_nodes(order.standing, [node.node_id for node in doubles])
    if all(index in standing and standing[index].state != "pending" for index in indexes):
        return
    launching = _Launching(order, set(indexes), standing, may_move=may_move and set(standing) <= set(indexes))
    try:
        launching.run()
    except GroundworkError as error:
        if order.standing.spec.on_failure is not OnFailure.KEEP:
            launching.undo(error)
        raise


class _Launching:
    """One call of ``launch``: which nodes stand, which it made, and where it found no room."""

    def __init__(self, order: Order, wanted: set[int], standing: dict[int, Listed], *, may_move: bool) -> None:
        self.order, self.wanted, self.standing, self.may_move = order, wanted, standing, may_move
        self.found = {node.node_id for node in standing.values()}
        self.made = {node.node_id for node in standing.values() if node.state == "pending"}
        self.tries: list[str] = []

    def run(self) -> None:
        """Launch what is missing in the first zone that has room for it."""
        places = list(self._places())
        if self._is_launched(places, self._whole):
            return
        if self.order.standing.spec.on_failure is OnFailure.GO_ON_SMALLER and self._is_launched(places, self._smaller):
            return
        raise NoCapacity(
            f"no zone has room: {'; '.join(self.tries)}",
            where=self.order.standing.where,
            advice="Try another type, another region or fewer nodes, or try later.",
        )

    def undo(self, error: GroundworkError) -> None:
        """End all that this call made, also what it was never told of.

        Raises:
            GroundworkError: The same as ``error``, and that something may be left.
        """
        try:
            missing = self.wanted - set(self.standing)
            unseen = {node.node_id for node in listed(self.order.standing) if node.is_alive and node.index in missing}
            end_nodes(self.order.standing, (self.made | unseen) - self.found)
        except GroundworkError as also:
            advice = f"{error.advice} Nodes may be left ({also.what}): run it again, or delete-cluster.".strip()
            raise type(error)(error.what, where=error.where, advice=advice) from also

    def _places(self) -> Iterator[Place]:
        """Yield where nodes may be, in order: where some stand already, and elsewhere only if those may move."""
        zones = {node.zone for node in self.standing.values()}
        subnets = self.order.ground.subnets
        yield from (place for place in subnets if place[0] in zones)
        if not zones or self.may_move:
            yield from (place for place in subnets if place[0] not in zones)

    def _is_launched(self, places: list[Place], how: Any) -> bool:
        for place in places:
            self._clear_elsewhere(place[0])
            try:
                how(place)
            except NoCapacity as error:
                self.tries.append(f"{place[0]}: {error.what}")
            else:
                return True
        return False

    def _clear_elsewhere(self, zone: str) -> None:
        """End what was made, and what stood, in another zone: all nodes of a cluster are in one."""
        if self.may_move:
            self.standing = {index: node for index, node in self.standing.items() if node.zone == zone}
        stays = {node.node_id for node in self.standing.values()}
        # A placement group is in one zone, as long as one of its nodes is told of.
        is_wholly = bool(self.order.ground.placement_group)
        end_nodes(self.order.standing, (self.found | self.made) - stays, is_wholly=is_wholly)
        self.made, self.found = self.made & stays, stays

    def _whole(self, place: Place) -> None:
        missing = list(batches(self.order.standing.spec, self.wanted - set(self.standing)))
        with ThreadPoolExecutor(max_workers=max(len(missing), 1)) as side:
            launches = [side.submit(self._make, batch, place[1]) for batch in missing]
        errors = [error for error in (launch.exception() for launch in launches) if error]
        # Another zone may have room; for all else there is no other zone.
        for error in sorted(errors, key=lambda error: isinstance(error, NoCapacity)):
            raise error
        self._wait_until_running()

    def _smaller(self, place: Place) -> None:
        spec = self.order.standing.spec
        for batch in batches(spec, self.wanted - set(self.standing)):
            lacking = spec.minimum_nodes - len(self.found | self.made)
            try:
                self._make(replace(batch, least=min(max(1, lacking), len(batch.indexes))), place[1])
            except NoCapacity:
                if batch.part == HEAD or lacking > 0:
                    raise
        self._wait_until_running()

    def _make(self, batch: Batch, subnet: str) -> None:
        """Launch a batch: once, whatever was launched before of it; again, what ended of it."""
        for number in range(_MOST_TOKENS):
            told = sorted(self._asked(batch, subnet, number), key=lambda one: one["AmiLaunchIndex"])
            self.made.update(one["InstanceId"] for one in told if one["State"]["Name"] in ALIVE)
            ended = {batch.indexes[place] for place, one in enumerate(told) if one["State"]["Name"] not in ALIVE}
            if told and not ended:
                return
            batch = batch.only(ended) if told else batch
        raise Conflict(
            f"nodes were launched {_MOST_TOKENS} times, and ended", where=self.order.standing.where, advice="Try later."
        )

    def _asked(self, batch: Batch, subnet: str, number: int) -> list[Any]:
        """Return what EC2 tells of a launch; nothing where its token was used for another one."""
        asked = self.order.request(batch, subnet, number)

        def ask() -> Any:
            try:
                return self.order.standing.ec2.run_instances(**asked)["Instances"]
            except ClientError as error:
                if code_of(error) == _SPENT:
                    return []
                if code_of(error) in _TOO_NEW or _NEW_PROFILE in str(error):
                    return f"{code_of(error)}: {error.response['Error'].get('Message', '')}"
                raise

        what = f"launch of {batch} for {self.order.standing.where}"
        try:
            told = wait_for(
                what, ask, lambda said: isinstance(said, list), limit_s=_KNOWN_WITHIN_S, first_s=0, every_s=3
            )
        except TimedOut as error:
            raise RequestRefused(error.what, where=what, advice="Was something of it removed in AWS?") from error
        return list(told)

    def _wait_until_running(self) -> None:
        """Wait until all that was made runs; one describe for all nodes.

        Raises:
            GroundworkError: One ended instead: for the reason that EC2 tells.
        """
        if not self.made:
            return

        def look() -> list[Listed]:
            return [node for node in listed(self.order.standing) if node.node_id in self.made]

        def are_up(told: list[Listed]) -> bool:
            for node in told:
                if not node.is_alive:
                    raise _ended(node, self.order.standing.where)
            return len(told) == len(self.made) and not any(node.state == "pending" for node in told)

        wait_for(
            f"nodes of {self.order.standing.where}",
            look,
            are_up,
            limit_s=_RUNNING_WITHIN_S,
            first_s=_FIRST_LOOK_S,
            every_s=_LOOK_EVERY_S,
        )


def _ended(node: Listed, where: str) -> GroundworkError:
    code = node.reason.partition(" ")[0].partition(".")[2]
    meaning = meaning_of(code)
    return meaning.kind(
        f"node {node.index} ({node.node_id}) ended instead of running: {node.reason or 'AWS says no reason'}",
        where=where,
        advice=meaning.advice,
    )
