"""What may be left of ours in a region: kinds of things, whose each is, and where we look for them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from tasks.providers.aws.naming import CLUSTER_TAG, Owner, told
from tasks.providers.aws.policies import PARAMETERS, ROLE_PREFIX, TAG
from tasks.providers.aws.region import parts
from tasks.providers.aws.session import AwsSession


class Kind(StrEnum):
    """What we make in a region, in the order in which it goes; ``order.AFTER`` says what each has to wait for."""

    NODE = "node"
    VOLUME = "disk"
    PLACEMENT_GROUP = "placement group"
    KEY_PAIR = "key pair"
    PARAMETER = "SSM parameter"
    MOUNT_TARGET = "mount target"
    FILE_SYSTEM = "EFS file system"
    NAT_GATEWAY = "NAT gateway"
    ENDPOINT = "VPC endpoint"
    INTERFACE = "network interface"
    ADDRESS = "elastic IP"
    SUBNET = "subnet"
    ROUTE_TABLE = "route table"
    INTERNET_GATEWAY = "internet gateway"
    GROUP = "security group"
    NETWORK_ACL = "network ACL"
    NETWORK = "VPC"
    PROFILE = "instance profile"
    ROLE = "role"
    BUCKET = "bucket"
    KEY = "KMS key"
    ALIAS = "key alias"
    SNAPSHOT = "snapshot"
    IMAGE = "image"
    OTHER = "thing"


Standing = Literal["ours", "nameless", "foreign"]
"""``ours``: it bears our installation's tag, or its name has our installation in it. ``nameless``: it is called as we
call things and bears nobody's tag. ``foreign``: everything else, another installation's too."""


@dataclass(frozen=True)
class Thing:
    """Something in a region.

    Args:
        kind: What it is.
        id: As AWS's calls about it take it.
        standing: Whose it is.
        name: As the console shows it.
        cluster: The uuid of the cluster that owns it; empty: all clusters share it.
        state: AWS's word, where it has states.
        inside: The network that an internet gateway is attached to.
        holds: Ids of what cannot go while this is there.
        gib: How much is stored in it.
        type: A node's type.
    """

    kind: Kind
    id: str
    standing: Standing = "ours"
    name: str = ""
    cluster: str = ""
    state: str = ""
    inside: str = ""
    holds: tuple[str, ...] = ()
    gib: float = 0.0
    type: str = ""

    @property
    def key(self) -> tuple[Kind, str]:
        """What it is told by; its state may change."""
        return self.kind, self.id

    @property
    def is_going(self) -> bool:
        """Whether AWS is at its removal already."""
        return self.state in ("deleting", "shutting-down")

    def __str__(self) -> str:
        """Return it as people read it: ``subnet subnet-0a1b``."""
        return f"{self.kind} {self.id}"


@dataclass(frozen=True)
class Area:
    """One region of an account, as one installation sees it.

    Args:
        session: Our session in the account.
        region: As ``us-east-1``.
        installation: Who we are.
        account_id: The account's number, which the bucket's name has in it.
        makes_networks: Whether we made network, roles, key and bucket there (the variant automated), or the user did.
        has_files: Whether the account lets us have file systems.
    """

    session: AwsSession
    region: str
    installation: str
    account_id: str
    makes_networks: bool = True
    has_files: bool = True

    @property
    def alias(self) -> str:
        """The name of the region's KMS key."""
        return parts.key_alias(Owner(self.installation))

    @property
    def bucket(self) -> str:
        """The name of the region's bucket."""
        return parts.bucket_name(Owner(self.installation), self.account_id, self.region)

    @property
    def node_role(self) -> str:
        """The name of the nodes' role, and of their instance profile."""
        return parts.node_role(Owner(self.installation), self.region)

    @property
    def parameters(self) -> str:
        """Where our SSM parameters are."""
        return f"/{PARAMETERS}/{self.installation}"

    def standing(self, tags: Mapping[str, str], name: str = "") -> Standing:
        """Say whose a thing with these tags is; ``name`` is its own name, where it has one beside the tag."""
        if TAG in tags:
            return "ours" if tags[TAG] == self.installation else "foreign"
        called = name or tags.get("Name", "")
        return "nameless" if called.startswith(ROLE_PREFIX) else "foreign"


def tags_of(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags in what a describe call tells of one thing."""
    return told(found.get("Tags") or found.get("TagSet") or [])


def cluster_of(tags: Mapping[str, str]) -> str:
    """Return the uuid of the cluster that owns a thing with these tags."""
    return tags.get(CLUSTER_TAG, "")


def listed(things: Iterable[Thing], most: int = 20) -> str:
    """Return things in one line."""
    all_of_them = [str(thing) for thing in things]
    return ", ".join(all_of_them[:most]) + (", ..." if all_of_them[most:] else "")
