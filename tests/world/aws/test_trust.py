"""Who may become a role: trust policies, external ids, sessions (OPS-24, ACC-01, SEC-04)."""

import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.world.aws.identities import allow, asker, key_of, make_user, trust
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

THIRD = "333333333333"
EXTERNAL_ID = "one-of-ours"
ARN = f"arn:aws:iam::{CUSTOMER}:role/Groundwork"


def make_role(aws: AwsWorld, *principals: str, account: str = CUSTOMER, **told: Any) -> None:
    """Make the role Groundwork in an account, which trusts principals."""
    asked = {key: told.pop(key) for key in ("external_id", "action") if key in told}
    iam = aws.client("iam", account)
    iam.create_role(RoleName="Groundwork", AssumeRolePolicyDocument=trust(*principals, **asked), **told)


def assume(
    aws: AwsWorld, account: str = INSTALLATION, key: dict[str, str] | None = None, **told: Any
) -> dict[str, Any]:
    """Assume the role Groundwork of the customer, as somebody of an account who may, or with a key."""
    asked = {"RoleArn": ARN, "RoleSessionName": "test", **told}
    answer: dict[str, Any] = aws.client("sts", account, **(key or asker(aws, account))).assume_role(**asked)
    return answer


def test_the_external_id_decides(aws: AwsWorld) -> None:
    """Bare moto gives a session to everyone: a wrong or missing id, another account, a role that is not there."""
    make_role(aws, f"arn:aws:iam::{INSTALLATION}:root", external_id=EXTERNAL_ID)
    refusals: list[tuple[str, str, dict[str, str]]] = [
        ("no external id", INSTALLATION, {}),
        ("wrong external id", INSTALLATION, {"ExternalId": "another"}),
        ("other letters", INSTALLATION, {"ExternalId": EXTERNAL_ID.upper()}),
        ("foreign account", THIRD, {"ExternalId": EXTERNAL_ID}),
        ("its own account", CUSTOMER, {"ExternalId": EXTERNAL_ID}),
        ("unknown role", INSTALLATION, {"ExternalId": EXTERNAL_ID, "RoleArn": f"{ARN}2"}),
        ("unknown account", INSTALLATION, {"ExternalId": EXTERNAL_ID, "RoleArn": ARN.replace(CUSTOMER, "4" * 12)}),
        ("path forgotten", INSTALLATION, {"ExternalId": EXTERNAL_ID, "RoleArn": ARN.replace("role/", "role/x/")}),
    ]
    texts = set()
    for name, account, told in refusals:
        with pytest.raises(ClientError) as refused:
            assume(aws, account, **told)
        assert refused.value.response["Error"]["Code"] == "AccessDenied", name
        text = refused.value.response["Error"]["Message"]
        texts.add(re.sub("^User: [^ ]+", "User: U", text).replace(told.get("RoleArn", ARN), "R"))
    assert len(texts) == 1, "the words tell whether the role exists"

    answer = assume(aws, ExternalId=EXTERNAL_ID)
    who = aws.client("sts", **key_of(answer)).get_caller_identity()
    assert who["Account"] == CUSTOMER
    assert who["Arn"] == f"arn:aws:sts::{CUSTOMER}:assumed-role/Groundwork/test" == answer["AssumedRoleUser"]["Arn"]
    assert who["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]


def test_a_user_of_another_account_needs_its_own_permission_too(aws: AwsWorld) -> None:
    """Trust in an account lets nobody in whom that account does not let out."""
    make_role(aws, f"arn:aws:iam::{INSTALLATION}:root", external_id=EXTERNAL_ID)
    nobody = make_user(aws, INSTALLATION, "nobody")
    elsewhere = make_user(aws, INSTALLATION, "elsewhere", allow("sts:AssumeRole", resource=f"{ARN}2"))
    worker = make_user(aws, INSTALLATION, "worker", allow("sts:AssumeRole", resource=ARN))
    for key in (nobody, elsewhere):
        with pytest.raises(ClientError, match="AccessDenied"):
            assume(aws, key=key, ExternalId=EXTERNAL_ID)
    assert assume(aws, key=worker, ExternalId=EXTERNAL_ID)["Credentials"]
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(aws, key=worker, ExternalId="another")


def test_at_home_a_principal_named_by_the_trust_needs_no_more(aws: AwsWorld) -> None:
    """ "Policy evaluation logic": a resource's policy that names a principal of its own account is enough."""
    key = make_user(aws, CUSTOMER, "ada")
    other = make_user(aws, CUSTOMER, "bob")
    make_role(aws, f"arn:aws:iam::{CUSTOMER}:user/ada")
    assert assume(aws, key=key)["Credentials"]
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(aws, key=other)
    iam = aws.client("iam")
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sts:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="ada", PolicyName="no", PolicyDocument=json.dumps(deny))
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(aws, key=key)
    assert aws.client("sts", **key).get_caller_identity()["Arn"].endswith(":user/ada"), "this one nobody can deny"

    iam.update_assume_role_policy(RoleName="Groundwork", PolicyDocument=trust(CUSTOMER))
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(aws, key=other)
    iam.put_user_policy(UserName="bob", PolicyName="own", PolicyDocument=allow("sts:AssumeRole"))
    assert assume(aws, key=other)["Credentials"]


