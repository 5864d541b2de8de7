"""The role that we assume in an account, made with keys of somebody who may make roles.

Its policies are managed ones, one for each feature, named ``<role>-<feature>``: together they are longer than what a
role's inline policies may have, and one can be taken off in IAM's pages without the others.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from blocks.aws_account import DEFAULT_ROLE, Feature
from blocks.errors import BadInput, GroundworkError, NameTaken, RoleExists
from tasks.providers.aws.policies import NODE_PREFIX, VERSION, Policy, text_of, trust_policy
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

FOR = "groundwork:external-id"
"""The tag that says for which account's record a role or policy was made. The id is no secret: the trust shows it."""

FINISHED = "groundwork:policies"
"""The tag that a role gets when it has all its policies: their version."""

_MOST_TRIES = 10


@dataclass(frozen=True)
class _Wanted:
    """The role as it shall be. ``prefix`` is what the ARNs of the account's policies begin with."""

    name: str
    trust: Policy
    tags: Mapping[str, str]
    prefix: str

    def policy_name(self, feature: Feature) -> str:
        return f"{self.name}-{feature.value}"

    def policy_arn(self, feature: Feature) -> str:
        return f"{self.prefix}{self.policy_name(feature)}"

    def is_ours(self, found: Mapping[str, Any]) -> bool:
        """Tell whether a role or policy was made for the same external id."""
        return _tags(found).get(FOR) == self.tags[FOR]


@dataclass
class _Unfinished:
    """What must go if this ends badly, and whether it is surely ours: it is written down before it is made."""

    policies: dict[Feature, bool] = field(default_factory=dict)
    role: bool | None = None


def create_role(
    keys: AwsSession,
    *,
    role_name: str,
    external_id: str,
    identity_account_id: str,
    policies: Mapping[Feature, Policy],
    tags: Mapping[str, str] | None = None,
) -> str:
    """Make the role that our account may assume with this external id, with these policies; return its ARN.

    A second call finishes what the first began, and brings the policies of a finished role up to date. When it fails,
    nothing is left that it made, nor what a call before it left that was killed.

    Args:
        keys: Somebody who may make roles and policies, and remove them again.
        role_name: What it shall be called.
        external_id: What its trust shall ask for.
        identity_account_id: Our account, which it shall trust.
        policies: What it shall be allowed, as ``permission_policies`` says.
        tags: Further tags for the role and its policies.

    Raises:
        BadInput: The name is one of a node's role: with it, the role could give itself rights.
        RoleExists: There is a role of that name that was not made for this external id. It is left as it is.
        NameTaken: A policy of that name belongs to something else.
        CredentialsInvalid: AWS does not know the keys.
        AccessDenied: The keys may not do one of the steps: its action is named.
    """
    if role_name.startswith(NODE_PREFIX):
        raise BadInput(
            f"names that begin with {NODE_PREFIX} are those of nodes' roles, which this role may change",
            where="role_name",
            advice=f"Choose another, such as {DEFAULT_ROLE}.",
        )
    iam, account = keys.client("iam"), keys.caller().arn.split(":")
    wanted = _Wanted(
        role_name,
        trust_policy(identity_account_id, [external_id]),
        {**(tags or {}), FOR: external_id},
        f"arn:{account[1]}:iam::{account[4]}:policy/",
    )
    unfinished = _Unfinished()
    try:
        with translated(f"role {role_name}"):
            return _make(iam, wanted, policies, unfinished)
    except BaseException as error:
        left = _undo(iam, wanted, unfinished)
        if left and isinstance(error, GroundworkError):
            advice = f"{error.advice} Left in IAM, to be removed by hand: {', '.join(left)}.".strip()
            raise type(error)(error.what, where=error.where, advice=advice) from error
        raise


def _make(iam: "IAMClient", wanted: _Wanted, policies: Mapping[Feature, Policy], unfinished: _Unfinished) -> str:
    found = _find(iam, wanted)
    if found is None:
        _prove_that_all_can_be_undone(iam, wanted)
        unfinished.role = False
        found = _create(iam, wanted)
        unfinished.role = True
    elif FINISHED not in _tags(found):
        unfinished.role = True
        unfinished.policies = dict.fromkeys(Feature, False)
    for feature, document in policies.items():
        _give(iam, wanted, feature, document, unfinished)
    iam.tag_role(RoleName=wanted.name, Tags=_as_list({FINISHED: str(VERSION)}))
    return str(found["Arn"])


def _find(iam: "IAMClient", wanted: _Wanted) -> Mapping[str, Any] | None:
    """Return the role, if it was made for this external id; None when there is none."""
    try:
        found: Mapping[str, Any] = iam.get_role(RoleName=wanted.name)["Role"]
    except ClientError as error:
        if code_of(error) == "NoSuchEntity":
            return None
        raise
    if not wanted.is_ours(found):
        raise RoleExists(
            f"there is one of that name already, {found['Arn']}",
            where=f"role {wanted.name}",
            advice="If it was made for Groundwork, give that ARN to onboard-aws-account; in an account that others use "
            "too, make sure first that it is not theirs. Or choose another name, or remove it and try again.",
        )
    return found


