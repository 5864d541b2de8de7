"""A cluster in AWS: what is asked for, and what stands ready for its nodes."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from blocks.cluster_spec import ClusterSpec
from blocks.ground import Ground
from blocks.names import InstanceProfileOrNone, NodeCount, Region, VpcIdOrNone

NodeType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,15}\.[a-z0-9-]{1,20}$")]
NodeTypeOrNone = Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{0,15}\.[a-z0-9-]{1,20})?$")]
"""A type of node as c5.4xlarge; empty: the same as the others."""

FamilyOrNone = Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{0,15})?$")]
"""A family of types as c5n; empty: any."""

DiskSize = Annotated[int, Field(ge=8, le=16384)]
HeadDiskSize = Annotated[int, Field(ge=256, le=16384)]
"""The size of a root disk in GiB; 16 TiB is what one EBS volume holds (Amazon EBS User Guide)."""

ZoneOrNone = Annotated[str, Field(pattern=r"^([a-z]{2,4}(-[a-z]{2,10}){1,2}-[1-9][0-9]?[a-z])?$")]
"""An availability zone as us-east-1a; empty: chosen, and another one where the first has no room."""

SubnetIdOrNone = Annotated[str, Field(pattern=r"^(subnet-([0-9a-f]{8}|[0-9a-f]{17}))?$")]
GroupIdOrNone = Annotated[str, Field(pattern=r"^(sg-([0-9a-f]{8}|[0-9a-f]{17}))?$")]

BucketOrNone = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$")]
"""A bucket's name (Amazon S3 User Guide, "General purpose bucket naming rules"); empty: the region's own."""

ImageVersion = Annotated[
    # A command line's `-p image_version=2026.10` is read as the number 2026.1, and refused; v2026.10 is a text.
    str,
    Field(pattern=r"^(v?[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z0-9.]+)?)?$"),
    AfterValidator(lambda text: text.removeprefix("v")),
]
"""The version of an image of ours as 2026.11, maybe with a v before it, which is taken away; empty: the newest."""

SshPublicKey = Annotated[
    str,
    Field(
        max_length=1024,
        pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com) "
        r"[A-Za-z0-9+/]{60,}={0,2}( [^\x00-\x1f]*)?$",
    ),
]
"""A public key as in authorized_keys, on one line. The private key stays with its owner."""

Cidr = Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]{2,39}/[0-9]{1,3}$")]
"""A block of addresses as 203.0.113.7/32 or 2001:db8::1/128."""

TagKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9 _.:/=+@-]{1,128}$")]
TagValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9 _.:/=+@-]{0,256}$")]
Tags = Annotated[dict[TagKey, TagValue], Field(max_length=40, json_schema_extra={"additionalProperties": False})]
"""Tags of the user's own, on everything that the cluster owns. AWS takes 50 on one thing; the rest is ours."""

RegionOrNone = Annotated[str, Field(pattern=r"^([a-z]{2,4}(-[a-z]{2,10}){1,2}-[1-9][0-9]?)?$")]
"""An AWS region as us-east-1; empty: the account's default region."""

SshPublicKeys = Annotated[tuple[SshPublicKey, ...], Field(max_length=20)]
Cidrs = Annotated[tuple[Cidr, ...], Field(max_length=40)]

AutoShutdown = Annotated[str, Field(pattern=r"^(never|[1-9][0-9]{0,5}(s|m|h))$")]
"""After how long without work a cluster goes, as 60m; or never."""

RetentionDays = Annotated[int, Field(ge=0, le=3650)]
Description = Annotated[str, Field(max_length=1000)]


class Service(StrEnum):
    """What a cluster can show to the outside; ``tasks.providers.aws.ports`` says on which ports."""

    UI = "ui"
    CERTIFICATE = "certificate"
    SSH = "ssh"
    FEATURE_STORE = "feature-store"
    ONLINE_FEATURE_STORE = "online-feature-store"
    KAFKA = "kafka"
    ARROW_FLIGHT = "arrow-flight"
    SEARCH = "search"


class Architecture(StrEnum):
    """A processor of nodes."""

    ANY = "any"
    X86_64 = "x86_64"
    ARM64 = "arm64"


Services = Annotated[tuple[Service, ...], Field(max_length=len(Service))]


class OnFailure(StrEnum):
    """What happens to a cluster that cannot be made whole."""

    REMOVE = "remove"
    KEEP = "keep"
    GO_ON_SMALLER = "go-on-smaller"


class UserManagement(StrEnum):
    """Who may be a user on the nodes. ``disabled``: nobody is added or removed but by hand."""

    DISABLED = "disabled"


class Doubt(StrEnum):
    """A finding before a cluster is made that stops it, unless it is named in ``ignore_warnings``."""

    WIDE_ADDRESSES = "wide-addresses"
    PERMISSIONS = "permissions"
    AUTO_SHUTDOWN = "auto-shutdown"
    BACKUP = "backup"


IgnoredDoubts = Annotated[tuple[Doubt, ...], Field(max_length=len(Doubt))]


class AwsClusterSpec(ClusterSpec):
    """A cluster in an AWS account. Every field is as the run form asked for it; nothing is looked up for it."""

    region: Region
    node_type: NodeType = "c5.xlarge"
    head_type: NodeTypeOrNone = ""
    node_disk_gib: DiskSize = 100
    head_disk_gib: HeadDiskSize = 512
    efa: bool = False
    spot: bool = False
    image_version: ImageVersion = ""
    auto_shutdown: AutoShutdown = "never"
    ssh_public_keys: SshPublicKeys = ()
    allowed_addresses: Cidrs = ()
    services: Services = (Service.UI,)
    zone: ZoneOrNone = ""
    vpc_id: VpcIdOrNone = ""
    subnet_id: SubnetIdOrNone = ""
    security_group_id: GroupIdOrNone = ""
    instance_profile: InstanceProfileOrNone = ""
    bucket: BucketOrNone = ""
    backup_retention_days: RetentionDays = 0
    public_addresses: bool = False
    user_management: UserManagement = UserManagement.DISABLED
    jump_host: str = ""
    tags: Tags = Field(default_factory=dict)
    description: Description = ""
    on_failure: OnFailure = OnFailure.REMOVE
    minimum_nodes: NodeCount = 1
    ignore_warnings: IgnoredDoubts = ()

    @property
    def type_of_head(self) -> str:
        """The type of the first node."""
        return self.head_type or self.node_type


class AwsGround(Ground):
    """What stands ready in AWS for a cluster's nodes.

    ``subnets`` are where nodes may stand, as zone and subnet, in the order in which they are tried; ``folder`` is the
    cluster's own folder on the file system, mounted as ``shared`` on every node.
    """

    is_mounted_later: bool = True
    region: Region
    subnets: tuple[tuple[str, str], ...]
    security_groups: tuple[str, ...]
    image_id: str
    root_device: str
    instance_profile: str
    key_name: str
    disk_key: str
    file_system_id: str
    folder: str
    placement_group: str = ""