def test_no_root_user_assumes_a_role(aws: AwsWorld) -> None:
    """Bare moto lets it; on AWS whoever runs Groundwork as root could come into no account."""
    make_role(aws, INSTALLATION)
    with pytest.raises(ClientError, match="Roles may not be assumed by root accounts"):
        aws.client("sts", INSTALLATION).assume_role(RoleArn=ARN, RoleSessionName="test")
    assert assume(aws)["Credentials"]


def test_a_session_lasts_as_long_as_its_role_says(aws: AwsWorld) -> None:
    """Bare moto gives sessions of any length."""
    make_role(aws, INSTALLATION, CUSTOMER, MaxSessionDuration=7200)
    assert assume(aws, DurationSeconds=7200)["Credentials"]
    with pytest.raises(ClientError, match=r"ValidationError.*MaxSessionDuration"):
        assume(aws, DurationSeconds=7201)
    key = key_of(assume(aws))
    aws.client("iam").put_role_policy(RoleName="Groundwork", PolicyName="p", PolicyDocument=allow("sts:AssumeRole"))
    assert assume(aws, key=key, DurationSeconds=3600)["Credentials"], "a role that takes itself again"
    with pytest.raises(ClientError, match="role chaining"):
        assume(aws, key=key, DurationSeconds=3601)


def test_a_session_ends_with_its_role(aws: AwsWorld) -> None:
    """A role that was made again under the same name is another one."""
    make_role(aws, INSTALLATION)
    key = key_of(assume(aws))
    iam = aws.client("iam")
    iam.delete_role(RoleName="Groundwork")
    make_role(aws, INSTALLATION)
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        aws.client("sts", **key).get_caller_identity()
    assert aws.client("sts", **key_of(assume(aws))).get_caller_identity()["Account"] == CUSTOMER


def test_sessions_end(aws: AwsWorld) -> None:
    """ACC-17 rests on it: after the end each service says so in its own words."""
    make_role(aws, INSTALLATION)
    key = key_of(assume(aws))
    assert aws.end_sessions() == 1
    for service, ask, code in (
        ("ec2", "describe_vpcs", "RequestExpired"),
        ("sts", "get_caller_identity", "ExpiredToken"),
        ("kms", "list_keys", "ExpiredTokenException"),
    ):
        with pytest.raises(ClientError) as refused:
            getattr(aws.client(service, **key), ask)()
        assert refused.value.response["Error"]["Code"] == code


def test_a_new_role_is_not_there_at_once(aws: AwsWorld) -> None:
    """IAM is eventually consistent: with the setting, the first seconds look like a refusal."""
    aws.speed(0)
    aws.settings(new_role_delay_s=8)
    make_role(aws, INSTALLATION)
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(aws)
    aws.advance(8)
    assert assume(aws)["Credentials"]


def test_session_policies_and_tags(aws: AwsWorld) -> None:
    """A session may do what both its role and the policy it was asked for with allow; its tags fill variables."""
    make_role(aws, INSTALLATION)
    tagger = make_user(aws, INSTALLATION, "tagger", allow("sts:AssumeRole", "sts:TagSession"))
    iam = aws.client("iam")
    iam.update_assume_role_policy(
        RoleName="Groundwork",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": INSTALLATION},
                        "Action": ["sts:AssumeRole", "sts:TagSession"],
                        "Condition": {"StringLikeIfExists": {"aws:RequestTag/team": "red*"}},
                    }
                ],
            }
        ),
    )
    own = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "iam:*",
                "Resource": f"arn:aws:iam::{CUSTOMER}:role/${{aws:PrincipalTag/team}}*",
            }
        ],
    }
    iam.put_role_policy(RoleName="Groundwork", PolicyName="own", PolicyDocument=json.dumps(own))
    for name in ("red-1", "blue-1"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(CUSTOMER))
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(aws, key=tagger, Tags=[{"Key": "team", "Value": "blue"}])
    red = key_of(assume(aws, key=tagger, Tags=[{"Key": "team", "Value": "red"}]))
    assert aws.client("iam", **red).get_role(RoleName="red-1")["Role"]
    with pytest.raises(ClientError, match="AccessDenied"):
        aws.client("iam", **red).get_role(RoleName="blue-1")
    with pytest.raises(ClientError, match="AccessDenied"):
        aws.client("iam", **key_of(assume(aws))).get_role(RoleName="red-1")

    looks = assume(aws, key=tagger, Tags=[{"Key": "team", "Value": "red"}], Policy=allow("iam:Get*"))
    assert aws.client("iam", **key_of(looks)).get_role(RoleName="red-1")["Role"]
    with pytest.raises(ClientError, match="no session policy allows the iam:DeleteRole action"):
        aws.client("iam", **key_of(looks)).delete_role(RoleName="red-1")
    with pytest.raises(ClientError, match="MalformedPolicyDocument"):
        assume(aws, Policy="{}")


def test_a_session_of_a_user(aws: AwsWorld) -> None:
    """GetSessionToken's key is the user's, and ends with the key that asked for it."""
    key = make_user(aws, CUSTOMER, "ada", allow("ec2:DescribeVpcs"))
    session = key_of(aws.client("sts", **key).get_session_token())
    assert aws.client("sts", **session).get_caller_identity()["Arn"].endswith(":user/ada")
    assert aws.client("ec2", **session).describe_vpcs()["Vpcs"]
    aws.client("iam").delete_access_key(UserName="ada", AccessKeyId=key["aws_access_key_id"])
    with pytest.raises(ClientError, match="AuthFailure"):
        aws.client("ec2", **session).describe_vpcs()
