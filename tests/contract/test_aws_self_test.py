"""What an account does not allow is named, action by action, before anybody needs it."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.aws_account import AwsAccount, Feature, Finding, Variant
from tasks.providers.aws import policies, self_test
from tasks.providers.aws.session import session_of
from tests.worlds.aws.keys import root_key
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

pytestmark = pytest.mark.usefixtures("prefect_worker")

EXTERNAL_ID = "groundwork-0f5c1d5e2b9a4c7d"
ROLE = "groundwork-access"
ASKING = "iam:SimulatePrincipalPolicy"
VPC, PROFILE = "vpc-0a1b2c3d4e5f60718", "nodes"


def account(variant: Variant, features: Iterable[Feature], **told: Any) -> AwsAccount:
    restricted = {"vpc_id": VPC, "instance_profile": PROFILE} if variant is Variant.RESTRICTED else {}
    way_in = {"role_arn": f"arn:aws:iam::{CUSTOMER}:role/{ROLE}", "external_id": EXTERNAL_ID}
    return AwsAccount(variant=variant, features=list(features), account_id=CUSTOMER, **{**way_in, **restricted, **told})


def documents(of: AwsAccount) -> dict[Feature, policies.Policy]:
    return policies.permission_policies(of.variant, of.features, vpc_id=of.vpc_id, instance_profile=of.instance_profile)


def without(document: policies.Policy, actions: set[str]) -> policies.Policy:
    """A policy without some actions."""
    kept = []
    for statement in document["Statement"]:
        asked = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        left = [action for action in asked if action not in actions]
        kept += [{**statement, "Action": left}] if left else []
    return {**document, "Statement": kept}


class Role:
    """The role of an account, whose policies change from one question to the next."""

    def __init__(self, aws: AwsWorld, of: AwsAccount) -> None:
        self.iam, self.account = aws.client("iam"), of
        trust = policies.text_of(policies.trust_policy(INSTALLATION, [EXTERNAL_ID]))
        self.iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust)
        self.session = session_of(of)
        self.arns: dict[Feature, str] = {}
        for feature, document in documents(of).items():
            made = self.iam.create_policy(PolicyName=f"{ROLE}-{feature}", PolicyDocument=policies.text_of(document))
            self.arns[feature] = made["Policy"]["Arn"]
            self.iam.attach_role_policy(RoleName=ROLE, PolicyArn=self.arns[feature])

    def ask_without(self, actions: set[str]) -> list[Finding]:
        """Ask the self-test while some actions are taken out of the policies."""
        changed = []
        for feature, document in documents(self.account).items():
            less = without(document, actions)
            if less != document:
                arn, text = self.arns[feature], policies.text_of(less)
                if less["Statement"]:
                    version = self.iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
                    changed.append((arn, version["PolicyVersion"]["VersionId"]))
                else:
                    self.iam.detach_role_policy(RoleName=ROLE, PolicyArn=arn)
                    changed.append((arn, ""))
        found = self_test.missing(self.session, self.account)
        for arn, version in changed:
            if version:
                self.iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
                self.iam.delete_policy_version(PolicyArn=arn, VersionId=version)
            else:
                self.iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)
        return found


def named(found: list[Finding]) -> set[tuple[str, str]]:
    """The features and actions that findings name as lacking."""
    return {(one.subject, one.text.split()[0]) for one in found if one.state == "bad"}


EVERY = {
    Variant.AUTOMATED: list(Feature),
    Variant.RESTRICTED: [feature for feature in Feature if feature is not Feature.NETWORKS],
}


@pytest.mark.parametrize("variant", Variant)
def test_an_account_with_our_policies_lacks_nothing(aws: AwsWorld, variant: Variant) -> None:
    """ACC-07: else every account would look broken, and nobody would read on."""
    found = Role(aws, account(variant, EVERY[variant])).ask_without(set())
    assert [one.state for one in found] == ["good"] * len(EVERY[variant])
    assert [one.subject for one in found] == [feature.value for feature in EVERY[variant]]


def require_named(aws: AwsWorld, variant: Variant, rounds: int = 0) -> None:
    """Take actions out of the policies, each once, in so many rounds (0: each alone): just these are named."""
    role = Role(aws, account(variant, EVERY[variant]))
    bounds = {"vpc_id": VPC, "instance_profile": PROFILE} if variant is Variant.RESTRICTED else {}
    needs = policies.needs(variant, EVERY[variant], **bounds)
    actions = sorted({need.action for need in needs})
    assert len(actions) > 90
    for number in range(rounds or len(actions)):
        taken = set(actions[number :: rounds or len(actions)])
        expected = {(need.feature.value, need.action) for need in needs if need.action in taken}
        assert named(role.ask_without(taken)) == expected


@pytest.mark.parametrize("variant", Variant)
def test_each_action_that_lacks_is_named_with_its_features(aws: AwsWorld, variant: Variant) -> None:
    """ACC-07: all of them, some at a time: what is named is exactly what was taken out."""
    require_named(aws, variant, rounds=10)


@pytest.mark.drill
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("variant", Variant)
def test_each_action_that_lacks_alone_is_named(aws: AwsWorld, variant: Variant) -> None:
    """ACC-07: the same, one at a time: no action's name depends on another one that lacks too."""
    require_named(aws, variant)


