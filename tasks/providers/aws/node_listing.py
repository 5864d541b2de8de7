"""The nodes of a cluster as EC2 tells them: one describe for all, each found by the tags that it was born with.

A launch makes many nodes in one call, with the same tags on all. Which index a node has says its place in the launch:
the n-th node (EC2's ``AmiLaunchIndex``) has the n-th index of the launch's tag.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from blocks.cluster import Node
from blocks.errors import TimedOut
from tasks.providers.aws.naming import told
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.standing import Standing
from tasks.providers.aws.waiting import wait_for

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

INDEXES_TAG = "groundwork:indexes"
"""Which nodes a launch is for, as ``1,3-8``."""

LEAST_TAG = "groundwork:least"
"""How many of them the launch had to make; without it all of them."""

HOST_KEY_TAG = "groundwork:host-key"
"""The public host key that we made for the nodes of a launch."""

LONGEST_TAG = 256
"""Letters in a tag's value ("Tag restrictions", Amazon EC2 User Guide)."""

ALIVE = frozenset({"pending", "running", "stopping", "stopped"})
UP = frozenset({"pending", "running"})

_YOUNG = timedelta(minutes=10)
_TOLD_WITHIN_S = 60.0


@dataclass(frozen=True)
class Listed:
    """A node as EC2 tells it.

    ``index`` is 0 where its tags do not say: somebody changed them. ``reason`` is EC2's code and words for its state.
    """

    node_id: str
    index: int
    state: str
    zone: str
    launch: str
    launch_indexes: tuple[int, ...]
    least: int
    launched_at: datetime
    node_type: str
    name: str
    address: str
    public_address: str
    host_key: str
    reason: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether it is there, stopped ones too; what is shutting down is not."""
        return self.state in ALIVE

    def told(self, *, by_public_address: bool) -> Node:
        """Return the node as the house speaks of it."""
        return Node(
            index=self.index,
            name=self.name,
            address=self.address,
            ssh_host=self.public_address if by_public_address else self.address,
            ssh_port=22,
            host_key=self.host_key,
            is_up=self.state in UP,
        )


def ranges(indexes: Iterable[int]) -> str:
    """Return indexes in short, as ``1,3-8``."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][-1] + 1 == index:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def indexes_in(text: str) -> tuple[int, ...]:
    """Return the indexes that ``ranges`` wrote; none where it is no such text."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        return ()
    ends = [part.split("-") for part in text.split(",")]
    return tuple(index for end in ends for index in range(int(end[0]), int(end[-1]) + 1))


def listed(standing: Standing) -> list[Listed]:
    """Return all nodes of a cluster that EC2 tells of, those that end and ended too, sorted by index and age.

    Raises:
        GroundworkError: AWS does not tell: an empty answer is AWS's own word.
    """
    with translated(f"nodes of {standing.where}"):
        pages = standing.ec2.get_paginator("describe_instances").paginate(Filters=standing.owner.filters())
        reservations = [reservation for page in pages for reservation in page["Reservations"]]
    nodes = [_read(one) for reservation in reservations for one in reservation["Instances"]]
    return sorted(nodes, key=_age)


def settled(standing: Standing) -> list[Listed]:
    """Return the same, when all nodes of young launches are told of, dead or alive: EC2 may tell some of them late.

    Waits a minute at most; what is not told of by then is gone.
    """
    last: list[Listed] = []

    def ask() -> list[Listed]:
        last[:] = listed(standing)
        return last

    with suppress(TimedOut):
        wait_for(
            f"nodes of {standing.where}",
            ask,
            lambda nodes: not any(_untold(nodes)),
            limit_s=_TOLD_WITHIN_S,
            first_s=0,
            every_s=2,
        )
    return list(last)


def one_each(nodes: Iterable[Listed]) -> tuple[dict[int, Listed], list[Listed]]:
    """Return the living nodes by index, and those that a second launch made of the same index: the older ones count."""
    found: dict[int, Listed] = {}
    doubles = []
    for node in sorted(nodes, key=_age):
        if not node.is_alive or not node.index:
            continue
        if found.setdefault(node.index, node) is not node:
            doubles.append(node)
    return found, doubles


def chunks(indexes: Sequence[int]) -> Iterator[list[int]]:
    """Cut indexes into parts whose text fits into a tag."""
    part: list[int] = []
    for index in indexes:
        if len(ranges([*part, index])) > LONGEST_TAG:
            yield part
            part = []
        part.append(index)
    if part:
        yield part


def _untold(nodes: Iterable[Listed]) -> Iterator[int]:
    seen: dict[str, set[int]] = defaultdict(set)
    launches = {}
    for node in nodes:
        seen[node.launch].add(node.index)
        launches[node.launch] = node
    for launch, node in launches.items():
        if datetime.now(UTC) - node.launched_at < _YOUNG:
            yield from set(node.launch_indexes[: node.least]) - seen[launch]


def _age(node: Listed) -> tuple[int, datetime, str]:
    return node.index, node.launched_at, node.node_id


def _read(one: "InstanceTypeDef") -> Listed:
    tags = told(one.get("Tags", []))
    launch_indexes = indexes_in(tags.get(INDEXES_TAG, ""))
    place = one.get("AmiLaunchIndex", 0)
    reason = one.get("StateReason", {})
    return Listed(
        node_id=one["InstanceId"],
        index=launch_indexes[place] if place < len(launch_indexes) else 0,
        state=str(one["State"].get("Name")),
        zone=one["Placement"].get("AvailabilityZone", ""),
        launch=one.get("ClientToken", ""),
        launch_indexes=launch_indexes,
        least=int(tags.get(LEAST_TAG, len(launch_indexes))),
        launched_at=one["LaunchTime"],
        node_type=str(one["InstanceType"]),
        name=one.get("PrivateDnsName", "").partition(".")[0],
        address=one.get("PrivateIpAddress", ""),
        public_address=one.get("PublicIpAddress", ""),
        host_key=tags.get(HOST_KEY_TAG, ""),
        reason=" ".join(filter(None, (reason.get("Code", ""), reason.get("Message", "")))),
    )
