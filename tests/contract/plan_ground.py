"""An account that clusters are planned in: ours by a role with our policies, an image of ours shared with it."""

import re
from collections.abc import Iterable
from typing import Any

from blocks.aws_account import EVERYDAY, AwsAccount, Feature, Variant, completed
from blocks.aws_cluster import AwsClusterSpec
from tasks.providers.aws import policies
from tasks.providers.aws.image_catalogue import name_of
from tasks.providers.aws.plan import Asker, Plan, make
from tasks.providers.aws.session import session_of
from tests.contract.least_rights import EXTERNAL_ID, role
from tests.world.aws.launches import image
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

GROUNDWORK = "installation-1"
READS = re.compile("Describe|Get|List|Head|Simulate|AssumeRole|DecodeAuthorizationMessage")


def connected(
    variant: Variant = Variant.AUTOMATED, features: Iterable[Feature] = EVERYDAY, **bounds: str
) -> AwsAccount:
    """An account whose role has the policies of these features."""
    asked = completed(variant, features)
    documents = policies.permission_policies(variant, asked, account_id=CUSTOMER, **bounds)  # type: ignore[misc]
    arn = role("groundwork-team", documents)
    return AwsAccount(
        account_id=CUSTOMER, role_arn=arn, external_id=EXTERNAL_ID, variant=variant, features=asked, **bounds
    )


def share_image(
    aws: AwsWorld, version: str = "2026.11", architecture: str = "x86_64", *, region: str = "us-east-1"
) -> str:
    """Make an image of ours and let the customer launch it."""
    ec2: Any = aws.client("ec2", INSTALLATION, region=region)
    made: str = ec2.copy_image(
        SourceImageId=image(ec2, architecture), SourceRegion=region, Name=name_of(version, architecture)
    )["ImageId"]
    aws.advance(3600)
    ec2.modify_image_attribute(ImageId=made, LaunchPermission={"Add": [{"UserId": CUSTOMER}]})
    return made


def spec(**wishes: Any) -> AwsClusterSpec:
    """What is asked for: a cluster of four small nodes, unless told otherwise."""
    return AwsClusterSpec(**{"name": "lab", "account": "aws-account/team", "region": "us-east-1", **wishes})


def planned(account: AwsAccount, *, is_begun: bool = False, **wishes: Any) -> Plan:
    """The plan of a cluster in an account."""
    asker = Asker(session_of(account), account, INSTALLATION, GROUNDWORK, is_begun)
    return make(asker, spec(**wishes))


def changes(aws: AwsWorld, *, since: int) -> list[str]:
    """The calls after the first ``since`` that change something, as the world remembers them."""
    return [call["operation"] for call in aws.calls()[since:] if not READS.match(call["operation"])]
