"""An account that clusters are planned in: ours by a role with our policies, an image of ours shared with it."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from blocks.aws_account import EVERYDAY, AwsAccount, Feature, Finding, Variant, completed
from blocks.aws_cluster import AwsClusterSpec
from tasks.providers.aws import policies
from tasks.providers.aws.image_catalogue import name_of
from tasks.providers.aws.plan import Asker, Part, Plan, make
from tasks.providers.aws.session import session_of
from tests.contract.least_rights import EXTERNAL_ID, role
from tests.world.aws.launches import image
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

GROUNDWORK = "installation-1"
READS = re.compile("Describe|Get|List|Head|Simulate|AssumeRole|DecodeAuthorizationMessage")


KINDS = {
    "head": "instance",
    "workers": "instance",
    "root disk of the head": "volume",
    "root disks of the workers": "volume",
    "network interfaces": "network-interface",
    "key pair": "key-pair",
    "SSH key in the parameter store": "parameter",
    "placement group": "placement-group",
    "security group": "security-group",
    "VPC": "vpc",
    "public subnets": "subnet",
    "private subnets": "subnet",
    "internet gateway": "internet-gateway",
    "elastic IP": "elastic-ip",
    "NAT gateway": "natgateway",
    "route tables": "route-table",
    "S3 endpoint": "vpc-endpoint",
    "shared files (EFS)": "file-system",
    "security group of the shared files": "security-group",
    "KMS key": "key",
    "bucket": "bucket",
}
"""What the plan's words are in ARNs. AWS's index of tags has neither mount targets nor roles and their profiles."""


def connected(features: Iterable[Feature] = EVERYDAY, *, is_verified: bool = True) -> AwsAccount:
    """An account whose role has the policies of these features, and which the last night found good."""
    asked = completed(Variant.AUTOMATED, features)
    documents = policies.permission_policies(Variant.AUTOMATED, asked, account_id=CUSTOMER)
    arn = role("groundwork-team", documents)
    account = AwsAccount(account_id=CUSTOMER, role_arn=arn, external_id=EXTERNAL_ID, features=asked)
    return verified(account) if is_verified else account


def verified(account: AwsAccount, *, age: timedelta = timedelta(0), **bad: str) -> AwsAccount:
    """The account with findings of an age: all good but for what is told of features by name."""
    found = [Finding(subject=feature.value, state="good", text="all are allowed") for feature in account.features]
    found = [one for one in found if one.subject not in bad]
    found += [Finding(subject=feature, state="bad", text=text) for feature, text in bad.items()]
    return account.model_copy(update={"findings": found, "verified_at": datetime.now(UTC) - age})


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


def said(parts: Iterable[Part], of: str) -> Counter[str]:
    """How many things of each kind a plan tells, of the cluster or of the region."""
    counts: Counter[str] = Counter()
    for part in parts:
        kind = KINDS.get(part.what.partition(":")[0])
        if part.of == of and kind is not None:
            counts[kind] += part.count
    return counts


def made(arns: Iterable[str]) -> Counter[str]:
    """How many things of each kind there are."""
    kinds = [
        arn.split(":", 5)[5].replace(":", "/").partition("/")[0] if ":s3:" not in arn else "bucket" for arn in arns
    ]
    return Counter(kind for kind in kinds if kind not in ("role", "instance-profile"))
