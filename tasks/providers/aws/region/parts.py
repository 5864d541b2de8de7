"""What a region's things are called, and which addresses they have."""

from tasks.providers.aws.naming import Owner
from tasks.providers.aws.policies import NODE_PREFIX, ROLE_PREFIX

NETWORK = "network"
INTERNET_GATEWAY = "internet-gateway"
ADDRESS = "address"
NAT_GATEWAY = "nat-gateway"
PUBLIC_ROUTES = "public-routes"
PRIVATE_ROUTES = "private-routes"
S3_ENDPOINT = "s3-endpoint"
FILES = "shared-files"
FILES_GROUP = "shared-files-group"
KEY = "key"
BUCKET = "bucket"
NODE_ROLE = "node-role"

CIDR = "10.0.0.0/16"
PUBLIC_SUBNETS = {"public-subnet-1": "10.0.32.0/24", "public-subnet-2": "10.0.33.0/24"}
PRIVATE_SUBNETS = {"private-subnet-1": "10.0.0.0/20", "private-subnet-2": "10.0.16.0/20"}

FILES_GROUP_NAME = f"{ROLE_PREFIX}{FILES_GROUP}"
"""The security group's name, of which a network has one only."""

CLUSTERS_PREFIX = "clusters"
"""The part of the state bucket that nodes may use, without a slash at its end."""


def bucket_name(owner: Owner, account_id: str, region: str) -> str:
    """Return the state bucket's name."""
    return f"{ROLE_PREFIX}{owner.installation}-{account_id}-{region}"


def key_alias(owner: Owner) -> str:
    """Return the alias of the region's KMS key."""
    return f"alias/{ROLE_PREFIX}{owner.installation}"


def node_role(owner: Owner, region: str) -> str:
    """Return the name of the nodes' role, and of its instance profile."""
    return f"{NODE_PREFIX}-{owner.installation}-{region}"


def files_token(owner: Owner) -> str:
    """Return the creation token by which EFS keeps a second file system from being made, and finds the first."""
    return owner.token(FILES)


def node_parameters(owner: Owner) -> str:
    """Return the part of our SSM parameters (``/groundwork/...``) that nodes may read. No cluster's key is in it."""
    return f"{owner.installation}/nodes"
