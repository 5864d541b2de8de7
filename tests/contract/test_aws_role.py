"""Making the role in somebody's account: it works, it says what hinders it, and it leaves nothing half-made."""

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.aws_account import Feature, Variant
from blocks.errors import AccessDenied, BadInput, CredentialsInvalid, GroundworkError, NameTaken, RoleExists
from tasks.providers.aws import policies
from tasks.providers.aws.role import FINISHED, create_role
from tasks.providers.aws.session import AwsSession, assumed, session_with
from tests.worlds.aws.keys import root_key
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

pytestmark = pytest.mark.usefixtures("prefect_worker")

EXTERNAL_ID = "groundwork-0f5c1d5e2b9a4c7d"
ROLE = "groundwork-access"
ARN = f"arn:aws:iam::{CUSTOMER}:role/{ROLE}"
DOCUMENTS = {
    feature: document
    for feature, document in policies.permission_policies(Variant.AUTOMATED, list(Feature)).items()
    if feature in (Feature.PORTS, Feature.SPOT)
}
WANTED = {f"{ROLE}-ports", f"{ROLE}-spot"}
NOTHING: tuple[set[str], set[str]] = (set(), set())


@functools.cache
def keys(access_key: str = "", secret: str = "") -> AwsSession:
    root = root_key(CUSTOMER)
    block = AwsCredentials(
        aws_access_key_id=access_key or root.access_key, aws_secret_access_key=SecretStr(secret or root.secret)
    )
    return session_with(block)


def create(session: AwsSession | None = None, documents: dict[Feature, Any] = DOCUMENTS) -> str:
    return create_role(
        session or keys(),
        role_name=ROLE,
        external_id=EXTERNAL_ID,
        identity_account_id=INSTALLATION,
        policies=documents,
    )


@functools.cache
def iam_of(aws: AwsWorld) -> Any:
    return aws.client("iam")


def in_iam(aws: AwsWorld) -> tuple[set[str], set[str]]:
    """The names of all roles and policies of the customer."""
    iam = iam_of(aws)
    roles = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    return roles, {policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]}


def held(aws: AwsWorld) -> set[str]:
    """The names of the policies that the role has."""
    told = iam_of(aws).list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
    return {policy["PolicyName"] for policy in told}


def test_the_role_opens_to_its_external_id_and_has_its_policies(aws: AwsWorld) -> None:
    """ACC-03: role, trust and policies are there, and work."""
    assert create() == ARN
    assert in_iam(aws) == ({ROLE}, WANTED)
    assert held(aws) == WANTED
    role = iam_of(aws).get_role(RoleName=ROLE)["Role"]
    assert {"Key": FINISHED, "Value": str(policies.VERSION)} in role["Tags"]
    assumed(ARN, EXTERNAL_ID).client("ec2").describe_security_group_rules()
    with pytest.raises(AccessDenied):
        assumed(ARN, "groundwork-another").caller()


def test_all_features_fit_on_one_role(aws: AwsWorld) -> None:
    """ACC-10: IAM takes ten managed policies on a role, each of 6144 letters; the world refuses more."""
    create(documents=policies.permission_policies(Variant.AUTOMATED, list(Feature)))
    assert held(aws) == {f"{ROLE}-{feature.value}" for feature in Feature}


def test_a_second_call_changes_nothing(aws: AwsWorld) -> None:
    """ACC-03: a run that is tried again gives the same role."""
    first = create()
    aws.fault("error", "iam:CreateRole", times=-1, code="EntityAlreadyExists", status=409)
    assert create() == first
    assert in_iam(aws) == ({ROLE}, WANTED)


def test_a_second_call_brings_policies_up_to_date(aws: AwsWorld) -> None:
    """ACC-10: a new version of the policies reaches accounts that were connected before."""
    old = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"}]}
    for _ in range(3):  # each makes two versions, and IAM keeps five
        create(documents={Feature.SPOT: old})
        create()
    arn = f"arn:aws:iam::{CUSTOMER}:policy/{ROLE}-spot"
    version = iam_of(aws).get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    told = iam_of(aws).get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert policies.text_of(told) == policies.text_of(DOCUMENTS[Feature.SPOT])
    assert held(aws) == WANTED


