"""What nodes may do in AWS: one role for all nodes of a region, and the instance profile through which they have it."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from blocks.errors import Conflict
from tasks.providers.aws.naming import listed
from tasks.providers.aws.policies import Policy, node_policy, text_of
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.region import parts
from tasks.providers.aws.region.site import Site

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

POLICY_NAME = "groundwork-node"

_TRUST: Policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}],
}


def ensure_node_profile(site: Site) -> str:
    """Let there be the nodes' role in its instance profile; return the name of both.

    EC2 takes a new profile after some seconds only: whoever launches with it tries again.
    """
    name, iam = parts.node_role(site.owner, site.region), site.session.client("iam", site.region)
    what = f"node role {name}"
    with translated(what):
        if site.was_begun and _has_role(iam, name):
            return name
    tags = listed(site.owner.tags(parts.NODE_ROLE, name))
    steps = (
        partial(iam.create_role, RoleName=name, AssumeRolePolicyDocument=text_of(_TRUST), Tags=tags),
        partial(iam.create_instance_profile, InstanceProfileName=name, Tags=tags),
        partial(_add_role, iam, name),
    )
    for make in steps:
        with suppress(Conflict):
            site.settled(what, make)
    return name


def _add_role(iam: "IAMClient", name: str) -> None:
    try:
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    except ClientError as error:
        # A profile has one role at most, and this one was never another's (IAM User Guide, "IAM and AWS STS quotas").
        if code_of(error) != "LimitExceeded":
            raise


def _has_role(iam: "IAMClient", name: str) -> bool:
    try:
        return bool(iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"])
    except ClientError as error:
        if code_of(error) != "NoSuchEntity":
            raise
    return False


def allow_nodes(site: Site, name: str, bucket: str, key_arn: str) -> None:
    """Let nodes do what they need: their part of the state bucket, their own parameters and logs. May be repeated.

    Keys of clusters are parameters of ours that no node can read.
    """
    document = node_policy(
        bucket=bucket,
        prefix=parts.CLUSTERS_PREFIX,
        cluster=parts.node_parameters(site.owner),
        account_id=site.account_id,
        key_arn=key_arn,
    )
    iam = site.session.client("iam", site.region)
    put = partial(iam.put_role_policy, PolicyName=POLICY_NAME, PolicyDocument=text_of(document))
    site.settled(f"node role {name}", partial(put, RoleName=name))
