"""S3: what a bucket may be called, what its policy must be, how it begins, and its lists in pages.

Whether a policy lets a request through is judged elsewhere, for all callers alike. By "Bucket naming rules", "Policies
and permissions in Amazon S3" and "Default settings for new S3 buckets" in the S3 User Guide; words as in public bug
reports.
"""

import ipaddress
import json
import re
import secrets
from typing import TYPE_CHECKING, Any

from moto.s3.models import FakeBucket, PublicAccessBlock, s3_backends
from moto.s3.utils import bucket_policy_is_public

from tests.worlds.aws import models
from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.permissions import attached
from tests.worlds.aws.permissions.conditions import as_list
from tests.worlds.aws.permissions.policies import Policy
from tests.worlds.aws.rules import amend, answer, refuse

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_NAME = re.compile(r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")

_ENCRYPTED = {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": "false"}}


@refuse("s3", "CreateBucket")
def _has_a_name(_: "World", call: Call) -> None:
    name = call.params["Bucket"]
    if not _NAME.fullmatch(name) or name.endswith(("-s3alias", "--ol-s3", ".mrap", "--x-s3")) or _is_address(name):
        raise Refused("InvalidBucketName", "The specified bucket is not valid.")


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


@answer("s3", "CreateBucket")
def _begins_closed(world: "World", call: Call) -> Answer:
    is_new = call.params["Bucket"] not in world.backend(call).buckets
    told = world.moto(call)
    bucket = world.backend(call).buckets[call.params["Bucket"]]
    if is_new:
        bucket.creation_date = world.clock.now()
        bucket.public_access_block = PublicAccessBlock(*["true"] * 4)
        bucket.encryption = _ENCRYPTED
        bucket.ownership_rule = call.params.get("ObjectOwnership", "BucketOwnerEnforced")
    return told


@amend("s3", "DeleteBucketEncryption")
def _stays_encrypted(world: "World", call: Call, _: Answer) -> None:
    _bucket(world, call).encryption = _ENCRYPTED


@refuse("s3", "PutBucketAcl", "PutObjectAcl", "PutObject", "CreateMultipartUpload", "CopyObject")
def _takes_no_acls(world: "World", call: Call) -> None:
    bucket = _bucket(world, call)
    is_harmless = call.params.get("ACL") in (None, "bucket-owner-full-control")
    if call.operation.endswith("Acl"):
        is_harmless = is_harmless and call.params.get("ACL") is not None
    if bucket and bucket.ownership_rule == "BucketOwnerEnforced" and not is_harmless:
        raise Refused("AccessControlListNotSupported", "The bucket does not allow ACLs")


def _bucket(world: "World", call: Call) -> FakeBucket | None:
    name = call.params["Bucket"]
    return world.backend(call).get_bucket(name) if name in s3_backends.bucket_accounts else None


@refuse("s3", "PutBucketPolicy")
def _is_a_policy(world: "World", call: Call) -> None:
    bucket = _bucket(world, call)
    if bucket is None:
        return
    try:
        policy = Policy.read(call.params["Policy"])
    except ValueError as error:
        text = "Policies must be valid JSON and the first byte must be '{'"
        is_json = not isinstance(error, json.JSONDecodeError)
        raise Refused("MalformedPolicy", f"Policy is malformed: {error}" if is_json else text) from error
    for statement in policy.statements:
        _is_about(bucket, statement)
        _names_somebody(statement)
    _is_not_public(bucket, call)


def _is_about(bucket: FakeBucket, statement: Any) -> None:
    arn = f"arn:aws:s3:::{bucket.name}"
    resources = as_list(statement.get("Resource", statement.get("NotResource", [])))
    if not resources or any(name != arn and not name.startswith(f"{arn}/") for name in resources):
        raise Refused("MalformedPolicy", "Policy has invalid resource")
    actions = as_list(statement.get("Action", statement.get("NotAction", [])))
    if any(name != "*" and not name.lower().startswith("s3:") for name in actions):
        raise Refused("MalformedPolicy", "Policy has invalid action")


def _names_somebody(statement: Any) -> None:
    told = statement.get("Principal", statement.get("NotPrincipal"))
    if not told:
        raise Refused("MalformedPolicy", "Missing required field Principal")
    if told == "*":
        return
    names = as_list(told.get("AWS", [])) if isinstance(told, dict) else [told]
    if not all(_is_somebody(str(name)) for name in names):
        raise Refused("MalformedPolicy", "Invalid principal in policy")


def _is_somebody(name: str) -> bool:
    is_account = re.fullmatch(r"\*|\d{12}|arn:aws:iam::\d{12}:root", name) is not None
    return is_account or attached.entity(name) is not None


def _is_not_public(bucket: FakeBucket, call: Call) -> None:
    block = bucket.public_access_block
    if block and block.block_public_policy and bucket_policy_is_public(call.params["Policy"]):
        text = (
            f'User: {call.principal.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "arn:aws:s3:::'
            f'{bucket.name}" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public '
            "Access."
        )
        raise Refused("AccessDenied", text, 403)


def _naming_owners() -> list[str]:
    model = models.service_model("s3")
    shapes = {name: model.operation_model(name).input_shape for name in model.operation_names}
    return [name for name, shape in shapes.items() if shape and "ExpectedBucketOwner" in shape.members]


@refuse("s3", *_naming_owners())
def _is_whose_it_is_said_to_be(_: "World", call: Call) -> None:
    """Refuse a bucket of another account than the one that the caller names."""
    for bucket, named in (("Bucket", "ExpectedBucketOwner"), ("CopySource", "ExpectedSourceBucketOwner")):
        name = str(call.params.get(bucket, "")).lstrip("/").partition("/")[0]
        owner = s3_backends.bucket_accounts.get(name)
        if owner and call.params.get(named) not in (None, owner[1]):
            raise Refused("AccessDenied", "Access Denied", 403)


class Continued:
    """Moto's tokens for the next page of a bucket, by ours: its own are names of objects."""

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[str, str]] = {}


@answer("s3", "ListObjectsV2")
def _list_in_pages(world: "World", call: Call) -> Answer:
    tokens, bucket = world.of(Continued).tokens, call.params["Bucket"]
    changed = _fewer(world, call, "MaxKeys")
    ours = call.params.get("ContinuationToken")
    if ours is not None:
        if tokens.get(ours, ("", ""))[0] != bucket:
            raise Refused("InvalidArgument", "The continuation token provided is incorrect")
        changed["ContinuationToken"] = tokens[ours][1]
    told = world.moto(call, **changed)
    if told.get("NextContinuationToken"):
        token = secrets.token_urlsafe(40)
        tokens[token] = (bucket, told["NextContinuationToken"])
        told["NextContinuationToken"] = token
    return told | ({"ContinuationToken": ours} if ours else {})


@answer("s3", "ListObjects", "ListObjectVersions", "ListParts", "ListMultipartUploads")
def _list_older(world: "World", call: Call) -> Answer:
    names = {"ListParts": "MaxParts", "ListMultipartUploads": "MaxUploads"}
    return world.moto(call, **_fewer(world, call, names.get(call.operation, "MaxKeys")))


def _fewer(world: "World", call: Call, name: str) -> dict[str, Any]:
    size = world.settings.get("page_size")
    return {name: min(int(size), int(call.params.get(name, size)))} if size else {}
