"""Our images by version: which ones an account may launch, newest first.

An image of ours belongs to the account that the Prefect worker's identity is in, and is called
``groundwork-<version>-<architecture>``. Its tags are shown to its owner alone ("Shared AMIs" in the EC2 User Guide), so
what others have to know of it stands in its name and its description.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blocks.errors import NotFound, ProviderError
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession, identity

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef

NAME_PREFIX = "groundwork-"
"""How the names of our images begin."""

MOST_OFFERED = 3
"""Versions that are offered: the newest ones. Older ones may be named, as long as they are there."""

ARCHITECTURES = ("x86_64", "arm64")

_NAME = re.compile(
    rf"{NAME_PREFIX}(?P<version>[0-9]+(\.[0-9]+){{1,2}}(-[a-z0-9.]+)?)-(?P<architecture>{'|'.join(ARCHITECTURES)})"
)
_USER = re.compile(r"\buser ([a-z][a-z0-9-]*)")
_USUAL_USER = "ec2-user"


@dataclass(frozen=True)
class Image:
    """An image of ours in a region.

    Args:
        version: As ``2026.11``.
        image_id: As ``ami-0abc``.
        architecture: ``x86_64`` or ``arm64``.
        root_device: The root disk's device, as ``/dev/xvda``.
        user: Whom nodes made from it let in.
        name: Its whole name.
        created_at: When it was made in this region, as AWS writes it (ISO 8601).
        state: ``available``, ``pending``, ``failed`` or another of EC2's.
        is_encrypted: Its disks are encrypted: the AWS-managed key of its account lets no other account read them.
        deprecated_at: From when on AWS shows it to nobody but its owner; empty: from no time on.
    """

    version: str
    image_id: str
    architecture: str
    root_device: str
    user: str
    name: str
    created_at: str
    state: str = "available"
    is_encrypted: bool = False
    deprecated_at: str = ""


def name_of(version: str, architecture: str) -> str:
    """Return what an image of ours is called."""
    return f"{NAME_PREFIX}{version}-{architecture}"


def description_of(version: str, user: str) -> str:
    """Return an image's description; whom its nodes let in is read from there, in every account."""
    return f"Groundwork {version}: user {user}"


def newest(session: AwsSession, owner_account: str, region: str, architecture: str = "x86_64") -> list[Image]:
    """Return the three newest versions that this session may launch, newest first; none where none is shared.

    Args:
        session: Our session in the account whose nodes are meant.
        owner_account: The account that our images belong to: the one of the Prefect worker's identity.
        region: Where.
        architecture: Of the nodes' processors.

    Raises:
        GroundworkError: AWS does not tell.
    """
    there = known(session, owner_account, region, architecture=architecture, with_deprecated=False)
    return _offered(there)[:MOST_OFFERED]


def find(session: AwsSession, owner_account: str, region: str, version: str, architecture: str = "x86_64") -> Image:
    """Return the image of a version; of the newest one where ``version`` is empty.

    Raises:
        NotFound: This session may launch no such image; with the versions that there are, or why there is none.
        GroundworkError: AWS does not tell.
    """
    there = known(session, owner_account, region, architecture=architecture, with_deprecated=bool(version))
    usable = [image for image in there if image.state == "available"]
    wanted = [image for image in usable if image.version == version] if version else _offered(usable)
    if wanted:
        return wanted[0]
    raise NotFound(
        f"there is no image {name_of(version or '*', architecture)} in {region} that the account may launch",
        where="image_version",
        advice=_what_else(usable) or _why_none(owner_account, region, architecture, version),
    )


def known(
    session: AwsSession,
    owner_account: str,
    region: str,
    *,
    version: str = "",
    architecture: str = "",
    with_deprecated: bool = True,
) -> list[Image]:
    """Return our images that a session sees in a region, newest first, whatever their state.

    Args:
        session: Its own account sees those that are shared with it; the owner sees all.
        owner_account: The account that our images belong to.
        region: Where.
        version: Only this one; empty: all.
        architecture: Only this one; empty: all.
        with_deprecated: Also those whose deprecation has come; the owner is told of these in any case.
    """
    named: list[FilterTypeDef] = [{"Name": "name", "Values": [name_of(version or "*", architecture or "*")]}]
    with translated(f"images in {region}"):
        pages = (
            session.client("ec2", region)
            .get_paginator("describe_images")
            .paginate(Owners=[owner_account], Filters=named, IncludeDeprecated=with_deprecated)
        )
        found = [read(image) for page in pages for image in page["Images"]]
    return sorted((image for image in found if image is not None), key=_age, reverse=True)


def read(told: "ImageTypeDef") -> Image | None:
    """Return an image as DescribeImages tells it; None where its name is none of ours."""
    name = _NAME.fullmatch(told.get("Name", ""))
    if name is None:
        return None
    user = _USER.search(told.get("Description", ""))
    disks = [mapping.get("Ebs", {}) for mapping in told.get("BlockDeviceMappings", [])]
    return Image(
        version=name["version"],
        image_id=told["ImageId"],
        architecture=name["architecture"],
        root_device=told.get("RootDeviceName", "/dev/xvda"),
        user=user[1] if user else _USUAL_USER,
        name=name[0],
        created_at=told.get("CreationDate", ""),
        state=told.get("State", ""),
        is_encrypted=any(disk.get("Encrypted", False) for disk in disks),
        deprecated_at=told.get("DeprecationTime", ""),
    )


def _offered(images: Iterable[Image]) -> list[Image]:
    now = datetime.now(UTC).isoformat()
    return [image for image in images if image.state == "available" and not "" < image.deprecated_at <= now]


def _age(image: Image) -> tuple[tuple[int, ...], bool, str, str]:
    """Sort by version: a copy of an old one is younger than a new one, and 2026.10 comes after 2026.9."""
    numbers, _, trial = image.version.partition("-")
    return tuple(int(number) for number in numbers.split(".")), not trial, trial, image.created_at


def _what_else(images: Iterable[Image]) -> str:
    versions = ", ".join(image.version for image in images)
    return f"There are: {versions}." if versions else ""


def _why_none(owner_account: str, region: str, architecture: str, version: str) -> str:
    try:
        ours = known(identity(), owner_account, region, version=version, architecture=architecture)
    except ProviderError:
        return "Run share-image; if that finds none, run build-image."
    if any(image.state == "available" for image in ours):
        return f"{ours[0].name} is there, and not shared with the account: run share-image."
    if ours:
        return f"{ours[0].name} is {ours[0].state}: run build-image again, then share-image."
    return "None was built for this region: run build-image, then share-image."
