"""Finding what a region has ready for nodes, without making anything."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tasks.providers.aws.naming import PART_TAG, Owner, told
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.region import parts
from tasks.providers.aws.region.ground import RegionGround
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import VpcTypeDef

Subnets = tuple[tuple[str, str], ...]
"""Zone and id of each."""

_NONE_THERE = {"404", "AccessDeniedException", "NoSuchBucket", "NoSuchEntity", "NotFoundException"}
"""How services say that there is none. KMS may say so of an alias, too, in a policy that knows keys by their tags."""


def find(session: AwsSession, region: str, owner: Owner) -> RegionGround | None:
    """Return what stands in a region for nodes; None unless all that nodes need is there.

    One call where there is no network, seven side by side where there is. NAT gateway, mount targets and routes are not
    asked for: nodes start without them, and who lays the region looks after them.

    Raises:
        GroundworkError: AWS does not tell.
    """
    with translated(f"what stands in {region}"):
        vpcs = _networks(session, region, owner)
        # Several are the doubt of a creation that was cut off: laying the region settles it.
        return _around(session, region, owner, vpcs[0]) if len(vpcs) == 1 else None


def subnets_of(subnets: Mapping[str, Any], wanted: Mapping[str, str]) -> Subnets:
    """Return the zones and ids of the wanted parts that are there, in their order.

    Args:
        subnets: What AWS tells of each subnet, by part.
        wanted: Parts, with their addresses.
    """
    return tuple((subnets[part]["AvailabilityZone"], subnets[part]["SubnetId"]) for part in wanted if part in subnets)


def subnets_by_part(session: AwsSession, region: str, owner: Owner, vpc_id: str, *wanted: str) -> dict[str, Any]:
    """Return what AWS tells of a network's subnets, by part; no parts: all of them."""
    filters = owner.filters(*wanted, vpc_id=vpc_id)
    pages = session.client("ec2", region).get_paginator("describe_subnets").paginate(Filters=filters)
    return {told(found["Tags"])[PART_TAG]: found for found in pages.build_full_result()["Subnets"]}


def _networks(session: AwsSession, region: str, owner: Owner) -> "list[VpcTypeDef]":
    pages = session.client("ec2", region).get_paginator("describe_vpcs")
    found: list[VpcTypeDef] = pages.paginate(Filters=owner.filters(parts.NETWORK)).build_full_result()["Vpcs"]
    return found


def _around(session: AwsSession, region: str, owner: Owner, vpc: "VpcTypeDef") -> RegionGround | None:
    vpc_id = vpc["VpcId"]
    bucket = parts.bucket_name(owner, vpc["OwnerId"], region)
    with ThreadPoolExecutor(max_workers=6) as side:
        asked = (
            side.submit(_file_system, session, region, owner),
            side.submit(_files_group, session, region, owner, vpc_id),
            side.submit(_key, session, region, owner),
            side.submit(_profile, session, region, owner),
            side.submit(_bucket, session, region, bucket, vpc["OwnerId"]),
        )
        subnets = subnets_by_part(session, region, owner, vpc_id)
        files, group, key, profile, has_bucket = [answer.result() for answer in asked]
    public, private = subnets_of(subnets, parts.PUBLIC_SUBNETS), subnets_of(subnets, parts.PRIVATE_SUBNETS)
    if not (files and group and key and profile and has_bucket and len(public) == len(private) == 2):
        return None
    return RegionGround(
        region=region,
        vpc_id=vpc_id,
        cidr=vpc["CidrBlock"],
        public_subnets=public,
        private_subnets=private,
        file_system_id=files,
        files_group_id=group,
        key_arn=key,
        bucket=bucket,
        instance_profile=profile,
    )


def _file_system(session: AwsSession, region: str, owner: Owner) -> str:
    systems = session.client("efs", region).describe_file_systems(CreationToken=parts.files_token(owner))["FileSystems"]
    usable = [found for found in systems if found["LifeCycleState"] in ("creating", "available", "updating")]
    return usable[0]["FileSystemId"] if usable else ""


def _files_group(session: AwsSession, region: str, owner: Owner, vpc_id: str) -> str:
    filters = owner.filters(parts.FILES_GROUP, vpc_id=vpc_id)
    groups = session.client("ec2", region).describe_security_groups(Filters=filters)["SecurityGroups"]
    return groups[0]["GroupId"] if groups else ""


def _key(session: AwsSession, region: str, owner: Owner) -> str:
    try:
        key = session.client("kms", region).describe_key(KeyId=parts.key_alias(owner))["KeyMetadata"]
    except ClientError as error:
        return _nothing(error)
    return key["Arn"] if key["KeyState"] == "Enabled" else ""


def _profile(session: AwsSession, region: str, owner: Owner) -> str:
    name = parts.node_role(owner, region)
    try:
        profile = session.client("iam", region).get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    except ClientError as error:
        return _nothing(error)
    return name if profile["Roles"] else ""


def _bucket(session: AwsSession, region: str, bucket: str, account_id: str) -> str:
    try:
        session.client("s3", region).head_bucket(Bucket=bucket, ExpectedBucketOwner=account_id)
    except ClientError as error:
        return _nothing(error)
    return bucket


def _nothing(error: ClientError) -> str:
    if code_of(error) not in _NONE_THERE:
        raise error
    return ""
