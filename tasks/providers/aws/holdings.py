"""What of ours is in an account: everything that bears our tag, as AWS's own index of tags tells it.

By the Resource Groups Tagging API reference, "GetResources": one index for each region; things of IAM are in that of
us-east-1, roles and users in none. It tells what was tagged, and for a while what was removed: EC2 shows a terminated
node for about an hour, and a KMS key is there until the last of its 7 to 30 days. Such things hold nobody back.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from blocks.errors import AccessDenied
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.removal import index
from tasks.providers.aws.removal.things import Area, Kind
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_resourcegroupstaggingapi.type_defs import TagFilterTypeDef

TAG = "groundwork:installation"
"""What everything of ours bears: the installation that made it."""

_LINGERING = (Kind.NODE, Kind.NAT_GATEWAY, Kind.ENDPOINT, Kind.VOLUME, Kind.INTERFACE, Kind.FILE_SYSTEM, Kind.KEY)
"""Kinds of which the index tells when they are gone."""


def held(session: AwsSession, regions: Iterable[str], installation: str = "") -> list[str]:
    """Return the ARNs of what is ours in some regions, each once; what is gone or given up is not.

    Args:
        session: Where to look.
        regions: Where to ask; the session's own region is always asked too.
        installation: Which of several Groundworks in one account; empty: all of them.

    Raises:
        CredentialsInvalid, AccessDenied: What is there was not seen. An empty list is AWS's own word.
    """
    wanted: TagFilterTypeDef = {"Key": TAG}
    if installation:
        wanted["Values"] = [installation]
    found: dict[str, None] = {}
    for region in dict.fromkeys([session.region, *regions]):
        with translated(f"what is ours in {region}"):
            pages = session.client("resourcegroupstaggingapi", region).get_paginator("get_resources")
            told = [
                thing["ResourceARN"]
                for page in pages.paginate(TagFilters=[wanted])
                for thing in page["ResourceTagMappingList"]
            ]
        found |= dict.fromkeys(_there(Area(session, region, installation, ""), told))
    return list(found)


def _there(area: Area, arns: list[str]) -> list[str]:
    """Return which of some things are there still; one that we may not ask about is."""
    gone: set[str] = set()
    for kind in _LINGERING:
        some = {arn: thing for arn in arns if (thing := index.thing_of(arn)).kind is kind}
        try:
            there = {thing.key for thing in index.there_still(area, some.values())}
        except AccessDenied:
            continue
        gone |= {arn for arn, thing in some.items() if thing.key not in there}
    return [arn for arn in arns if arn not in gone]
