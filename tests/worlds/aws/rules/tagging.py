"""The tagging API: everything with tags that the account has in the region, of every service that the world knows.

Moto tells it for half of EC2's kinds only. By "GetResources" in the "Resource Groups Tagging API Reference"; what had
tags once and has none now is told by AWS, and is not told here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.core.resource_tagging import iter_taggable_backends

from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.permissions import things_ec2
from tests.worlds.aws.rules import answer
from tests.worlds.aws.rules.lookups import KINDS

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_NOT_HERE = {"cr", "fl", "h", "pcx", "pl"}
"""Kinds that policies name and nobody can make in this world: tags on one would be a fault of its own."""

KINDS_OF_EC2 = {"sgr": "security-group-rule"} | {
    prefix: word for prefix, word in things_ec2.KINDS.items() if prefix not in _NOT_HERE
}
"""The word for each kind in an ARN ("Resource types defined by Amazon EC2"), by the prefix of its ids."""


@dataclass(frozen=True)
class Tagged:
    """Something with tags. ``kind`` is its resource type, as ``ec2:instance``."""

    arn: str
    kind: str
    tags: dict[str, str]


def tagged(world: "World", call: Call) -> Iterator[Tagged]:
    """Yield everything that has tags in the caller's account and region."""
    yield from _of_ec2(world, call)
    for store in iter_taggable_backends(call.account, call.region):
        if store.SERVICE_NAMESPACE == "ec2":
            continue
        for found in store.iter_tagged_resources():
            if found.tags and _is_here(store, found.arn, call):
                yield Tagged(found.arn, found.resource_type, found.tags)


def _of_ec2(world: "World", call: Call) -> Iterator[Tagged]:
    backend = world.backend(call, "ec2")
    for name, tags in list(backend.tags.items()):
        prefix = name.rpartition("-")[0]
        if prefix not in KINDS_OF_EC2:
            raise CannotAnswer(f"the world does not know what {name} with tags is")
        if tags and (prefix not in KINDS or KINDS[prefix].find(backend, name) is not None):
            kind = KINDS_OF_EC2[prefix]
            yield Tagged(f"arn:aws:ec2:{call.region}:{call.account}:{kind}/{name}", f"ec2:{kind}", dict(tags))


def _is_here(store: Any, arn: str, call: Call) -> bool:
    if store.SERVICE_NAMESPACE != "s3":
        return True
    return bool(store.buckets[arn.removeprefix("arn:aws:s3:::")].region_name == call.region)


@answer("resourcegroupstaggingapi", "GetResources")
def _resources(world: "World", call: Call) -> Answer:
    if not (1 <= call.params.get("ResourcesPerPage", 1) <= 100 <= call.params.get("TagsPerPage", 100) <= 500):
        text = "ResourcesPerPage is 1 to 100, TagsPerPage 100 to 500."
        raise Refused("InvalidParameterException", text)
    arns = call.params.get("ResourceARNList")
    if arns and (call.params.get("TagFilters") or call.params.get("ResourceTypeFilters")):
        raise Refused("InvalidParameterException", "ResourceARNList cannot be used together with filters.")
    found = [
        told
        for told in tagged(world, call)
        if (not arns or told.arn in arns) and _is_of(told, call.params.get("ResourceTypeFilters")) and _has(told, call)
    ]
    return {
        "ResourceTagMappingList": [
            {"ResourceARN": told.arn, "Tags": [{"Key": key, "Value": value} for key, value in told.tags.items()]}
            for told in sorted(found, key=lambda told: told.arn)
        ]
    }


def _is_of(told: Tagged, kinds: list[str] | None) -> bool:
    return not kinds or told.kind in kinds or told.kind.partition(":")[0] in kinds


def _has(told: Tagged, call: Call) -> bool:
    return all(
        wanted["Key"] in told.tags and (not wanted.get("Values") or told.tags[wanted["Key"]] in wanted["Values"])
        for wanted in call.params.get("TagFilters", [])
    )


@answer("resourcegroupstaggingapi", "GetTagKeys")
def _keys(world: "World", call: Call) -> Answer:
    return {"TagKeys": sorted({key for told in tagged(world, call) for key in told.tags})}


@answer("resourcegroupstaggingapi", "GetTagValues")
def _values(world: "World", call: Call) -> Answer:
    key = call.params["Key"]
    return {"TagValues": sorted({told.tags[key] for told in tagged(world, call) if key in told.tags})}
