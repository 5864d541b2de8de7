"""A region's shared files: one encrypted EFS file system, with a mount target in each private subnet."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from blocks.errors import Conflict, ProviderError
from tasks.providers.aws.naming import listed
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.region import parts
from tasks.providers.aws.region.finding import Subnets
from tasks.providers.aws.region.network import Network
from tasks.providers.aws.region.site import Site

if TYPE_CHECKING:
    from mypy_boto3_efs import EFSClient
    from mypy_boto3_efs.type_defs import MountTargetDescriptionTypeDef

NFS_PORT = 2049

_FILES_FIRST_S = 4.0
_FILES_LIMIT_S = 300.0
_TARGETS_LIMIT_S = 900.0
_LOST = ("deleted", "deleting", "error")


def ensure_files_group(site: Site, network: Network) -> str:
    """Let there be the security group of the mount targets: NFS from the network's addresses; return its id."""
    what = f"group of the shared files in {site.region}"
    look = partial(_group, site, network)
    with translated(what):
        found = None if network.is_new else look()
    if found is None:
        make = partial(
            site.ec2.create_security_group,
            GroupName=parts.FILES_GROUP_NAME,
            Description="Groundwork: NFS to the shared files",
            VpcId=network.vpc_id,
            TagSpecifications=site.owner.born("security-group", parts.FILES_GROUP),
        )
        found = site.made_or_found(what, lambda: {"GroupId": make()["GroupId"]}, look)
    group_id: str = found["GroupId"]
    if not any(rule.get("FromPort") == NFS_PORT for rule in found.get("IpPermissions", [])):
        _admit(site, what, group_id, network.cidr)
    return group_id


def _group(site: Site, network: Network) -> Mapping[str, Any] | None:
    filters = site.owner.filters(parts.FILES_GROUP, vpc_id=network.vpc_id)
    found = site.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    return found[0] if found else None


def _admit(site: Site, what: str, group_id: str, cidr: str) -> None:
    rule: Any = {"IpProtocol": "tcp", "FromPort": NFS_PORT, "ToPort": NFS_PORT, "IpRanges": [{"CidrIp": cidr}]}
    admit = partial(site.ec2.authorize_security_group_ingress, GroupId=group_id, IpPermissions=[rule])
    with suppress(Conflict):
        site.settled(what, admit)


def ensure_files(site: Site, key_arn: str) -> str:
    """Let there be the file system, encrypted with the region's key; return its id. It is available seconds later.

    No key: AWS's own for EFS encrypts it.

    Its creation token keeps a second one from being made (Amazon EFS API Reference, "CreateFileSystem"). One of the
    same token that is being deleted is waited out.
    """
    what, efs = f"shared files in {site.region}", _efs(site)
    token = parts.files_token(site.owner)
    encrypted: dict[str, Any] = {"KmsKeyId": key_arn} if key_arn else {}
    make = partial(
        efs.create_file_system,
        CreationToken=token,
        PerformanceMode="generalPurpose",
        ThroughputMode="elastic",
        Encrypted=True,
        **encrypted,
        Tags=listed(site.owner.tags(parts.FILES)),
    )

    def ask() -> str:
        try:
            return make()["FileSystemId"]
        except ClientError as error:
            if code_of(error) != "FileSystemAlreadyExists":
                raise
        return _usable(efs, token)

    with translated(what):
        found = _usable(efs, token) if site.was_begun else ""
    return found or site.wait_for(what, ask, bool, limit_s=_FILES_LIMIT_S, every_s=3)


def _usable(efs: "EFSClient", token: str) -> str:
    systems = efs.describe_file_systems(CreationToken=token)["FileSystems"]
    return next((found["FileSystemId"] for found in systems if found["LifeCycleState"] not in _LOST), "")


def ensure_mount_targets(site: Site, network: Network, subnets: Subnets, file_system_id: str, group_id: str) -> None:
    """Let there be a mount target in each private subnet, when the file system is available. They need a minute more.

    A zone has one mount target of a file system only, so none is made twice.
    """
    what, efs = f"mount targets of {file_system_id}", _efs(site)
    there: set[str] = set()
    if not network.is_new:
        with translated(what):
            there = {target["SubnetId"] for target in _targets(efs, file_system_id)}
    missing = [subnet_id for _, subnet_id in subnets if subnet_id not in there]
    if missing:
        _wait_files(site, file_system_id, first_s=_FILES_FIRST_S if network.is_new else 0)
    make = partial(efs.create_mount_target, FileSystemId=file_system_id, SecurityGroups=[group_id])

    def ensure(subnet_id: str) -> None:
        with suppress(Conflict):
            site.settled(what, partial(make, SubnetId=subnet_id))

    with ThreadPoolExecutor() as side:
        # A list: the first that failed is raised.
        list(side.map(ensure, missing))


def _wait_files(site: Site, file_system_id: str, *, first_s: float) -> None:
    efs = _efs(site)
    site.wait_for(
        f"shared files {file_system_id}",
        lambda: efs.describe_file_systems(FileSystemId=file_system_id)["FileSystems"][0]["LifeCycleState"],
        lambda state: state == "available",
        limit_s=_FILES_LIMIT_S,
        first_s=first_s,
        every_s=0.25,
    )


def _targets(efs: "EFSClient", file_system_id: str) -> "list[MountTargetDescriptionTypeDef]":
    pages = efs.get_paginator("describe_mount_targets").paginate(FileSystemId=file_system_id)
    found: list[MountTargetDescriptionTypeDef] = pages.build_full_result()["MountTargets"]
    return found


def wait_mount_targets(site: Site, subnets: Subnets, file_system_id: str) -> None:
    """Wait until the mount targets of all private subnets are available, with one call for all of them.

    Raises:
        ProviderError: One failed.
        TimedOut: One is not there after a quarter of an hour; ten minutes were seen.
    """
    what, efs = f"mount targets of {file_system_id}", _efs(site)
    wanted = {subnet_id for _, subnet_id in subnets}

    def are_open(states: dict[str, str]) -> bool:
        if "error" in states.values():
            raise ProviderError("one of them failed", where=what, advice="Delete it, then run it again.")
        return all(states.get(subnet_id) == "available" for subnet_id in wanted)

    site.wait_for(
        what,
        lambda: {target["SubnetId"]: str(target["LifeCycleState"]) for target in _targets(efs, file_system_id)},
        are_open,
        limit_s=_TARGETS_LIMIT_S,
        every_s=5,
    )


def _efs(site: Site) -> "EFSClient":
    return site.session.client("efs", site.region)
