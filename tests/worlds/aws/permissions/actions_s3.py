"""Which IAM actions and resources a call to S3 needs.

By "Required permissions for Amazon S3 API operations" in the S3 User Guide.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.worlds.aws.call import Call
from tests.worlds.aws.permissions.needs import Context, Need

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_OF_BUCKET = {
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
"""Operations on buckets whose action has another name."""

_OF_OBJECT = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "GetObjectAttributes": "GetObject",
    "HeadObject": "GetObject",
    "ListParts": "ListMultipartUploadParts",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
"""Operations on objects whose action has another name."""

_OF_VERSION = {"GetObject", "DeleteObject", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"}
"""Actions that have a second form for one version of an object."""


def needs(world: "World", call: Call) -> list[Need]:
    """Return what a call to S3 needs."""
    bucket, key = call.params.get("Bucket"), call.params.get("Key")
    if bucket is None:
        return [Need("s3:ListAllMyBuckets" if call.operation == "ListBuckets" else f"s3:{call.operation}", "*")]
    if call.operation == "DeleteObjects":
        objects = call.params["Delete"]["Objects"]
        return [need for one in objects for need in _of_object(bucket, one, "DeleteObject", {})]
    if key is None:
        action = _OF_BUCKET.get(call.operation, call.operation)
        return [Need(f"s3:{action}", f"arn:aws:s3:::{bucket}", _bucket_context(call.params))]
    action = _OF_OBJECT.get(call.operation, call.operation)
    return [*_of_object(bucket, call.params, action, _object_context(call.params)), *_also(call, bucket)]


def _of_object(bucket: str, told: dict[str, Any], action: str, context: Context) -> list[Need]:
    actions = [action]
    if told.get("VersionId") and action in _OF_VERSION:
        # Who deletes a version "must always have" the right to delete, too ("DeleteObject", Amazon S3 API Reference).
        actions = ["DeleteObject"] if action == "DeleteObject" else []
        actions.append(action.replace("Object", "ObjectVersion"))
    return [Need(f"s3:{name}", f"arn:aws:s3:::{bucket}/{told['Key']}", context) for name in actions]


def _also(call: Call, bucket: str) -> list[Need]:
    found = []
    source = call.params.get("CopySource")
    if isinstance(source, dict):
        source = f"{source['Bucket']}/{source['Key']}"
    if source:
        found.append(Need("s3:GetObject", f"arn:aws:s3:::{unquote(source).lstrip('/').partition('?')[0]}"))
    if call.params.get("Tagging") and call.operation in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        found.append(Need("s3:PutObjectTagging", f"arn:aws:s3:::{bucket}/{call.params['Key']}"))
    return found


def _bucket_context(params: dict[str, Any]) -> Context:
    told = {
        "s3:prefix": params.get("Prefix"),
        "s3:delimiter": params.get("Delimiter"),
        "s3:max-keys": params.get("MaxKeys"),
    }
    return {key: [str(value)] for key, value in told.items() if value is not None}


def _object_context(params: dict[str, Any]) -> Context:
    told = {
        "s3:x-amz-acl": params.get("ACL"),
        "s3:x-amz-server-side-encryption": params.get("ServerSideEncryption"),
        "s3:x-amz-server-side-encryption-aws-kms-key-id": params.get("SSEKMSKeyId"),
        "s3:x-amz-storage-class": params.get("StorageClass"),
        "s3:versionid": params.get("VersionId"),
    }
    return {key: [str(value)] for key, value in told.items() if value is not None}
