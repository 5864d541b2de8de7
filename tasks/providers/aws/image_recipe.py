"""What an image of ours is made from: looked up and checked before anything is made."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.errors import BadInput
from tasks.providers.aws import node_types
from tasks.providers.aws.image_catalogue import ARCHITECTURES, name_of
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef

_NEWEST = "al2023-ami-2023.*-{architecture}"
"""How Amazon Linux 2023 is called; its minimal image and the one for ECS have other names ("AL2023 on Amazon EC2")."""

_USERS = {"ubuntu": "ubuntu", "debian": "admin"}
"""Whom images let in, by a part of their names ("Default user names for AMIs" in the EC2 User Guide)."""


@dataclass(frozen=True)
class Wish:
    """What somebody asked for: the fields of the form."""

    region: str
    version: str
    subnet_id: str
    security_group_id: str
    node_type: str
    base_image: str = ""


@dataclass(frozen=True)
class Recipe:
    """An image to be made.

    Args:
        region: Where it is made.
        version: As ``2026.11``.
        architecture: The node type's.
        base_image: The image that it begins with.
        base_name: What that is called.
        root_device: The base image's root disk.
        user: Whom the base image lets in.
        node_type: Of the one node that it is made on.
        subnet_id: Where that node stands, in the installation's own account.
        security_group_id: What lets us in to it.
        installation: Whose it is.
        owner_account: The installation's own account.
    """

    region: str
    version: str
    architecture: str
    base_image: str
    base_name: str
    root_device: str
    user: str
    node_type: str
    subnet_id: str
    security_group_id: str
    installation: str
    owner_account: str

    @property
    def name(self) -> str:
        """What the image is called."""
        return name_of(self.version, self.architecture)

    @property
    def where(self) -> str:
        """The image and its place, for messages."""
        return f"image {self.name} in {self.region}"


def drawn_up(session: AwsSession, wish: Wish, installation: str, owner_account: str) -> Recipe:
    """Look up what a wish means, and return the recipe. Nothing is made.

    Raises:
        BadInput: With the field: no such node type, image, subnet, security group, or two that do not go together.
        GroundworkError: AWS does not tell.
    """
    architecture = _architecture(session, wish)
    base = _base(session, wish, architecture)
    _require_place(session, wish)
    name = base.get("Name", "")
    return Recipe(
        region=wish.region,
        version=wish.version,
        architecture=architecture,
        base_image=base["ImageId"],
        base_name=name,
        root_device=base.get("RootDeviceName", "/dev/xvda"),
        user=next((user for part, user in _USERS.items() if part in name.lower()), "ec2-user"),
        node_type=wish.node_type,
        subnet_id=wish.subnet_id,
        security_group_id=wish.security_group_id,
        installation=installation,
        owner_account=owner_account,
    )


def _architecture(session: AwsSession, wish: Wish) -> str:
    known = node_types.described(session, wish.region, [wish.node_type]).get(wish.node_type)
    if known is None:
        raise BadInput(f"{wish.region} has no node type {wish.node_type}", where="node_type")
    fitting = [one for one in known.architectures if one in ARCHITECTURES]
    if not fitting:
        raise BadInput(f"{wish.node_type} has no 64-bit processor that we know", where="node_type")
    return fitting[0]


def _base(session: AwsSession, wish: Wish, architecture: str) -> "ImageTypeDef":
    ec2 = session.client("ec2", wish.region)
    if wish.base_image:
        by_id: list[FilterTypeDef] = [{"Name": "image-id", "Values": [wish.base_image]}]
        with translated(f"image {wish.base_image}"):
            found = ec2.describe_images(Filters=by_id)["Images"]
    else:
        named: list[FilterTypeDef] = [
            {"Name": "name", "Values": [_NEWEST.format(architecture=architecture)]},
            {"Name": "architecture", "Values": [architecture]},
            {"Name": "state", "Values": ["available"]},
        ]
        with translated(f"Amazon Linux in {wish.region}"):
            found = ec2.describe_images(Owners=["amazon"], Filters=named)["Images"]
    if not found:
        what = wish.base_image or f"Amazon Linux 2023 for {architecture}"
        raise BadInput(f"there is no image {what} in {wish.region} that we may launch", where="base_image")
    newest = max(found, key=lambda image: image.get("CreationDate", ""))
    if newest.get("Architecture") != architecture:
        raise BadInput(
            f"{wish.base_image} is for {newest.get('Architecture')}, and {wish.node_type} is {architecture}",
            where="base_image",
            advice="Choose an image and a node type with the same processor.",
        )
    return newest


def _require_place(session: AwsSession, wish: Wish) -> None:
    """Make sure that subnet and group are in the installation's account, in one network."""
    ec2 = session.client("ec2", wish.region)
    subnet_filter: list[FilterTypeDef] = [{"Name": "subnet-id", "Values": [wish.subnet_id]}]
    group_filter: list[FilterTypeDef] = [{"Name": "group-id", "Values": [wish.security_group_id]}]
    with translated(f"network in {wish.region}"):
        subnets = ec2.describe_subnets(Filters=subnet_filter)["Subnets"]
        groups = ec2.describe_security_groups(Filters=group_filter)["SecurityGroups"]
    if not subnets:
        raise BadInput(f"there is no {wish.subnet_id} in {wish.region} of our own account", where="subnet_id")
    if not groups:
        what = f"there is no {wish.security_group_id} in {wish.region} of our own account"
        raise BadInput(what, where="security_group_id")
    theirs, ours = groups[0].get("VpcId"), subnets[0].get("VpcId")
    if theirs != ours:
        raise BadInput(
            f"{wish.security_group_id} is in {theirs}, and {wish.subnet_id} in {ours}",
            where="security_group_id",
            advice="Choose both in one network.",
        )
