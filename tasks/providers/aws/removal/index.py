"""What AWS's index of tags says is there: the second list, which knows nothing of the first.

By "GetResources" in the Resource Groups Tagging API Reference: one index for each region; things of IAM are in that of
us-east-1, whatever region we made them for. It tells of things that are gone for a while, EC2's for about an hour and
KMS keys until their last day: so each that the first list does not know is asked for once more, by its id.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable

from tasks.providers.aws.policies import TAG
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.removal import network, stores
from tasks.providers.aws.removal.things import Area, Kind, Thing

_KINDS = {
    "ec2:instance": Kind.NODE,
    "ec2:volume": Kind.VOLUME,
    "ec2:placement-group": Kind.PLACEMENT_GROUP,
    "ec2:key-pair": Kind.KEY_PAIR,
    "ec2:natgateway": Kind.NAT_GATEWAY,
    "ec2:vpc-endpoint": Kind.ENDPOINT,
    "ec2:network-interface": Kind.INTERFACE,
    "ec2:elastic-ip": Kind.ADDRESS,
    "ec2:subnet": Kind.SUBNET,
    "ec2:route-table": Kind.ROUTE_TABLE,
    "ec2:internet-gateway": Kind.INTERNET_GATEWAY,
    "ec2:security-group": Kind.GROUP,
    "ec2:network-acl": Kind.NETWORK_ACL,
    "ec2:vpc": Kind.NETWORK,
    "ec2:snapshot": Kind.SNAPSHOT,
    "ec2:image": Kind.IMAGE,
    "elasticfilesystem:file-system": Kind.FILE_SYSTEM,
    "ssm:parameter": Kind.PARAMETER,
    "kms:key": Kind.KEY,
    "iam:instance-profile": Kind.PROFILE,
    "iam:role": Kind.ROLE,
    "s3:": Kind.BUCKET,
}
_PARTS = frozenset({"security-group-rule"})
"""What goes with something else."""


def told(area: Area) -> list[Thing]:
    """Return all that the index says bears our tag, gone or not.

    Raises:
        CredentialsInvalid, AccessDenied: Nothing was seen. An empty list is AWS's own word.
    """
    with translated(f"what bears our tag in {area.region}"):
        pages = area.session.client("resourcegroupstaggingapi", area.region).get_paginator("get_resources")
        wanted = [{"Key": TAG, "Values": [area.installation]}]
        asked = pages.paginate(TagFilters=wanted)  # type: ignore[arg-type] # as boto3 takes them
        arns = [found["ResourceARN"] for page in asked for found in page["ResourceTagMappingList"]]
    found = [thing_of(arn) for arn in arns if _is_whole(arn)]
    return [thing for thing in found if _is_here(area, thing)]


def there_still(area: Area, things: Iterable[Thing]) -> list[Thing]:
    """Return those of some things that are there still, as their services tell of them.

    What no service of ours knows (other kinds) is taken to be there.
    """
    by_kind = defaultdict(list)
    for thing in things:
        by_kind[thing.kind].append(thing)
    return [found for kind, some in by_kind.items() for found in _there(area, kind, some)]


def _there(area: Area, kind: Kind, things: list[Thing]) -> list[Thing]:
    ids = [thing.id for thing in things]
    if kind in network.KINDS:
        return network.by_ids(area, kind, ids)
    if kind is Kind.KEY:
        return [key for arn in ids for key in stores.key_of(area, arn)]
    lists = {
        Kind.FILE_SYSTEM: stores.files,
        Kind.PARAMETER: stores.parameters,
        Kind.BUCKET: stores.buckets,
        Kind.PROFILE: stores.identities,
        Kind.ROLE: stores.identities,
    }
    if kind in lists:
        return [found for found in lists[kind](area) if found.kind is kind and found.id in ids]
    return things


def _is_whole(arn: str) -> bool:
    return arn.split(":", 5)[5].partition("/")[0] not in _PARTS


def _is_here(area: Area, thing: Thing) -> bool:
    """Things of IAM are made for one region each, which their name tells, and are all told in one."""
    return thing.kind not in (Kind.PROFILE, Kind.ROLE) or thing.id == area.node_role


def thing_of(arn: str) -> Thing:
    """Return the thing that an ARN names, as far as an ARN tells."""
    _, _, service, _, _, name = arn.split(":", 5)
    word, _, rest = name.partition("/") if service != "s3" else ("", "", name)
    kind = _KINDS.get(f"{service}:{word}", Kind.OTHER)
    if kind in (Kind.KEY, Kind.OTHER):
        return Thing(kind, arn)
    if kind is Kind.PARAMETER:
        return Thing(kind, f"/{rest.removeprefix('/')}")
    return Thing(kind, re.sub("^.*/", "", rest))


def unknown_to(listed: Collection[Thing], index: Iterable[Thing]) -> list[Thing]:
    """Return what the index tells and a list does not."""
    known = {thing.key for thing in listed}
    return [thing for thing in index if thing.key not in known]
