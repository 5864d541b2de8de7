"""Whether an account may launch an image of ours, region by region.

What is an image of ours says the catalogue. Whoever else chooses such a name owns it in another account: names alone
prove nothing.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from blocks.aws_account import Finding
from blocks.errors import ProviderError
from tasks.providers.aws.image_catalogue import Image, known
from tasks.providers.aws.session import AwsSession, identity

REGIONS = ("us-east-1", "us-east-2", "us-west-1", "us-west-2")
"""Regions that are always looked at, and where images are shared when nobody says otherwise."""

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


def _images(session: AwsSession, owner: str, region: str) -> list[Image]:
    """Return our images that this identity may launch, newest first."""
    return [image for image in known(session, owner, region) if image.state == "available"]


def _newest(images: list[Image]) -> str:
    return f"{images[0].name} ({images[0].image_id})"