def _prove_that_all_can_be_undone(iam: "IAMClient", wanted: _Wanted) -> None:
    """Try each removal on what is not there: who may not remove is told so before anything is made."""
    nobody = f"{wanted.name[:50]}-{secrets.token_hex(6)}"
    _unless_gone(lambda: iam.detach_role_policy(RoleName=nobody, PolicyArn=f"{wanted.prefix}{nobody}"))
    _unless_gone(lambda: iam.delete_policy(PolicyArn=f"{wanted.prefix}{nobody}"))
    _unless_gone(lambda: iam.delete_role(RoleName=nobody))


def _create(iam: "IAMClient", wanted: _Wanted) -> Mapping[str, Any]:
    try:
        return iam.create_role(
            RoleName=wanted.name,
            AssumeRolePolicyDocument=text_of(wanted.trust),
            Description="Groundwork works in this account by this role.",
            Tags=_as_list(wanted.tags),
        )["Role"]
    except ClientError as error:
        # Our own call, whose reply was lost; or somebody was quicker.
        found = _find(iam, wanted) if code_of(error) == "EntityAlreadyExists" else None
        if found is None:
            raise
        return found


def _give(iam: "IAMClient", wanted: _Wanted, feature: Feature, document: Policy, unfinished: _Unfinished) -> None:
    """Let there be a feature's policy, and the role have it."""
    unfinished.policies[feature] = False
    arn = wanted.policy_arn(feature)
    try:
        name = wanted.policy_name(feature)
        iam.create_policy(PolicyName=name, PolicyDocument=text_of(document), Tags=_as_list(wanted.tags))
        unfinished.policies[feature] = True
    except ClientError as error:
        if code_of(error) != "EntityAlreadyExists":
            raise
        if unfinished.role is None:
            del unfinished.policies[feature]
        _bring_up_to_date(iam, wanted, arn, document)
    _wait_attached(iam, wanted, arn)


def _bring_up_to_date(iam: "IAMClient", wanted: _Wanted, arn: str, document: Policy) -> None:
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    if not wanted.is_ours(found):
        raise NameTaken(
            "it was not made for this account's external id",
            where=f"policy {found['PolicyName']}",
            advice="Remove it, or choose another name for the role.",
        )
    version = found["DefaultVersionId"]
    # botocore reads the document: it is an object here, for all that its types say.
    now = cast("Policy", iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
    if text_of(now) != text_of(document):
        _delete_old_versions(iam, arn)  # IAM keeps five at most
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=text_of(document), SetAsDefault=True)


def _wait_attached(iam: "IAMClient", wanted: _Wanted, arn: str) -> None:
    """Attach a policy, which IAM may not know yet for some seconds.

    IAM User Guide, "Changes that I make are not always immediately visible".
    """
    for tries_left in reversed(range(_MOST_TRIES)):
        try:
            iam.attach_role_policy(RoleName=wanted.name, PolicyArn=arn)
        except ClientError as error:
            if code_of(error) != "NoSuchEntity" or not tries_left:
                raise
            time.sleep(1)
        else:
            return


def _undo(iam: "IAMClient", wanted: _Wanted, unfinished: _Unfinished) -> list[str]:
    """Remove what is unfinished and ours; return what could not be removed."""
    left = []
    for feature, is_ours in unfinished.policies.items():
        if not _is_gone(partial(_remove_policy, iam, wanted, feature, is_ours=is_ours)):
            left.append(f"policy {wanted.policy_name(feature)}")
    if unfinished.role is not None and not _is_gone(partial(_remove_role, iam, wanted, is_ours=unfinished.role)):
        left.append(f"role {wanted.name}")
    return left


def _is_gone(remove: Callable[[], object]) -> bool:
    try:
        _unless_gone(remove)
    except (BotoCoreError, ClientError, GroundworkError):
        return False  # what went wrong first is told; this only adds what is left
    return True


def _remove_policy(iam: "IAMClient", wanted: _Wanted, feature: Feature, *, is_ours: bool) -> None:
    arn = wanted.policy_arn(feature)
    if is_ours or wanted.is_ours(iam.get_policy(PolicyArn=arn)["Policy"]):
        _unless_gone(lambda: iam.detach_role_policy(RoleName=wanted.name, PolicyArn=arn))
        if not is_ours:  # what this call made has one version only
            _delete_old_versions(iam, arn)
        iam.delete_policy(PolicyArn=arn)


def _remove_role(iam: "IAMClient", wanted: _Wanted, *, is_ours: bool) -> None:
    if is_ours or wanted.is_ours(iam.get_role(RoleName=wanted.name)["Role"]):
        iam.delete_role(RoleName=wanted.name)


def _delete_old_versions(iam: "IAMClient", arn: str) -> None:
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])


def _unless_gone(step: Callable[[], object]) -> None:
    try:
        step()
    except ClientError as error:
        if code_of(error) != "NoSuchEntity":
            raise


def _tags(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}


def _as_list(tags: Mapping[str, str]) -> list[Any]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
