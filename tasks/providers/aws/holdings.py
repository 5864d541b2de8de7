"""What of ours is in an account: everything that bears our tag, as AWS's own index of tags tells it.

By the Resource Groups Tagging API reference, "GetResources": one index for each region; things of IAM are in that of
us-east-1, roles and users in none. It tells what was tagged, and for a while what was removed (EC2 shows a terminated
node for about an hour).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_resourcegroupstaggingapi.type_defs import TagFilterTypeDef

TAG = "groundwork:installation"
"""What everything of ours bears: the installation that made it."""


def held(session: AwsSession, regions: Iterable[str], installation: str = "") -> list[str]:
    """Return the ARNs of what is ours in some regions, each once.

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
            for page in pages.paginate(TagFilters=[wanted]):
                found |= dict.fromkeys(thing["ResourceARN"] for thing in page["ResourceTagMappingList"])
    return list(found)