def one_feature(aws: AwsWorld, **told: Any) -> Role:
    return Role(aws, account(Variant.RESTRICTED, [Feature.CLUSTERS, Feature.RESIZE], **told))


def test_what_lacks_is_told_with_its_price(aws: AwsWorld) -> None:
    """ACC-07: people decide by what they lose, not by an action's name."""
    found = one_feature(aws).ask_without({"ec2:ModifyInstanceAttribute"})
    [bad] = [one for one in found if one.state == "bad"]
    assert bad.subject == "resize"
    assert bad.text == (
        "ec2:ModifyInstanceAttribute is not allowed on instance (no policy allows it). "
        f"Without it: {Feature.RESIZE.price}."
    )


def test_a_right_on_the_wrong_network_is_none(aws: AwsWorld) -> None:
    """ACC-07: a policy pasted for another VPC names the action, and nothing else lacks."""
    role = one_feature(aws)
    moved = role.account.model_copy(update={"vpc_id": "vpc-0ffffffffffffffff"})
    found = self_test.missing(role.session, moved)
    assert named(found) == {("clusters", "ec2:RunInstances")}
    assert "network-interface, security-group, subnet" in next(one.text for one in found if one.state == "bad")


def test_who_is_allowed_everything_lacks_nothing(aws: AwsWorld) -> None:
    """A policy of the user's own may be wider than ours."""
    role = one_feature(aws)
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    role.iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=json.dumps(document))
    assert named(role.ask_without({"ec2:RunInstances", "ec2:ModifyInstanceAttribute"})) == set()


def test_an_organisation_that_denies_is_told(aws: AwsWorld) -> None:
    """ACC-07: pasting the policy again would not help."""
    role = one_feature(aws)
    aws.settings(scp_denied=["ec2:TerminateInstances"])
    [bad] = [one for one in role.ask_without(set()) if one.state == "bad"]
    assert bad.text.startswith("ec2:TerminateInstances is not allowed on instance (an organisation's policy)")


def test_a_question_that_an_organisation_forbids_is_unverified(aws: AwsWorld) -> None:
    """ACC-08: not bad, for nothing is known to be bad; onboarding goes on."""
    role = one_feature(aws)
    aws.settings(scp_denied=[ASKING])
    [found] = role.ask_without(set())
    assert (found.subject, found.state) == ("clusters", "unverified")
    assert "explicit deny" in found.text
    assert ASKING in found.text
    assert len(aws.calls("iam:SimulatePrincipalPolicy")) == 1


def test_a_role_that_may_not_ask_about_itself_is_unverified(aws: AwsWorld) -> None:
    """ACC-08: and what to allow is named."""
    [found] = one_feature(aws).ask_without({ASKING})
    assert found.state == "unverified"
    assert f"Allow {ASKING}" in found.text


def keys_of(access_key: str, secret: str) -> AwsCredentials:
    return AwsCredentials(aws_access_key_id=access_key, aws_secret_access_key=SecretStr(secret))


def test_a_users_keys_are_asked_about_the_user(aws: AwsWorld) -> None:
    """ACC-02, ACC-07: the second way in; a user has managed policies, as inline ones may have 2048 letters only."""
    iam = aws.client("iam")
    iam.create_user(UserName="groundwork-somebody")
    key = iam.create_access_key(UserName="groundwork-somebody")["AccessKey"]
    keys = keys_of(key["AccessKeyId"], key["SecretAccessKey"])
    of = account(Variant.AUTOMATED, EVERY[Variant.AUTOMATED], role_arn="", external_id="", access_keys=keys)
    for feature, document in documents(of).items():
        made = iam.create_policy(
            PolicyName=f"groundwork-{feature}",
            PolicyDocument=policies.text_of(without(document, {"ec2:StopInstances"})),
        )
        iam.attach_user_policy(UserName="groundwork-somebody", PolicyArn=made["Policy"]["Arn"])
    assert named(self_test.missing(session_of(of), of)) == {("clusters", "ec2:StopInstances")}


def test_a_root_users_keys_cannot_be_asked_about(aws: AwsWorld) -> None:
    """IAM answers InvalidInput, which would look like a fault of ours."""
    root = root_key(CUSTOMER)
    of = account(Variant.AUTOMATED, [], role_arn="", external_id="", access_keys=keys_of(root.access_key, root.secret))
    [found] = self_test.missing(session_of(of), of)
    assert found.state == "unverified"
    assert "root user" in found.text
