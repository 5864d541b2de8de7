"""The policies that an account is asked for: true to AWS's reference, short enough, no wider than they say (ACC-10)."""

import fnmatch
import json
import random
from collections.abc import Iterator
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

from blocks.aws_account import DEFAULT_ROLE, Feature, Variant
from blocks.errors import BadInput
from tasks.providers.aws import policies
from tasks.providers.aws.policies import Need, permission_policies, permission_policy
from tasks.providers.aws.policies.rights import Right, rights_of
from tasks.providers.aws.policies.statements import arn_of, condition_of
from tests.worlds.aws.permissions.policies import Policy, Question, decide

AWS = json.loads((Path(__file__).parent / "aws_actions.json").read_text())
OPTIONAL = [feature for feature in Feature if feature not in (Feature.CLUSTERS, Feature.NETWORKS)]
EVERY = {Variant.AUTOMATED: list(Feature), Variant.RESTRICTED: [Feature.CLUSTERS, *OPTIONAL]}
LONGEST = {
    "account_id": "123456789012",
    "installation": "6b1f0d3e-5a64-4a7c-9b0e-3c1f3a5d7e90",
    "vpc_id": "vpc-0123456789abcdef0",
    "instance_profile": "p" * 128,
}
SHORT = {"vpc_id": "vpc-0123456789abcdef0", "instance_profile": "nodes"}
BARE = {"account_id": "*", "installation": "*", "vpc_id": "*", "instance_profile": "*"}
EVERY_RIGHT = [
    (variant, right) for variant in Variant for feature in EVERY[variant] for right in rights_of(variant, feature)
]


def kinds(right: Right) -> list[str]:
    """AWS's names of the resource types that a right's thing is."""
    service, arn = right.action.partition(":")[0], arn_of(right.thing, BARE)
    known = [name.removesuffix("*") for name in AWS["actions"][right.action] if name]
    return [name for name in known if fnmatch.fnmatchcase(arn, AWS["things"][f"{service}:{name}"])]


def row(right: Right) -> list[str]:
    """The condition keys that AWS knows for a right's action on its thing."""
    told = AWS["actions"][right.action]
    if right.thing == "*":
        return list(told.get("", []))
    name = kinds(right)[0]
    return list(told.get(f"{name}*", told.get(name, [])))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_action_is_one_of_awss_on_things_that_it_knows() -> None:
    """An action spelled wrong, or on a thing that AWS does not judge it by, is a right that is never granted."""
    strange = [right for _, right in EVERY_RIGHT if right.action not in AWS["actions"]]
    assert strange == []
    no_thing = [right for _, right in EVERY_RIGHT if right.thing != "*" and not kinds(right)]
    assert no_thing == []


def test_nothing_is_on_everything_that_could_be_narrower() -> None:
    """SEC-12: a star only where AWS knows no things for the action."""
    wide = [right.action for _, right in EVERY_RIGHT if right.thing == "*" and "" not in AWS["actions"][right.action]]
    assert wide == []


def test_all_that_aws_asks_for_an_action_is_given() -> None:
    """A launch without a right on subnets is refused, whatever else is allowed."""
    for variant in Variant:
        given: dict[str, set[str]] = {}
        for of, right in EVERY_RIGHT:
            if of is variant:
                given.setdefault(right.action, set()).update(kinds(right))
        for action, found in given.items():
            asked = {name.removesuffix("*") for name in AWS["actions"][action] if name.endswith("*")}
            assert asked <= found, (variant, action)


def test_every_condition_is_one_that_aws_tells_for_the_action() -> None:
    """A condition on a key that the request never has is never true."""
    for _, right in EVERY_RIGHT:
        keys = {key.partition("/")[0] for told in condition_of(right.when, BARE).values() for key in told}
        assert keys - {"aws:ViaAWSService"} <= set(row(right)), right


LOOKS = ("Describe", "Get", "List", "Simulate", "Decode", "Search", "Filter")
UNBOUND = {
    ("ec2:RunInstances", "image"),
    ("ec2:RunInstances", "key-pair"),
    ("ec2:RunInstances", "placement-group"),
    ("ec2:RunInstances", "security-group"),
    ("ec2:RunInstances", "snapshot"),
    ("ec2:RunInstances", "subnet"),
    ("ec2:CreateSecurityGroup", "vpc"),
    ("ec2:AuthorizeSecurityGroupEgress", "security-group-rule"),
    ("ec2:AuthorizeSecurityGroupIngress", "security-group-rule"),
}
"""What nodes are launched from and into, maybe the user's; a group in the user's network; rules of our groups."""


