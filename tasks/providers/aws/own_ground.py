"""The ground of clusters in a network of the user's: shared files of ours in it, and of the region what is no network.

An EFS file system has mount targets in one network only (Amazon EFS User Guide, "Managing mount targets"), so each
network of a user's has a file system of its own, which bears our tags and goes with the region's cleanup. The network
itself gets no tag of ours, and nothing of it is ever changed or deleted.
"""

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from blocks.aws_account import AwsAccount, Variant
from blocks.aws_cluster import AwsClusterSpec
from blocks.errors import AccessDenied, BadInput, Conflict, NotFound, ProviderError
from tasks.providers.aws.naming import Owner
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.region import files, keeping, node_role, parts
from tasks.providers.aws.region.ground import RegionGround
from tasks.providers.aws.region.network import Network
from tasks.providers.aws.region.site import Site
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_efs import EFSClient

_TARGET_LIMIT_S = 900.0
_LOST = ("deleted", "deleting", "error")


@dataclass(frozen=True)
class OwnerIn(Owner):
    """The owner of what all clusters in one network of the user's share: tags as ever, tokens of that network.

    Args:
        vpc_id: The network.
    """

    vpc_id: str = ""

    def token(self, *words: object) -> str:
        """Return the client token of one effect in this network."""
        return super().token(self.vpc_id, *words)


def lay(site: Site, account: AwsAccount, spec: AwsClusterSpec) -> RegionGround:
    """Let there be what nodes in the user's network need; return it. The mount target needs a minute more.

    In an automated account the region's key, bucket and node role are used, and the shared files admit the network's
    addresses; in a restricted one AWS's own keys, the user's instance profile, and the user's security group. A second
    call finds all of it.

    Args:
        site: The region, with the region's owner.
        account: The account's record.
        spec: With ``vpc_id`` and ``subnet_id``, which were checked.

    Raises:
        NotFound: Network or subnet are gone.
        BadInput: A restricted account, and no security group.
        GroundworkError: What AWS refused.
    """
    network, place, block = _place(site.session, spec)
    own = replace(site, owner=_owner(site.owner, spec.vpc_id))
    key = bucket = ""
    profile = spec.instance_profile or account.instance_profile
    if account.variant is Variant.AUTOMATED:
        key, bucket = keeping.ensure_key(site), keeping.ensure_bucket(site)
        role = node_role.ensure_node_profile(site)
        node_role.allow_nodes(site, role, bucket, key)
        profile = spec.instance_profile or role
        group = files.ensure_files_group(own, network)
        if not ipaddress.IPv4Network(block).subnet_of(ipaddress.IPv4Network(network.cidr)):
            _admit(own, group, block)
    elif spec.security_group_id:
        group = spec.security_group_id
    else:
        raise BadInput("a restricted account makes no security groups", where="security_group_id", advice="Give one.")
    shared = files.ensure_files(own, key)
    files.ensure_mount_targets(own, network, (place,), shared, group)
    return _ground(spec, network, place, {"files": shared, "group": group, "key": key, "bucket": bucket}, profile)


def find(session: AwsSession, account: AwsAccount, spec: AwsClusterSpec, owner: Owner) -> RegionGround | None:
    """Return what ``lay`` made; None where the shared files or the key are not there. Nothing is made.

    Args:
        session: How we come into the account.
        account: The account's record.
        spec: With ``vpc_id`` and ``subnet_id``.
        owner: The region's.

    Raises:
        NotFound: Network or subnet are gone.
    """
    network, place, _ = _place(session, spec)
    with translated(f"shared files in {spec.vpc_id}"):
        shared = _shared(session.client("efs", spec.region), _owner(owner, spec.vpc_id))
    if not shared:
        return None
    found = {"files": shared, "group": spec.security_group_id, "key": "", "bucket": ""}
    profile = spec.instance_profile or account.instance_profile
    if account.variant is Variant.AUTOMATED:
        found["key"] = _key(session, spec.region, owner)
        found["bucket"] = parts.bucket_name(owner, account.account_id, spec.region)
        profile = spec.instance_profile or parts.node_role(owner, spec.region)
        if not found["key"]:
            return None
    return _ground(spec, network, place, found, profile)


