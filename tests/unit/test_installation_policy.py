"""The policy of Groundwork's own identity: true to AWS's reference, short, no wider than it says (ACC-10)."""

import json

from tasks.providers.aws import policies
from tasks.providers.aws.policies.installation_policy import installation_policy, installation_rights
from tests.unit.test_aws_policies import AWS, kinds, row
from tests.worlds.aws.permissions.policies import Policy, Question, decide

OWN = "arn:aws:ec2:us-east-1:111111111111"
TAG = f"aws:resourcetag/{policies.TAG}"


def test_it_speaks_of_actions_and_things_that_aws_knows() -> None:
    """SEC-12: a right on what AWS does not judge an action by is never granted; a star only where it knows none."""
    for right in installation_rights():
        assert right.action in AWS["actions"]
        assert right.thing == "*" or kinds(right), right
        assert right.thing != "*" or "" in AWS["actions"][right.action], right
        if right.when and not right.when[0].startswith("born"):
            assert row(right), right


def test_all_that_aws_asks_for_an_action_is_given() -> None:
    """OPS-06: an image is made of an instance, with snapshots: a right on one of the three alone is none."""
    given: dict[str, set[str]] = {}
    for right in installation_rights():
        given.setdefault(right.action, set()).update(kinds(right))
    for action, found in given.items():
        assert {name.removesuffix("*") for name in AWS["actions"][action] if name.endswith("*")} <= found, action


def test_it_fits_into_an_inline_policy_of_a_user() -> None:
    """ACC-10: 2048 letters (IAM User Guide, "IAM and AWS STS quotas"), so that one command can put it there."""
    assert len(policies.text_of(installation_policy("0123456789ab"))) <= 2048


def test_nothing_that_is_not_ours_is_changed() -> None:
    """SEC-12: nodes and images that others have in our own account are as safe as if we were not there."""
    policy = [Policy.read(json.loads(policies.text_of(installation_policy("ours"))))]
    things = {
        "ec2:TerminateInstances": f"{OWN}:instance/i-0",
        "ec2:StopInstances": f"{OWN}:instance/i-0",
        "ec2:CreateImage": f"{OWN}:instance/i-0",
        "ec2:ModifyImageAttribute": "arn:aws:ec2:us-east-1::image/ami-0",
    }
    for action, thing in things.items():
        asked = {tag: decide(policy, Question(action, thing, {TAG: [tag]})).is_allowed for tag in ("ours", "theirs")}
        assert asked == {"ours": True, "theirs": False}, action
        assert not decide(policy, Question(action, thing, {})).is_allowed, action
    assert not decide(policy, Question("ec2:CreateTags", f"{OWN}:instance/i-0", {})).is_allowed
    assert not decide(policy, Question("ec2:RunInstances", f"{OWN}:instance/*", {})).is_allowed