def foreign_role(aws: AwsWorld, **tags: str) -> None:
    trust = json.dumps(policies.trust_policy(INSTALLATION, ["groundwork-another"]))
    listed = [{"Key": key.replace("_", ":"), "Value": value} for key, value in tags.items()]
    iam_of(aws).create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust, Tags=listed)


@pytest.mark.parametrize("tags", [{}, {"groundwork:external-id": "groundwork-another"}], ids=["foreign", "another's"])
def test_a_role_of_that_name_is_left_as_it_is(aws: AwsWorld, tags: dict[str, str]) -> None:
    """ACC-04: its ARN is offered, with the warning about accounts that others use too."""
    foreign_role(aws, **tags)
    with pytest.raises(RoleExists) as caught:
        create()
    assert ARN in str(caught.value)
    assert "others use" in caught.value.advice
    assert in_iam(aws) == ({ROLE}, set())


@contextmanager
def before_calls(name: str, act: Any, when: str = "before") -> Iterator[None]:
    """Let something happen in this process before (or after) each of some calls."""
    events = keys().client("iam").meta.events
    events.register_first(f"{when}-call.{name}", act)
    try:
        yield
    finally:
        events.unregister(f"{when}-call.{name}", act)


def test_a_role_made_by_somebody_in_the_same_moment_is_left_as_it_is(aws: AwsWorld) -> None:
    """ACC-04: between our look and our create; what we would remove then is not ours."""
    with before_calls("iam.CreateRole", lambda **_: foreign_role(aws)), pytest.raises(RoleExists):
        create()
    assert in_iam(aws) == ({ROLE}, set())


def test_a_policy_of_that_name_is_left_as_it_is(aws: AwsWorld) -> None:
    """ACC-04: what was made so far goes, the foreign policy stays."""
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam_of(aws).create_policy(PolicyName=f"{ROLE}-spot", PolicyDocument=json.dumps(document))
    with pytest.raises(NameTaken, match=f"{ROLE}-spot"):
        create()
    assert in_iam(aws) == (set(), {f"{ROLE}-spot"})


@pytest.mark.parametrize("told", [{"access_key": "AKIAIOSFODNN7EXAMPLE"}, {"secret": "the-wrong-secret"}])
def test_keys_that_aws_does_not_know(aws: AwsWorld, told: dict[str, str]) -> None:
    """ACC-04: one of the three failures, told as what it is."""
    with pytest.raises(CredentialsInvalid):
        create(keys(**told))
    assert in_iam(aws) == NOTHING


