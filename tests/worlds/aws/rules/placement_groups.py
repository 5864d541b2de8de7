"""Placement groups, which moto has none of ("Placement groups" in the EC2 User Guide).

AWS answers with an ``available`` one, and forgets a deleted one at once, as a rule; its API knows ``pending`` and
``deleting`` as well, and the world's setting ``placement_group_s`` (seconds by state) makes them last.
"""

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import answer, instance_states
from tests.worlds.aws.rules.document_filters import chosen
from tests.worlds.aws.rules.launch_tags import check_tags, tags_for
from tests.worlds.aws.rules.lookups import KINDS, Kind
from tests.worlds.aws.rules.passing_time import DUE

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

MOST_PARTITIONS = 7
MOST_SPREAD_IN_ZONE = 7
"""Running instances of one spread group in one zone."""

FILTERS = {
    "group-arn": "GroupArn",
    "group-name": "GroupName",
    "spread-level": "SpreadLevel",
    "state": "State",
    "strategy": "Strategy",
}


@dataclass
class Group:
    """One placement group."""

    id: str
    name: str
    strategy: str
    partitions: int
    spread_level: str
    account: str
    region: str
    ec2_backend: Any
    state: str = "available"
    until_s: float | None = None

    def document(self) -> Answer:
        """Return the group as AWS tells it."""
        told: Answer = {
            "GroupArn": f"arn:aws:ec2:{self.region}:{self.account}:placement-group/{self.name}",
            "GroupId": self.id,
            "GroupName": self.name,
            "State": self.state,
            "Strategy": self.strategy,
        }
        tags = self.ec2_backend.tags.get(self.id, {})
        if tags:
            told["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        if self.strategy == "partition":
            told["PartitionCount"] = self.partitions
        if self.strategy == "spread":
            told["SpreadLevel"] = self.spread_level
        return told


@dataclass
class PlacementGroups:
    """All placement groups of a world, by account, region and name."""

    all: dict[tuple[str, str, str], Group] = field(default_factory=dict)

    def of(self, account: str, region: str) -> list[Group]:
        """Return those of an account in a region."""
        return [group for group in self.all.values() if (group.account, group.region) == (account, region)]


@answer("ec2", "CreatePlacementGroup")
def create(world: "World", call: Call) -> Answer:
    """Make a group."""
    asked = call.params
    name, strategy = asked.get("GroupName", ""), asked.get("Strategy", "cluster")
    partitions = asked.get("PartitionCount")
    if not 0 < len(name) <= 255:
        raise Refused("MissingParameter", "The request must contain the parameter GroupName")
    if strategy not in ("cluster", "spread", "partition"):
        raise Refused("InvalidParameterValue", f"Value ({strategy}) for parameter strategy is invalid.")
    if partitions is not None and strategy != "partition":
        raise Refused("InvalidParameterCombination", "PartitionCount can be specified only with strategy 'partition'")
    if partitions is not None and not 1 <= partitions <= MOST_PARTITIONS:
        raise Refused("InvalidParameterValue", f"Value ({partitions}) for parameter partitionCount is invalid.")
    check_tags(asked.get("TagSpecifications") or [], frozenset({"placement-group"}))
    key = (call.account, call.region, name)
    if key in world.of(PlacementGroups).all:
        raise Refused("InvalidPlacementGroup.Duplicate", f"The placement group '{name}' already exists.")
    store = world.backend(call)
    level = asked.get("SpreadLevel", "rack")
    group = Group(f"pg-{secrets.token_hex(8)}a", name, strategy, partitions or 2, level, *key[:2], store)
    store.tags[group.id] |= tags_for(call, "placement-group")
    world.of(PlacementGroups).all[key] = group
    _enter(world, group, "pending")
    return {"PlacementGroup": group.document()}


@answer("ec2", "DescribePlacementGroups")
def describe(world: "World", call: Call) -> Answer:
    """Tell the caller's groups."""
    groups = world.of(PlacementGroups).of(call.account, call.region)
    for member, attribute in (("GroupNames", "name"), ("GroupIds", "id")):
        wanted = call.params.get(member) or []
        _refuse_unknown(wanted, {getattr(group, attribute) for group in groups})
        groups = [group for group in groups if not wanted or getattr(group, attribute) in wanted]
    return {"PlacementGroups": chosen(call, [group.document() for group in groups], FILTERS)}


@answer("ec2", "DeletePlacementGroup")
def delete(world: "World", call: Call) -> Answer:
    """Delete a group in which there is no instance."""
    group = find(world, call, call.params["GroupName"])
    if members(world, group):
        text = f"The placement group '{group.name}' is in use and may not be deleted."
        raise Refused("InvalidPlacementGroup.InUse", text)
    _enter(world, group, "deleting")
    return {}


def find(world: "World", call: Call, name: str) -> Group:
    """Return the caller's group of a name, or of an id.

    Raises:
        Refused: There is none.
    """
    for group in world.of(PlacementGroups).of(call.account, call.region):
        if name in (group.name, group.id) and group.state != "deleting":
            return group
    raise Refused("InvalidPlacementGroup.Unknown", f"The placement group '{name}' is unknown.")


def members(world: "World", group: Group) -> list[Any]:
    """Return moto's instances that are in a group: all but the terminated, the stopped ones too."""
    instances = instance_states.of(world, group.account, group.region)
    in_it = [one for one in instances if one.kept["Placement"].get("GroupId") == group.id]
    return [one for one in in_it if one.state != "terminated"]


def check(world: "World", group: Group, zone: str, kind: Answer, count: int) -> None:
    """Refuse to put so many instances of a type into a group, in a zone."""
    inside = members(world, group)
    supported = kind.get("PlacementGroupInfo", {}).get("SupportedStrategies", [])
    if group.strategy not in supported:
        text = f"The instance type '{kind['InstanceType']}' does not support the strategy '{group.strategy}'."
        raise Refused("InvalidParameterCombination", text)
    zones = {one.placement.zone for one in inside}
    if group.strategy == "cluster" and zones - {zone}:
        text = (
            f"The placement group '{group.name}' is in use in {', '.join(sorted(zones))} and may not be used in {zone}."
        )
        raise Refused("InvalidPlacementGroup.InUse", text)
    here = [one for one in inside if one.placement.zone == zone and one.state in ("pending", "running")]
    if group.strategy == "spread" and len(here) + count > MOST_SPREAD_IN_ZONE:
        text = f"We currently do not have sufficient capacity in the spread placement group '{group.name}' in {zone}."
        raise Refused("InsufficientInstanceCapacity", text, 500)


def _enter(world: "World", group: Group, state: str) -> None:
    group.state = state
    group.until_s = world.clock.now_s() + float(world.settings.get("placement_group_s", {}).get(state, 0))
    _settle(world)


def _settle(world: "World") -> None:
    for key, group in list(world.of(PlacementGroups).all.items()):
        if group.until_s is None or group.until_s > world.clock.now_s():
            continue
        if group.state == "deleting":
            world.of(PlacementGroups).all.pop(key)
            group.ec2_backend.tags.pop(group.id, None)
        group.state, group.until_s = "available", None


def _refuse_unknown(wanted: list[str], known: set[str]) -> None:
    for name in wanted:
        if name not in known:
            raise Refused("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")


DUE.append(_settle)

KINDS["pg"] = Kind(
    "InvalidPlacementGroupId.NotFound",
    "The placement group ID '{}' does not exist",
    lambda backend, wanted: wanted if wanted in backend.tags else None,
)
