"""Making an image of ours, in the installation's own account: a node for an hour, what it holds, and its end.

The node (the builder) is found again by its tags, the image by its name, which an account has once in a region
("CreateImage" in the EC2 API Reference). The key that opens the builder lives in this process alone: a builder of an
earlier process opens to nobody any more, and is removed with the others at the end.

The builder's disk is not encrypted by us: an image that is encrypted with the account's AWS-managed key can be launched
by no other account ("Considerations" of "Shared AMIs" in the EC2 User Guide).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from blocks.cluster import Node
from blocks.errors import Conflict, GroundworkError, NotFound, ProviderError, TimedOut, WrongState
from tasks import keys
from tasks.providers.aws.image_catalogue import Image, description_of, known
from tasks.providers.aws.image_recipe import Recipe
from tasks.providers.aws.naming import Owner, listed, told
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession
from tasks.providers.aws.waiting import wait_for

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

BUILDER = "image-builder"
"""The part that a builder is."""

NAME_TAG = "groundwork:image"
VERSION_TAG = "groundwork:version"
USER_TAG = "groundwork:user"
KEY_TAG = "groundwork:host-key"

_ENDED = ("shutting-down", "terminated")
_LAUNCH_S = _STOP_S = _END_S = 900
_IMAGE_S = 3600
_SEEN_S = 60
"""EC2 is eventually consistent: what was just made is told of after this time at most ("Eventual consistency")."""


@dataclass
class _Attempt:
    """What this process knows of a builder: who may enter, how it shows itself, whether AWS was asked for it."""

    login: tuple[str, str] = field(default_factory=keys.key_pair, repr=False)
    host: tuple[str, str] = field(default_factory=keys.key_pair, repr=False)
    is_asked: bool = False


_attempts: dict[Recipe, _Attempt] = {}


def _attempt(recipe: Recipe) -> _Attempt:
    if recipe not in _attempts:
        _attempts[recipe] = _Attempt()
    return _attempts[recipe]


def owner_of(recipe: Recipe) -> Owner:
    """Return whose the builder and the image are, with the tags that both bear."""
    return Owner(
        recipe.installation,
        extra={NAME_TAG: recipe.name, VERSION_TAG: recipe.version, USER_TAG: recipe.user},
    )


def tagged(tags: Mapping[str, str], *kinds: str) -> list[Any]:
    """Return tags as create calls take them for several kinds of things at once."""
    return [{"ResourceType": kind, "Tags": listed(tags)} for kind in kinds]


def find_image(session: AwsSession, recipe: Recipe) -> Image | None:
    """Return the image, if it is there or on its way.

    Raises:
        WrongState: It is there and broken.
    """
    found = known(
        session, recipe.owner_account, recipe.region, version=recipe.version, architecture=recipe.architecture
    )
    usable = [image for image in found if image.state in ("available", "pending")]
    if found and not usable:
        raise WrongState(
            f"{found[0].image_id} is {found[0].state}",
            where=recipe.where,
            advice="Deregister it in EC2's console, then run it again.",
        )
    return usable[0] if usable else None


def launch_builder(session: AwsSession, recipe: Recipe) -> None:
    """Launch the node that the image is made of. A second call of this process makes no second one.

    Raises:
        QuotaExceeded, NoCapacity, AccessDenied: Nothing was made.
    """
    if _own(session, recipe):
        return
    owner, attempt = owner_of(recipe), _attempt(recipe)
    tags = {**owner.tags(BUILDER), KEY_TAG: attempt.host[1]}
    with _asking(attempt), translated(recipe.where):
        session.client("ec2", recipe.region).run_instances(
            ImageId=recipe.base_image,
            InstanceType=recipe.node_type,  # type: ignore[arg-type]
            MinCount=1,
            MaxCount=1,
            SubnetId=recipe.subnet_id,
            SecurityGroupIds=[recipe.security_group_id],
            MetadataOptions={"HttpTokens": "required", "HttpEndpoint": "enabled"},
            # Whatever the base image says: a builder leaves no disk behind.
            BlockDeviceMappings=[{"DeviceName": recipe.root_device, "Ebs": {"DeleteOnTermination": True}}],
            UserData=_user_data(attempt),
            TagSpecifications=tagged(tags, "instance", "network-interface", "volume"),
            ClientToken=owner.token(BUILDER, recipe, attempt.host[1]),
        )


@contextmanager
def _asking(attempt: _Attempt) -> Iterator[None]:
    """Remember that AWS was asked for a node, unless it refused: who is cut off in between does not know."""
    attempt.is_asked = True
    try:
        yield
    except GroundworkError as error:
        attempt.is_asked = error.retryable
        raise


def running_builder(session: AwsSession, recipe: Recipe, *, is_behind: bool) -> Node:
    """Wait until the builder runs; return it as a node to log in to.

    Args:
        session: The installation's.
        recipe: Of the image.
        is_behind: It is reached through a jump host, so by its private address.

    Raises:
        ProviderError: It ended while it started, with AWS's reason.
        TimedOut: After a quarter of an hour.
    """

    def runs(found: "list[InstanceTypeDef]") -> bool:
        ended = [one for one in found if _state(one) in _ENDED]
        if ended:
            why = ended[0].get("StateReason", {}).get("Message", "no reason is told")
            raise ProviderError(f"the node ended while it started ({why})", where=recipe.where)
        return bool(found) and _state(found[0]) == "running"

    (one, *_) = wait_for(
        f"the node of {recipe.where}",
        lambda: _own(session, recipe),
        runs,
        limit_s=_LAUNCH_S,
        first_s=0.5,
        every_s=3,
    )
    address = one.get("PrivateIpAddress", "")
    return Node(
        index=1,
        name=BUILDER,
        address=address,
        ssh_host=address if is_behind else one.get("PublicIpAddress") or address,
        ssh_port=22,
        host_key=_attempt(recipe).host[1],
    )


def key_of_builder(recipe: Recipe) -> str:
    """Return the private key that opens this process's builder, in OpenSSH's text form."""
    return _attempt(recipe).login[0]


def take_image(session: AwsSession, recipe: Recipe) -> None:
    """Stop the builder and let AWS begin an image of it. A second call makes no second one.

    Raises:
        TimedOut: The builder is gone, or does not stop.
    """
    if find_image(session, recipe):
        return
    ec2 = session.client("ec2", recipe.region)
    own = wait_for(
        f"the node of {recipe.where}", lambda: _own(session, recipe), bool, limit_s=_SEEN_S, first_s=0, every_s=2
    )
    ids = [one["InstanceId"] for one in own]
    with translated(recipe.where):
        ec2.stop_instances(InstanceIds=ids)
    wait_for(
        f"the end of the work of {recipe.where}",
        lambda: _own(session, recipe),
        lambda found: bool(found) and all(_state(one) == "stopped" for one in found),
        limit_s=_STOP_S,
        first_s=0.5,
        every_s=3,
    )
    tags = owner_of(recipe).tags("image", recipe.name)
    try:
        with translated(recipe.where):
            ec2.create_image(
                InstanceId=ids[0],
                Name=recipe.name,
                Description=description_of(recipe.version, recipe.user),
                TagSpecifications=tagged(tags, "image", "snapshot"),
            )
    except Conflict:
        # The name is taken: by this image, which an answer that was lost had told of. Then it is soon to be seen.
        wait_for(recipe.where, lambda: find_image(session, recipe), bool, limit_s=_SEEN_S, first_s=1, every_s=2)


def wait_for_image(session: AwsSession, recipe: Recipe) -> Image:
    """Wait until the image can be launched, and return it.

    Raises:
        WrongState: It broke.
        TimedOut: After an hour.
    """
    found = wait_for(
        recipe.where,
        lambda: find_image(session, recipe),
        lambda image: image is not None and image.state == "available",
        limit_s=_IMAGE_S,
        first_s=0.5,
        every_s=5,
    )
    if found is None:
        raise NotFound("it is gone", where=recipe.where)
    return found


@contextmanager
def builders_gone_afterwards(session: AwsSession, recipe: Recipe) -> Iterator[None]:
    """Remove every node that this image was made of at the end, whatever happens; those of killed runs too."""
    try:
        yield
    finally:
        remove_builders(session, recipe)
        _attempts.pop(recipe, None)


def remove_builders(session: AwsSession, recipe: Recipe) -> None:
    """Terminate the image's builders, with their disks, and wait until they are gone. Where none is, nothing happens.

    Raises:
        TimedOut: They do not end.
    """
    is_made = _attempt(recipe).is_asked and _is_seen(session, recipe)

    def still_there() -> "list[InstanceTypeDef]":
        found = _builders(session, recipe)
        ids = [one["InstanceId"] for one in found if _state(one) not in _ENDED]
        if ids:
            session.client("ec2", recipe.region).terminate_instances(InstanceIds=ids)
        return found

    def are_gone(found: "list[InstanceTypeDef]") -> bool:
        # EC2 tells of what has ended for an hour. A list without what was made is an old one.
        is_told = not is_made or any(_is_own(one, recipe) for one in found)
        return is_told and all(_state(one) == "terminated" for one in found)

    what = f"the end of the node of {recipe.where}"
    wait_for(what, still_there, are_gone, limit_s=_END_S, first_s=0, every_s=3)


def _is_seen(session: AwsSession, recipe: Recipe) -> bool:
    """Wait until EC2 tells of the builder that this process asked for; false where it does not in time."""
    what = f"the node of {recipe.where}"
    with suppress(TimedOut):
        return bool(wait_for(what, lambda: _own(session, recipe), bool, limit_s=_SEEN_S, first_s=0, every_s=1))
    return False


def _builders(session: AwsSession, recipe: Recipe) -> "list[InstanceTypeDef]":
    """Return the image's builders of all processes, those that ended within an hour too."""
    filters = [*owner_of(recipe).filters(BUILDER), {"Name": f"tag:{NAME_TAG}", "Values": [recipe.name]}]
    with translated(recipe.where):
        pages = session.client("ec2", recipe.region).get_paginator("describe_instances").paginate(Filters=filters)
        return [one for page in pages for found in page["Reservations"] for one in found["Instances"]]


def _own(session: AwsSession, recipe: Recipe) -> "list[InstanceTypeDef]":
    """Return the builder whose key this process has."""
    return [one for one in _builders(session, recipe) if _is_own(one, recipe)]


def _is_own(one: "InstanceTypeDef", recipe: Recipe) -> bool:
    return told(one.get("Tags", [])).get(KEY_TAG) == _attempt(recipe).host[1]


def _state(one: "InstanceTypeDef") -> str:
    return str(one.get("State", {}).get("Name", ""))


def _user_data(attempt: _Attempt) -> str:
    private, public = attempt.host
    indented = "".join(f"    {line}\n" for line in private.splitlines())
    return (
        f"#cloud-config\nssh_authorized_keys:\n- {attempt.login[1]}\n"
        f"ssh_keys:\n  ed25519_private: |\n{indented}  ed25519_public: {public}\n"
    )