def test_what_changes_anything_is_bound_to_our_tag_or_our_names() -> None:
    """SEC-12: no foreign thing can be changed or deleted, and nothing made without our tag."""
    loose = {
        (right.action, right.thing)
        for _, right in EVERY_RIGHT
        if not right.when
        and not right.action.partition(":")[2].startswith(LOOKS)
        and "groundwork" not in arn_of(right.thing, BARE)
    }
    platform = {
        pair
        for pair in loose
        if pair[0].partition(":")[0] in ("cloudformation", "codepipeline", "servicecatalog", "sagemaker")
    }
    assert loose - platform == UNBOUND
    assert {action for action, _ in platform} == {
        "cloudformation:CreateStack",
        "cloudformation:DeleteStack",
        "cloudformation:UpdateStack",
        "codepipeline:PutApprovalResult",
        "codepipeline:StartPipelineExecution",
        "sagemaker:CreatePresignedDomainUrl",
        "sagemaker:DisableSagemakerServicecatalogPortfolio",
        "sagemaker:EnableSagemakerServicecatalogPortfolio",
        "servicecatalog:ProvisionProduct",
    }
    assert all("product" in thing or "p" in thing or thing == "*" for _, thing in platform)


def test_roles_are_passed_only_by_our_names_and_to_one_service() -> None:
    """SEC-12: who may pass any role may do whatever any role may; who may change the role it is, too."""
    passed = {
        (variant, arn_of(right.thing, {**BARE, **SHORT}), right.when)
        for variant, right in EVERY_RIGHT
        if right.action == "iam:PassRole"
    }
    platform = "arn:*:iam::*:role/groundwork-platform*"
    assert passed == {
        (Variant.AUTOMATED, "arn:*:iam::*:role/groundwork-node*", ("for nodes",)),
        (Variant.RESTRICTED, "arn:*:iam::*:role/nodes", ("for nodes",)),
        (Variant.AUTOMATED, platform, ("for stacks",)),
        (Variant.RESTRICTED, platform, ("for stacks",)),
    }
    changed = {right.thing for _, right in EVERY_RIGHT if right.action.startswith("iam:") and "Role" in right.action}
    own = f"arn:aws:iam::123456789012:role/{DEFAULT_ROLE}"
    assert not any(fnmatch.fnmatchcase(own, arn_of(thing, {**BARE, **SHORT})) for thing in changed)


def test_a_statement_gives_no_more_than_its_rights() -> None:
    """Actions and things that stand together in a statement are multiplied by IAM."""
    for variant in Variant:
        bounds = SHORT if variant is Variant.RESTRICTED else {}
        given = {
            (
                right.action,
                arn_of(right.thing, {**BARE, **bounds}),
                json.dumps(condition_of(right.when, {**BARE, **bounds}), sort_keys=True),
            )
            for of, right in EVERY_RIGHT
            if of is variant
        }
        documents = [
            permission_policy(variant, EVERY[variant], **bounds),
            *permission_policies(variant, EVERY[variant], **bounds).values(),
        ]
        for statement in chain.from_iterable(document["Statement"] for document in documents):
            if "ec2:CreateAction" in json.dumps(statement):
                continue
            condition = json.dumps(statement.get("Condition", {}), sort_keys=True)
            pairs = {
                (action, thing, condition)
                for action in as_list(statement["Action"])
                for thing in as_list(statement["Resource"])
            }
            real = {pair for pair in pairs if any((pair[0], pair[1]) == known[:2] for known in given)}
            assert real <= given, statement
            assert {pair[0] for pair in real} == set(as_list(statement["Action"]))


def test_no_right_stands_beside_a_wider_name_of_its_things() -> None:
    """SEC-12: whoever may read any bucket may delete only ours, also where all features are in one document."""
    for variant in Variant:
        bounds = {**BARE, **(SHORT if variant is Variant.RESTRICTED else {})}
        given: dict[str, set[str]] = {}
        for of, right in EVERY_RIGHT:
            if of is variant:
                given.setdefault(right.action, set()).add(arn_of(right.thing, bounds))
        document = permission_policy(variant, EVERY[variant], **(SHORT if variant is Variant.RESTRICTED else {}))
        wider = [
            (action, arn)
            for statement in document["Statement"]
            if "ec2:CreateAction" not in json.dumps(statement)
            for action in as_list(statement["Action"])
            for arn in as_list(statement["Resource"])
            if arn not in given[action]
            and any(fnmatch.fnmatchcase(own, arn) and own != f"{arn}/*" for own in given[action])
        ]
        assert wider == []


