"""Whether an account may launch an image of ours, region by region.

An image of ours belongs to the account that the Prefect worker's identity is in, and its name begins with
``groundwork-``. Whoever else chooses that name owns it in another account: names alone prove nothing.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from blocks.aws_account import Finding
from blocks.errors import ProviderError
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession, identity

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import ImageTypeDef

NAME_PREFIX = "groundwork-"
"""How the names of our images begin."""

REGIONS = ("us-east-1", "us-east-2", "us-west-1", "us-west-2")
"""Regions that are always looked at."""

_AT_ONCE = 8


def findings(session: AwsSession, owner: str, default_region: str, regions: Sequence[str] = REGIONS) -> list[Finding]:
    """Say for each region whether the account may launch an image of ours; the default region comes first.

    A region that cannot be asked (it is not enabled, or the question is not allowed) is unverified, never good.

    Args:
        session: Our session in the account.
        owner: The account that our images belong to.
        default_region: The account's own choice.
        regions: Further ones.
    """
    home = identity()
    asked = list(dict.fromkeys([default_region, *regions]))
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(lambda region: _finding(session, home, owner, region), asked))


def _finding(session: AwsSession, home: AwsSession, owner: str, region: str) -> Finding:
    subject = f"image {region}"
    try:
        shared = _images(session, owner, region)
    except ProviderError as error:
        return Finding(subject=subject, state="unverified", text=str(error))
    if shared:
        return Finding(subject=subject, state="good", text=f"{_newest(shared)} may be launched")
    try:
        there = _images(home, owner, region)
    except ProviderError as error:
        text = f"no image is shared with the account; whether there is one cannot be seen: {error.what}"
        return Finding(subject=subject, state="bad", text=text)
    if there:
        text = f"{_newest(there)} is not shared with the account: give it the launch permission, with share-image"
        return Finding(subject=subject, state="bad", text=text)
    return Finding(subject=subject, state="bad", text="no image in this region: build-image makes one")


def _images(session: AwsSession, owner: str, region: str) -> "list[ImageTypeDef]":
    """Return our images that this identity may launch."""
    with translated(f"images in {region}"):
        pages = (
            session.client("ec2", region)
            .get_paginator("describe_images")
            .paginate(
                Owners=[owner],
                Filters=[{"Name": "name", "Values": [f"{NAME_PREFIX}*"]}, {"Name": "state", "Values": ["available"]}],
            )
        )
        return [image for page in pages for image in page["Images"]]


def _newest(images: "list[ImageTypeDef]") -> str:
    newest = max(images, key=lambda image: image.get("CreationDate", ""))
    return f"{newest['Name']} ({newest['ImageId']})"
