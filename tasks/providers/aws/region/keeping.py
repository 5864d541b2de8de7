"""What keeps a region's secrets and states: the KMS key, and the state bucket."""

from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from blocks.errors import Conflict, NameTaken
from tasks.providers.aws.naming import PART_TAG, listed
from tasks.providers.aws.policies import TAG, Policy, partition_of, text_of
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.region import parts
from tasks.providers.aws.region.site import Site

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client

_SHORTEST_DAYS = 7
"""The least time that KMS keeps a key that was given up."""


def ensure_key(site: Site) -> str:
    """Let there be the key with its alias; return its ARN. The alias is what makes it the only one.

    KMS changes what it encrypts with every year, and goes on decrypting what was encrypted before ("Rotate AWS KMS
    keys" in the AWS KMS Developer Guide). That is asked for before the alias: a key that has it is finished.

    A key without alias, left by a call whose reply was lost, is found in AWS's index of tags and takes the alias; one
    that comes too late for it is given up.
    """
    what, kms = f"key in {site.region}", site.session.client("kms", site.region)
    alias = parts.key_alias(site.owner)
    if site.was_begun:
        with translated(what):
            known = _key_behind(kms, alias)
        if known:
            return known
    tags: list[Any] = [{"TagKey": key, "TagValue": value} for key, value in site.owner.tags(parts.KEY).items()]
    arn, _ = site.made_once(
        what,
        partial(_nameless_key, site, kms),
        lambda: kms.create_key(Tags=tags, Description="Groundwork: disks, files, parameters")["KeyMetadata"]["Arn"],
        is_new_place=not site.was_begun,
    )
    site.settled(what, lambda: kms.enable_key_rotation(KeyId=arn))
    try:
        site.settled(what, lambda: kms.create_alias(AliasName=alias, TargetKeyId=arn))
    except Conflict:
        with translated(what):
            first = str(kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"])
            if first != arn:
                kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=_SHORTEST_DAYS)
        return first
    return arn


def _key_behind(kms: "KMSClient", alias: str) -> str:
    # Asked by its alias, a key that is not there may be one that we must not see: a list tells which.
    listed_aliases = kms.get_paginator("list_aliases").paginate().build_full_result()["Aliases"]
    keys = [known["TargetKeyId"] for known in listed_aliases if known["AliasName"] == alias]
    return _enabled(kms, keys[0]) if keys else ""


def _enabled(kms: "KMSClient", key_id: str) -> str:
    key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    return key["Arn"] if key["KeyState"] == "Enabled" else ""


def _nameless_key(site: Site, kms: "KMSClient") -> str | None:
    wanted = {TAG: site.owner.installation, PART_TAG: parts.KEY}
    filters: list[Any] = [{"Key": key, "Values": [value]} for key, value in wanted.items()]
    index = site.session.client("resourcegroupstaggingapi", site.region).get_paginator("get_resources")
    found = index.paginate(TagFilters=filters, ResourceTypeFilters=["kms:key"]).build_full_result()
    arns = sorted(thing["ResourceARN"] for thing in found["ResourceTagMappingList"])
    return next(filter(None, (_enabled(kms, arn) for arn in arns)), None)


def ensure_bucket(site: Site) -> str:
    """Let there be the state bucket: no public access, TLS only, tagged; return its name.

    S3 encrypts every object by itself ("Setting default server-side encryption behavior" in the Amazon S3 User Guide).

    Raises:
        NameTaken: Another account has a bucket of that name.
    """
    name, s3 = parts.bucket_name(site.owner, site.account_id, site.region), site.session.client("s3", site.region)
    what = f"bucket {name}"
    with translated(what):
        if site.was_begun and _is_finished(site, s3, name):
            return name
    _make_bucket(site, s3, name)
    steps = (
        partial(
            s3.put_public_access_block,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        ),
        partial(s3.put_bucket_policy, Policy=text_of(_tls_only(name, site.region))),
        # The last one: whoever sees the tags knows that the others are done.
        partial(s3.put_bucket_tagging, Tagging={"TagSet": listed(site.owner.tags(parts.BUCKET))}),
    )
    for put in steps:
        site.settled(what, partial(put, Bucket=name, ExpectedBucketOwner=site.account_id))
    return name


def _make_bucket(site: Site, s3: "S3Client", name: str) -> None:
    # us-east-1 is the one region that must not be named (Amazon S3 API Reference, "CreateBucket").
    place: dict[str, Any] = {"LocationConstraint": site.region}
    asked: dict[str, Any] = {} if site.region == "us-east-1" else {"CreateBucketConfiguration": place}

    def make() -> None:
        try:
            s3.create_bucket(Bucket=name, **asked)
        except ClientError as error:
            if code_of(error) == "BucketAlreadyExists":
                raise NameTaken(
                    "another AWS account has it",
                    where=f"bucket {name}",
                    advice="Tell its owner, or use another region.",
                ) from error
            if code_of(error) != "BucketAlreadyOwnedByYou":
                raise

    site.settled(f"bucket {name}", make)


def _is_finished(site: Site, s3: "S3Client", name: str) -> bool:
    try:
        found = s3.get_bucket_tagging(Bucket=name, ExpectedBucketOwner=site.account_id)["TagSet"]
    except ClientError as error:
        if code_of(error) in ("NoSuchBucket", "NoSuchTagSet"):
            return False
        raise
    return {"Key": PART_TAG, "Value": parts.BUCKET} in found


def _tls_only(bucket: str, region: str) -> Policy:
    arn = f"arn:{partition_of(region)}:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