def choices(variant: Variant) -> Iterator[list[Feature]]:
    sets = chain.from_iterable(combinations(OPTIONAL, number) for number in range(len(OPTIONAL) + 1))
    for chosen in sets:
        yield [Feature.CLUSTERS, *([Feature.NETWORKS] if variant is Variant.AUTOMATED else []), *chosen]


@pytest.mark.parametrize("variant", Variant)
def test_every_choice_of_features_fits_into_iam(variant: Variant) -> None:
    """ACC-10: IAM refuses a policy that is too long, in the middle of onboarding; with the longest names too."""
    for features in choices(variant):
        blocks = permission_policies(variant, features, **LONGEST)
        assert list(blocks) == [feature for feature in Feature if feature in features]
        assert max(len(policies.text_of(block)) for block in blocks.values()) <= policies.MOST_MANAGED
        assert len(blocks) <= 10
        short = {**LONGEST, "installation": "*"}
        if Feature.SAGEMAKER not in features:
            assert len(policies.text_of(permission_policy(variant, features, **short))) <= policies.MOST_INLINE


def test_a_policy_is_the_same_letter_by_letter() -> None:
    """Whoever compares what is in IAM with what should be sees a difference only where there is one."""
    shuffled = random.Random(7).sample(list(Feature), len(Feature))
    assert policies.text_of(permission_policy(Variant.AUTOMATED, shuffled)) == policies.text_of(
        permission_policy(Variant.AUTOMATED, list(Feature))
    )


def test_every_statement_has_a_name_of_its_own() -> None:
    """IAM refuses a document with a Sid twice, or with other signs in it than letters and digits."""
    for variant in Variant:
        document = permission_policy(variant, EVERY[variant], **SHORT)
        sids = [statement["Sid"] for statement in document["Statement"]]
        assert len(set(sids)) == len(sids)
        assert all(sid.isalnum() for sid in sids)


def asked(need: Need, **changed: str) -> Question:
    context = {key.lower(): [value] for key, value in {**need.context, **changed}.items()}
    return Question(need.action, need.resources[0], context)


def all_needs(variant: Variant) -> list[Need]:
    bounds = {**LONGEST, "instance_profile": "nodes"}
    return policies.needs(variant, EVERY[variant], **bounds)


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("is_split", [False, True])
def test_every_need_is_granted_by_its_policy(variant: Variant, is_split: bool) -> None:
    """ACC-07: else the self-test of an account with our own policies would find something missing."""
    bounds = {**LONGEST, "instance_profile": "nodes"}
    documents = permission_policies(variant, EVERY[variant], **bounds)
    whole = Policy.read(permission_policy(variant, EVERY[variant], **bounds))
    for need in all_needs(variant):
        policy = Policy.read(documents[need.feature]) if is_split else whole
        assert decide([policy], asked(need)).is_allowed, need


@pytest.mark.parametrize("variant", Variant)
def test_no_need_is_granted_without_its_conditions(variant: Variant) -> None:
    """SEC-12: a condition that is left out of a statement, or never asked, protects nothing."""
    whole = Policy.read(permission_policy(variant, EVERY[variant], **{**LONGEST, "instance_profile": "nodes"}))
    bound = [need for need in all_needs(variant) if need.context]
    assert len(bound) > 30
    for need in bound:
        others = dict.fromkeys(need.context, "another")
        if "ec2:InstanceProfile" in others:
            others["ec2:InstanceProfile"] = "arn:aws:iam::123456789012:instance-profile/another"
        assert not decide([whole], asked(need, **others)).is_allowed, need


def test_every_right_is_asked_but_the_right_to_ask() -> None:
    """ACC-07: what is not asked is missed only when work has begun."""
    for variant in Variant:
        told = {(need.feature, need.action) for need in all_needs(variant)}
        given = {(right.feature, right.action) for of, right in EVERY_RIGHT if of is variant}
        assert given - told == {(Feature.CLUSTERS, "iam:SimulatePrincipalPolicy")}
        assert told <= given


def test_examples_are_no_patterns() -> None:
    """The simulator compares an ARN as it is given: a star in it is a star."""
    arns = [arn for variant in Variant for need in all_needs(variant) for arn in need.resources if arn != "*"]
    assert [arn for arn in arns if "*" in arn or "{" in arn or arn.count(":") < 5] == []
    china = policies.needs(Variant.AUTOMATED, [], account_id="123456789012", region="cn-north-1")
    assert {need.resources[0].split(":")[1] for need in china if need.resources[0] != "*"} == {"aws-cn"}