def wait_files(site: Site, ground: RegionGround) -> None:
    """Wait until the shared files can be mounted in the subnet's zone; a mount target of another subnet of it will do.

    Raises:
        ProviderError: The mount target failed.
        TimedOut: It is not there after a quarter of an hour.
    """
    what, [(zone, _)] = f"mount target of {ground.file_system_id}", ground.private_subnets
    efs = site.session.client("efs", site.region)

    def is_open(states: dict[str, str]) -> bool:
        if states.get(zone) == "error":
            raise ProviderError("it failed", where=what, advice="Delete it, then run it again.")
        return states.get(zone) == "available"

    def ask() -> dict[str, str]:
        told = efs.get_paginator("describe_mount_targets").paginate(FileSystemId=ground.file_system_id)
        found: Any = told.build_full_result()["MountTargets"]
        return {one["AvailabilityZoneName"]: str(one["LifeCycleState"]) for one in found}

    site.wait_for(what, ask, is_open, limit_s=_TARGET_LIMIT_S, every_s=5)


def _owner(owner: Owner, vpc_id: str) -> OwnerIn:
    return OwnerIn(owner.installation, owner.cluster, owner.extra, vpc_id)


def _place(session: AwsSession, spec: AwsClusterSpec) -> tuple[Network, tuple[str, str], str]:
    """Return the user's network, zone and id of the subnet, and the subnet's addresses."""
    ec2 = session.client("ec2", spec.region)
    with translated(f"network {spec.vpc_id}"):
        vpcs = ec2.describe_vpcs(VpcIds=[spec.vpc_id])["Vpcs"]
    with translated(f"subnet {spec.subnet_id}"):
        subnets = ec2.describe_subnets(SubnetIds=[spec.subnet_id])["Subnets"]
    if not (vpcs and subnets):
        raise NotFound("AWS does not tell of it", where=f"subnet {spec.subnet_id} in network {spec.vpc_id}")
    [vpc], [subnet] = vpcs, subnets
    place = subnet["AvailabilityZone"], subnet["SubnetId"]
    return Network(vpc["VpcId"], vpc["CidrBlock"]), place, subnet["CidrBlock"]


def _admit(site: Site, group_id: str, block: str) -> None:
    """Let a subnet of the network's further addresses come to the shared files, too."""
    ports: Any = {"FromPort": files.NFS_PORT, "ToPort": files.NFS_PORT}
    rule: Any = {"IpProtocol": "tcp", **ports, "IpRanges": [{"CidrIp": block}]}
    with suppress(Conflict):
        site.settled(
            f"group of the shared files in {site.region}",
            partial(site.ec2.authorize_security_group_ingress, GroupId=group_id, IpPermissions=[rule]),
        )


def _ground(
    spec: AwsClusterSpec, network: Network, place: tuple[str, str], found: Mapping[str, str], profile: str
) -> RegionGround:
    return RegionGround(
        region=spec.region,
        vpc_id=network.vpc_id,
        cidr=network.cidr,
        public_subnets=(place,),
        private_subnets=(place,),
        file_system_id=found["files"],
        files_group_id=found["group"],
        key_arn=found["key"],
        bucket=found["bucket"],
        instance_profile=profile,
    )


def _shared(efs: "EFSClient", owner: Owner) -> str:
    systems = efs.describe_file_systems(CreationToken=parts.files_token(owner))["FileSystems"]
    return next((found["FileSystemId"] for found in systems if found["LifeCycleState"] not in _LOST), "")


def _key(session: AwsSession, region: str, owner: Owner) -> str:
    try:
        with translated(f"key in {region}"):
            key = session.client("kms", region).describe_key(KeyId=parts.key_alias(owner))["KeyMetadata"]
    except (NotFound, AccessDenied):
        # Our policies know keys by their tags: an alias that is not there is one that we must not see.
        return ""
    return key["Arn"] if key["KeyState"] == "Enabled" else ""