def limited(aws: AwsWorld, denied: str) -> AwsSession:
    """Keys of a user who may do everything in IAM but one action."""
    iam = iam_of(aws)
    iam.create_user(UserName="somebody")
    statements = [
        {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
        {"Effect": "Deny", "Action": denied, "Resource": "*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="somebody", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="somebody")["AccessKey"]
    return keys(key["AccessKeyId"], key["SecretAccessKey"])


STEPS = [
    "iam:GetRole",
    "iam:CreateRole",
    "iam:TagRole",
    "iam:CreatePolicy",
    "iam:TagPolicy",
    "iam:AttachRolePolicy",
    "iam:DetachRolePolicy",
    "iam:DeletePolicy",
    "iam:DeleteRole",
]


@pytest.mark.parametrize("action", STEPS)
def test_keys_that_may_not(aws: AwsWorld, action: str) -> None:
    """ACC-04: the action is named, and nothing is left; also where the keys could not have removed it again."""
    with pytest.raises(AccessDenied, match=action):
        create(limited(aws, action))
    assert in_iam(aws) == NOTHING


def calls_of(aws: AwsWorld) -> int:
    return len([call for call in aws.calls() if call["service"] == "iam"])


def test_a_fault_at_any_call_leaves_nothing(aws: AwsWorld) -> None:
    """ACC-04: each call of the sequence in turn is refused; then none of them, and the role is there."""
    create()
    count = calls_of(aws)
    assert count == 10
    for number in range(1, count + 1):
        aws.reset()
        aws.fault("error", "iam:*", nth=number, code="AccessDenied", status=403)
        with pytest.raises(GroundworkError):
            create()
        assert in_iam(aws) == NOTHING, number


def test_a_lost_reply_at_any_call_is_no_fault(aws: AwsWorld) -> None:
    """The client asks again by itself; what it finds then is its own."""
    create()
    for number in range(1, calls_of(aws) + 1):
        aws.reset()
        aws.fault("lose_reply", "iam:*", nth=number)
        create()
        assert (in_iam(aws), held(aws)) == (({ROLE}, WANTED), WANTED), number


class Killed(BaseException):
    """The process ended here."""


@contextmanager
def dying(at: int, *, is_done: bool) -> Iterator[None]:
    """The process is killed at its so-manieth call of IAM, before or after the call; it makes no more."""
    seen = 0

    def die(**_: object) -> None:
        nonlocal seen
        seen += 1
        if seen >= at:
            raise Killed

    with before_calls("iam", die, "after" if is_done else "before"), pytest.raises(Killed):
        yield


@pytest.mark.parametrize("is_done", [False, True], ids=["before the call", "after the call"])
def test_a_second_call_finishes_what_a_killed_one_began(aws: AwsWorld, *, is_done: bool) -> None:
    """ACC-03: whoever is killed outright undoes nothing."""
    create()
    for number in range(1, calls_of(aws) + 1):
        aws.reset()
        with dying(number, is_done=is_done):
            create()
        assert create() == ARN
        assert (in_iam(aws), held(aws)) == (({ROLE}, WANTED), WANTED), number


@pytest.mark.parametrize("number", [5, 6, 7, 9])
def test_a_failure_after_a_killed_call_leaves_nothing_of_either(aws: AwsWorld, number: int) -> None:
    """ACC-04: what the killed call left is half-made, and ours."""
    with dying(number, is_done=True):
        create()
    assert in_iam(aws) != NOTHING
    aws.fault("error", "iam:AttachRolePolicy", code="AccessDenied", status=403)
    with pytest.raises(AccessDenied):
        create()
    assert in_iam(aws) == NOTHING


def test_a_failure_with_a_finished_role_leaves_the_role(aws: AwsWorld) -> None:
    """A running installation comes in by it: only what this call added goes."""
    create()
    aws.fault("error", "iam:TagRole", code="AccessDenied", status=403)
    with pytest.raises(AccessDenied):
        create(documents={**DOCUMENTS, Feature.EFS: DOCUMENTS[Feature.SPOT]})
    assert (in_iam(aws), held(aws)) == (({ROLE}, WANTED), WANTED)


def test_what_cannot_be_removed_is_named(aws: AwsWorld) -> None:
    """ACC-04: keys that end in the middle can remove nothing; then a person has to, and must know what."""
    aws.fault("error", "iam:AttachRolePolicy", code="AccessDenied", status=403)
    aws.fault("error", "iam:DeleteRole", nth=2, times=-1, code="InvalidClientTokenId", status=403)
    with pytest.raises(AccessDenied) as caught:
        create()
    assert f"removed by hand: role {ROLE}" in caught.value.advice
    assert in_iam(aws) == ({ROLE}, set())


def test_a_policy_that_iam_does_not_know_yet(aws: AwsWorld) -> None:
    """IAM is eventually consistent: what was made a moment ago may be unknown for some seconds."""
    aws.fault("error", "iam:AttachRolePolicy", code="NoSuchEntity", status=404)
    create()
    assert held(aws) == WANTED


def test_a_name_of_nodes_is_refused(aws: AwsWorld) -> None:
    """SEC-12: the role may change nodes' roles; one of their names would let it change itself."""
    with pytest.raises(BadInput, match="role_name"):
        create_role(
            keys(),
            role_name="groundwork-node-access",
            external_id=EXTERNAL_ID,
            identity_account_id=INSTALLATION,
            policies=DOCUMENTS,
        )
    assert in_iam(aws) == NOTHING


def test_nothing_of_the_keys_is_kept(aws: AwsWorld) -> None:
    """ACC-03: neither the role nor an error says them."""
    create()
    role = iam_of(aws).get_role(RoleName=ROLE)["Role"]
    assert root_key(CUSTOMER).secret not in str(role)
    with pytest.raises(CredentialsInvalid) as caught:
        create(keys(secret="a-secret-that-nobody-may-see"))
    assert "a-secret-that-nobody-may-see" not in str(caught.value)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam_of(aws).get_role(RoleName="another")
