"""What a bucket's own policy says to a request, and whether the bucket is another account's."""

from typing import Any

from moto.backends import get_backend

from tests.worlds.aws.permissions.policies import Decision, Policy, Question, decide

_BUCKETS = "arn:aws:s3:::"

_OF_THE_OWNER = ("s3:createbucket", "s3:putbucketpolicy", "s3:getbucketpolicy", "s3:deletebucketpolicy")
"""The owner's root user may always mend a bucket's policy (S3 User Guide: "Bucket policies")."""


def decision(question: Question) -> Decision:
    """Return what the policy of the bucket in question decides; without bucket or policy, nothing."""
    bucket = _bucket(question)
    if bucket is None or not bucket.policy:
        return Decision()
    principal = question.principal
    is_owner = principal is not None and principal.is_root and principal.account == bucket.account_id
    if is_owner and question.action.lower() in _OF_THE_OWNER:
        return Decision()
    text = bucket.policy.decode() if isinstance(bucket.policy, bytes) else bucket.policy
    return decide([Policy.read(text, bucket.name, "resource")], question)


def is_foreign(question: Question) -> bool:
    """Tell whether the bucket in question is owned by another account than the caller's."""
    bucket = _bucket(question)
    principal = question.principal
    return bucket is not None and principal is not None and bucket.account_id != principal.account


def owner(resource: str) -> str:
    """Return the account that owns the bucket of an ARN; empty where there is no such bucket."""
    if not resource.startswith(_BUCKETS):
        return ""
    known = get_backend("s3").bucket_accounts.get(_name(resource))
    return str(known[1]) if known else ""


def _name(resource: str) -> str:
    return resource.removeprefix(_BUCKETS).partition("/")[0]


def _bucket(question: Question) -> Any:
    account = owner(question.resource)
    if not account or question.action.lower() == "s3:createbucket":
        return None
    return get_backend("s3")[account]["aws"].buckets.get(_name(question.resource))
