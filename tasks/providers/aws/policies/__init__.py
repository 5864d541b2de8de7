"""The policies of an account's role, of its trust, and of its nodes; and what the self-test has to ask about them.

All documents are JSON objects that are equal for equal questions, letter by letter once written with sorted keys.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from blocks.aws_account import Feature, Variant, completed
from blocks.errors import BadInput
from tasks.providers.aws.policies.rights import Right, rights_of
from tasks.providers.aws.policies.statements import arn_of, condition_of, statements_of
from tasks.providers.aws.policies.words import NODE_PREFIX, PARAMETERS, ROLE_PREFIX, TAG

__all__ = [
    "NODE_PREFIX",
    "PARAMETERS",
    "ROLE_PREFIX",
    "TAG",
    "VERSION",
    "Need",
    "Policy",
    "needs",
    "node_policy",
    "partition_of",
    "permission_policies",
    "permission_policy",
    "text_of",
    "trust_policy",
]

VERSION = 1
"""The policies' version. It grows when an account needs more than it has; the role bears it as a tag."""

MOST_INLINE = 10240
"""Letters in all inline policies of a role together, without blanks (IAM User Guide, "IAM and AWS STS quotas")."""

MOST_MANAGED = 6144
"""Letters in one managed policy, without blanks (the same page). Ten of them may be attached."""

Policy = dict[str, Any]
"""A policy's document, as JSON."""

_ASKING = "iam:SimulatePrincipalPolicy"


class Bounds(TypedDict, total=False):
    """What narrows policies further.

    ``account_id`` (12 digits), ``vpc_id`` and ``instance_profile`` (a name) of the restricted variant, ``installation``
    (the value that our tag must have), ``region`` (where the self-test's examples are).
    """

    account_id: str
    vpc_id: str
    instance_profile: str
    installation: str
    region: str


@dataclass(frozen=True)
class Need:
    """One question of the self-test: is ``action`` allowed on these ``resources``, in this ``context``?

    Args:
        feature: What lacks without it.
        action: As ``ec2:RunInstances``.
        resources: ARNs of things that need not exist; ``*`` where AWS knows no things.
        context: Values of condition keys as they are when we make the call.
    """

    feature: Feature
    action: str
    resources: tuple[str, ...]
    context: Mapping[str, str] = field(default_factory=dict)


def permission_policy(variant: Variant, features: Iterable[Feature], **bounds: Unpack[Bounds]) -> Policy:
    """Return all that an account must allow in one document, with as few statements as can be.

    Without SageMaker it is short enough for a role's inline policy, whatever else is chosen.

    Raises:
        BadInput: The restricted variant without its network and instance profile, or with networks.
    """
    values = _values(variant, bounds)
    asked = [right for feature in completed(variant, features) for right in rights_of(variant, feature)]
    # A short name for each statement: all of them together are near the length that IAM takes.
    return _policy(statements_of(asked, values, "Gw"))


def permission_policies(
    variant: Variant, features: Iterable[Feature], **bounds: Unpack[Bounds]
) -> dict[Feature, Policy]:
    """Return the same in one document for each feature, which can be left out by itself.

    Each fits into a managed policy, and all of them may be attached to one role or user.

    Raises:
        BadInput: As ``permission_policy``.
    """
    values = _values(variant, bounds)
    return {
        feature: _policy(statements_of(rights_of(variant, feature), values, feature.value.capitalize()))
        for feature in completed(variant, features)
    }


def needs(variant: Variant, features: Iterable[Feature], **bounds: Unpack[Bounds]) -> list[Need]:
    """Return what the self-test asks: each right, with an example of its things.

    The right to ask is not among them: where that is missing, nothing is answered.

    Raises:
        BadInput: As ``permission_policy``.
    """
    values = _values(variant, bounds)
    region = bounds.get("region", "us-east-1")
    asked = [right for feature in completed(variant, features) for right in rights_of(variant, feature)]
    return [_need(right, values, region) for right in asked if right.action != _ASKING]


