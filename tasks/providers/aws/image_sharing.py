"""Sharing an image of ours: a copy in each region, and the right of an account to launch it there.

Copies, permissions and what is told of them: "Copy an Amazon EC2 AMI" and "Shared AMIs" in the EC2 User Guide. A copy
has neither the launch permissions nor the tags of what it was copied from.
"""

from dataclasses import dataclass

from blocks.aws_account import Finding
from blocks.errors import GroundworkError, NotFound, WrongState
from tasks.providers.aws.image_catalogue import Image, description_of, known
from tasks.providers.aws.image_making import NAME_TAG, USER_TAG, VERSION_TAG, tagged
from tasks.providers.aws.naming import Owner
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession
from tasks.providers.aws.waiting import wait_for

_COPY_S = 3600
_SEEN_S = 60


@dataclass(frozen=True)
class Sharing:
    """Whose images shall be launched by whom.

    Args:
        built_in: The region that it was built in, and is copied from.
        owner_account: The installation's own account, to which images belong.
        account_id: The account that shall launch it.
        installation: Whose the copies are.
    """

    built_in: str
    owner_account: str
    account_id: str
    installation: str


def originals(home: AwsSession, owner_account: str, region: str, version: str) -> list[Image]:
    """Return the images of a version where they were built, one for each architecture.

    Raises:
        NotFound: There is none; with the versions that there are.
    """
    there = known(home, owner_account, region)
    usable = [image for image in there if image.state in ("available", "pending")]
    found = [image for image in usable if image.version == version]
    if not found:
        versions = ", ".join(dict.fromkeys(image.version for image in usable))
        raise NotFound(
            f"there is no image of version {version} in {region}",
            where="version",
            advice=f"There are: {versions}." if versions else "Run build-image first.",
        )
    return found


def share(home: AwsSession, theirs: AwsSession, sharing: Sharing, original: Image, region: str) -> Finding:
    """Let the account launch the image in a region, copied there where it is missing; say whether it can.

    A second call finds the copy and the permission. What goes wrong for good in this region is the finding's text:
    other regions are not held up by it.

    Args:
        home: The installation's session.
        theirs: Our session in the account; it is asked whether it sees the image.
        sharing: What is shared with whom.
        original: The image where it was built.
        region: Where the account shall launch it.

    Raises:
        GroundworkError: What a later try may do better.
    """
    subject = f"image {region}"
    try:
        image = _there(home, sharing, original, region)
        if sharing.account_id != sharing.owner_account:
            _permit(home, sharing, image, region)
    except GroundworkError as error:
        if error.retryable:
            raise
        return Finding(subject=subject, state="bad", text=str(error))
    try:
        _seen(theirs, sharing, image, region)
    except GroundworkError as error:
        if error.retryable:
            raise
        text = f"{image.name} ({image.image_id}) is shared; whether the account sees it is not known: {error}"
        return Finding(subject=subject, state="unverified", text=text)
    return Finding(subject=subject, state="good", text=f"{image.name} ({image.image_id}) may be launched")


def _there(home: AwsSession, sharing: Sharing, original: Image, region: str) -> Image:
    """Return the image in a region when it can be launched, copied there where it is missing."""
    if _here(home, sharing, original, region) is None:
        _available(home, sharing, original, sharing.built_in)
        _copy(home, sharing, original, region)
    return _available(home, sharing, original, region)


def _here(home: AwsSession, sharing: Sharing, original: Image, region: str) -> Image | None:
    found = known(home, sharing.owner_account, region, version=original.version, architecture=original.architecture)
    return found[0] if found else None


def _copy(home: AwsSession, sharing: Sharing, original: Image, region: str) -> None:
    owner = Owner(
        sharing.installation,
        extra={NAME_TAG: original.name, VERSION_TAG: original.version, USER_TAG: original.user},
    )
    tags = owner.tags("image", original.name)
    with translated(f"copy of {original.name} to {region}"):
        home.client("ec2", region).copy_image(
            SourceImageId=original.image_id,
            SourceRegion=sharing.built_in,
            Name=original.name,
            Description=description_of(original.version, original.user),
            TagSpecifications=tagged(tags, "image", "snapshot"),
            ClientToken=owner.token("image", original.image_id, region),
        )


def _available(home: AwsSession, sharing: Sharing, original: Image, region: str) -> Image:
    """Wait until the image can be launched in a region."""
    where = f"{original.name} in {region}"

    def is_available(image: Image | None) -> bool:
        if image is not None and image.state not in ("pending", "available"):
            advice = "Deregister it in EC2's console, then run it again."
            raise WrongState(f"{image.image_id} is {image.state}", where=where, advice=advice)
        return image is not None and image.state == "available"

    found = wait_for(
        where,
        lambda: _here(home, sharing, original, region),
        is_available,
        limit_s=_COPY_S,
        first_s=0,
        every_s=5,
    )
    if found is None:
        raise NotFound("it is gone", where=where)
    return found


def _permit(home: AwsSession, sharing: Sharing, image: Image, region: str) -> None:
    """Give the launch permission; giving it twice is giving it once."""
    if image.is_encrypted:
        raise WrongState(
            f"{image.image_id} is encrypted, with a key that no other account can use",
            where=f"{image.name} in {region}",
            advice="Switch off EBS encryption by default in our own account's region, and build it again.",
        )
    with translated(f"launch permission of {image.name} in {region}"):
        home.client("ec2", region).modify_image_attribute(
            ImageId=image.image_id, LaunchPermission={"Add": [{"UserId": sharing.account_id}]}
        )


def _seen(theirs: AwsSession, sharing: Sharing, image: Image, region: str) -> None:
    """Wait until the account itself sees the image: a permission takes some seconds."""
    wait_for(
        f"{image.name} in {region}, as the account sees it",
        lambda: known(theirs, sharing.owner_account, region, version=image.version, architecture=image.architecture),
        lambda found: any(one.image_id == image.image_id for one in found),
        limit_s=_SEEN_S,
        first_s=0,
        every_s=2,
    )