def test_the_trust_names_our_account_and_one_external_id_or_two() -> None:
    """ACC-01, ACC-16: a role without the condition lets in whoever can make us ask; two ids are for rotation."""
    (one,) = policies.trust_policy("111111111111", ["groundwork-a"])["Statement"]
    assert one["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}
    assert one["Condition"] == {"StringEquals": {"sts:ExternalId": "groundwork-a"}}
    (two,) = policies.trust_policy("111111111111", ["groundwork-a", "groundwork-b"])["Statement"]
    assert two["Condition"] == {"StringEquals": {"sts:ExternalId": ["groundwork-a", "groundwork-b"]}}


@pytest.mark.parametrize("missing", ["vpc_id", "instance_profile"])
def test_the_restricted_variant_wants_the_users_network(missing: str) -> None:
    """A restricted policy with a star in its place would be no restriction."""
    with pytest.raises(BadInput, match=missing):
        permission_policies(Variant.RESTRICTED, [], **{**SHORT, missing: ""})
    with pytest.raises(BadInput, match="networks"):
        permission_policies(Variant.RESTRICTED, [Feature.NETWORKS], **SHORT)


OWN = "6b1f0d3e-5a64-4a7c-9b0e-3c1f3a5d7e90"
OTHER = "6b1f0d3e-5a64-4a7c-9b0e-3c1f3a5d7e91"
SSM = "arn:aws:ssm:us-east-1:222222222222:parameter/groundwork"
LOGS = "arn:aws:logs:us-east-1:222222222222:log-group:/groundwork"


@pytest.mark.parametrize(
    ("action", "resource", "context", "is_allowed"),
    [
        ("s3:GetObject", f"arn:aws:s3:::groundwork-x/clusters/{OWN}/a", {}, True),
        ("s3:PutObject", f"arn:aws:s3:::groundwork-x/clusters/{OTHER}/a", {}, False),
        ("s3:GetObject", f"arn:aws:s3:::groundwork-x/clusters/{OWN}x/a", {}, False),
        ("s3:GetObject", f"arn:aws:s3:::another/clusters/{OWN}/a", {}, False),
        ("s3:ListBucket", "arn:aws:s3:::groundwork-x", {"s3:prefix": [f"clusters/{OWN}/"]}, True),
        ("s3:ListBucket", "arn:aws:s3:::groundwork-x", {"s3:prefix": [f"clusters/{OTHER}/"]}, False),
        ("s3:ListBucket", "arn:aws:s3:::groundwork-x", {}, False),
        ("s3:DeleteBucket", "arn:aws:s3:::groundwork-x", {}, False),
        ("ssm:GetParameter", f"{SSM}/{OWN}/ssh-key", {}, True),
        ("ssm:GetParametersByPath", f"{SSM}/{OWN}", {}, True),
        ("ssm:GetParameter", f"{SSM}/{OTHER}/ssh-key", {}, False),
        ("ssm:GetParameter", f"{SSM}/{OWN}x/ssh-key", {}, False),
        ("ssm:PutParameter", f"{SSM}/{OWN}/ssh-key", {}, False),
        ("logs:PutLogEvents", f"{LOGS}/{OWN}:log-stream:head", {}, True),
        ("logs:PutLogEvents", f"{LOGS}/{OTHER}:log-stream:head", {}, False),
        (
            "kms:Decrypt",
            "arn:aws:kms:us-east-1:222222222222:key/k",
            {"kms:viaservice": ["ssm.us-east-1.amazonaws.com"]},
            True,
        ),
        ("kms:Decrypt", "arn:aws:kms:us-east-1:222222222222:key/k", {}, False),
        ("ec2:TerminateInstances", "arn:aws:ec2:us-east-1:222222222222:instance/i-0", {}, False),
    ],
)
def test_nodes_may_touch_their_own_clusters_things_only(
    action: str, resource: str, context: dict[str, list[str]], is_allowed: bool
) -> None:
    """SEC-11: a job on one cluster reads no other cluster's keys and files."""
    document = policies.node_policy(
        bucket="groundwork-x", prefix=f"clusters/{OWN}", cluster=OWN, key_arn="arn:aws:kms:us-east-1:222222222222:key/k"
    )
    assert decide([Policy.read(document)], Question(action, resource, context)).is_allowed is is_allowed