def trust_policy(identity_account_id: str, external_ids: Sequence[str]) -> Policy:
    """Return who may assume the role: our account, and only with one of these external ids.

    Args:
        identity_account_id: The account of the identity that the Prefect worker runs as.
        external_ids: One; or two, while one takes the other's place.
    """
    ids = list(external_ids)
    return _policy(
        [
            {
                "Sid": "Groundwork",
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"AWS": f"arn:aws:iam::{identity_account_id}:root"},
                "Condition": {"StringEquals": {"sts:ExternalId": ids[0] if len(ids) == 1 else ids}},
            }
        ]
    )


def node_policy(*, bucket: str, prefix: str, cluster: str, account_id: str = "*", key_arn: str = "") -> Policy:
    """Return what a cluster's nodes may do: their own part of the bucket, their own parameters and logs.

    Args:
        bucket: The state bucket.
        prefix: The cluster's part of it, without a slash at its ends.
        cluster: The cluster's uuid.
        account_id: Where it stands.
        key_arn: The KMS key that the parameters are encrypted with; empty: the account's own for SSM.
    """
    own = f"{PARAMETERS}/{cluster}"
    parameter, group = f"arn:*:ssm:*:{account_id}:parameter/{own}", f"arn:*:logs:*:{account_id}:log-group:/{own}"
    told: list[dict[str, Any]] = [
        _allow("List", "s3:ListBucket", f"arn:*:s3:::{bucket}", StringLike={"s3:prefix": [f"{prefix}/*"]}),
        _allow(
            "Objects",
            ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            f"arn:*:s3:::{bucket}/{prefix}/*",
        ),
        _allow("Parameters", ["ssm:GetParameter", "ssm:GetParametersByPath"], [parameter, f"{parameter}/*"]),
        _allow("Logs", ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], f"{group}:*"),
    ]
    if key_arn:
        told.append(_allow("Key", "kms:Decrypt", key_arn, StringLike={"kms:ViaService": "ssm.*.amazonaws.com"}))
    return _policy(told)


def text_of(policy: Policy) -> str:
    """Return a policy as IAM gets it: without blanks, which it does not count, and in an order that never changes."""
    return json.dumps(policy, sort_keys=True, separators=(",", ":"))


def _policy(told: list[dict[str, Any]]) -> Policy:
    return {"Version": "2012-10-17", "Statement": told}


def _allow(
    sid: str, actions: str | list[str], resource: str | list[str], **condition: dict[str, Any]
) -> dict[str, Any]:
    told = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return {**told, "Condition": condition} if condition else told


def _values(variant: Variant, bounds: Bounds) -> dict[str, str]:
    given = {name: str(value) for name, value in bounds.items() if value}
    for field_name in ("vpc_id", "instance_profile"):
        if variant is Variant.RESTRICTED and field_name not in given:
            raise BadInput("the restricted variant needs it", where=field_name)
    return {"account_id": "*", "installation": "*", "vpc_id": "*", "instance_profile": "*", **given}


def _need(right: Right, values: Mapping[str, str], region: str) -> Need:
    context = {
        key: _example(wanted, region, values)
        for operator, keys in condition_of(right.when, values).items()
        for key, wanted in keys.items()
        if operator != "Null"
    }
    return Need(right.feature, right.action, (_example_arn(arn_of(right.thing, values), region, values),), context)


def _example(wanted: str | list[str], region: str, values: Mapping[str, str]) -> str:
    value = wanted if isinstance(wanted, str) else wanted[0]
    if value.startswith("arn:"):
        return _example_arn(value, region, values)
    return value.replace("*", "groundwork")


def _example_arn(pattern: str, region: str, values: Mapping[str, str]) -> str:
    """Put something where a pattern has wildcards: the simulator compares what it is given letter by letter."""
    if pattern == "*":
        return pattern
    arn, _, service, place, account, name = pattern.split(":", 5)
    account = account.replace("*", values["account_id"]).replace("*", "000000000000")
    return ":".join(
        [arn, partition_of(region), service, region if place else "", account, name.replace("*", "groundwork")]
    )


def partition_of(region: str) -> str:
    """Return the AWS partition of a region, as ARNs begin with it."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")
