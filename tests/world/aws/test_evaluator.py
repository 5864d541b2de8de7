"""The evaluator's corners, which no second judge is asked about ("IAM JSON policy elements reference"; OPS-24)."""

from typing import Any

import pytest

from tests.worlds.aws.call import Principal
from tests.worlds.aws.permissions.policies import Decision, Policy, Question, decide

ADA = Principal("arn:aws:iam::222222222222:user/ada", "222222222222", "AIDA1")
ROOT = Principal("arn:aws:iam::222222222222:root", "222222222222", "222222222222")
SESSION = Principal(
    "arn:aws:sts::222222222222:assumed-role/worker/s",
    "222222222222",
    "AROA1:s",
    "arn:aws:iam::222222222222:role/worker",
)
FOREIGN = Principal("arn:aws:iam::333333333333:user/eve", "333333333333", "AIDA2")


def decided(
    statement: dict[str, Any], *, principal: Principal = ADA, version: str = "2012-10-17", **context: Any
) -> Decision:
    """Return what one statement decides about reading the object ``a*b`` of a bucket; keys have __ for a colon."""
    told = {"Effect": "Allow", "Action": "s3:GetObject", **statement}
    keys = {key.replace("__", ":"): values for key, values in context.items()}
    question = Question("s3:GetObject", "arn:aws:s3:::bucket/a*b", keys, principal)
    return decide([Policy.read({"Version": version, "Statement": [told]})], question)


def on(resource: str) -> dict[str, str]:
    """Return the part of a statement that names an object."""
    return {"Resource": f"arn:aws:s3:::bucket/{resource}"}


@pytest.mark.parametrize(
    ("resource", "context", "allowed"),
    [
        ("${aws:username}", {"aws__username": ["a*b"]}, True),
        ("${aws:username}*", {"aws__username": ["a"]}, True),
        ("${aws:username}", {"aws__username": ["*"]}, False),  # what a variable stands for is no wildcard
        ("${aws:username}", {"aws__username": ["a?b"]}, False),
        ("${aws:username}", {}, False),
        ("${aws:username, 'a'}*", {}, True),
        ("${aws:username, 'b'}*", {}, False),
        ("a${*}b", {}, True),
        ("a${?}b", {}, False),
        ("?*b", {}, True),
        ("a[*]b", {}, False),
        ("A*", {}, False),
    ],
)
def test_resources_and_variables(resource: str, context: dict[str, Any], allowed: bool) -> None:
    """A user who calls itself ``*`` must not own every folder (IAM policy elements: Variables and tags)."""
    assert decided(on(resource), **context).is_allowed == allowed


def test_old_policies_have_no_variables() -> None:
    """A policy without the newer version takes ``${...}`` as it stands."""
    statement = on("${aws:username}*")
    assert decided(statement, aws__username=["a"]).is_allowed
    assert not decided(statement, version="2008-10-17", aws__username=["a"]).is_allowed


@pytest.mark.parametrize(
    ("condition", "values", "allowed"),
    [
        ({"StringEquals": {"x:y": ["a", "b"]}}, ["b"], True),
        ({"StringNotEquals": {"x:y": ["a", "b"]}}, ["b"], False),
        ({"StringNotEquals": {"x:y": "a"}}, ["b", "a"], False),
        ({"ForAnyValue:StringNotEquals": {"x:y": "a"}}, ["b", "a"], True),
        ({"ForAnyValue:StringNotEquals": {"x:y": "a"}}, ["a"], False),
        ({"ForAnyValue:StringNotEquals": {"x:y": "a"}}, [], False),
        ({"ForAllValues:StringNotEquals": {"x:y": "a"}}, ["b", "c"], True),
        ({"ForAllValues:StringNotEquals": {"x:y": "a"}}, ["b", "a"], False),
        ({"ForAllValues:StringLike": {"x:y": ["a*", "b*"]}}, ["a1", "b2"], True),
        ({"ForAllValues:StringLike": {"x:y": ["a*", "b*"]}}, ["a1", "c"], False),
        ({"StringNotEqualsIgnoreCase": {"x:y": "A"}}, ["a"], False),
        ({"StringLikeIfExists": {"x:y": "b"}}, [], True),
        ({"Null": {"x:y": True}}, [], True),
        ({"Null": {"x:y": "true"}}, ["a"], False),
        ({"Bool": {"x:y": True}}, ["true"], True),
        ({"Bool": {"x:y": "false"}}, ["true"], False),
        ({"NumericLessThan": {"x:y": 10}}, ["9.5"], True),
        ({"NumericLessThanEquals": {"x:y": "10"}}, ["10"], True),
        ({"NumericGreaterThanEquals": {"x:y": "10"}}, ["9"], False),
        ({"NumericNotEquals": {"x:y": "10"}}, ["10.0"], False),
        ({"NumericEquals": {"x:y": "10"}}, ["ten"], False),
        ({"DateGreaterThanEquals": {"x:y": "2026-01-01"}}, ["2026-01-01T00:00:00Z"], True),
        ({"DateLessThan": {"x:y": "2026-01-01T01:00:00+01:00"}}, ["2025-12-31T23:59:59Z"], True),
        ({"DateEquals": {"x:y": "1767225600"}}, ["2026-01-01T00:00:00Z"], True),
        ({"DateNotEquals": {"x:y": "1767225600"}}, ["2026-01-01T00:00:00Z"], False),
        ({"IpAddress": {"x:y": ["10.0.0.0/8", "2001:db8::/32"]}}, ["2001:db8::1"], True),
        ({"IpAddress": {"x:y": "10.0.0.1"}}, ["10.0.0.1"], True),
        ({"NotIpAddress": {"x:y": "10.0.0.0/8"}}, ["11.0.0.1"], True),
        ({"ArnEquals": {"x:y": "arn:aws:ec2:*:1:vpc/*"}}, ["arn:aws:ec2:us-east-1:1:vpc/v"], True),
        ({"ArnLike": {"x:y": "arn:aws:ec2:*:vpc/*"}}, ["arn:aws:ec2:us-east-1:1:vpc/v"], False),
        ({"ArnNotEquals": {"x:y": "arn:aws:ec2:*:1:vpc/*"}}, ["arn:aws:ec2:us-east-1:2:vpc/v"], True),
        ({"ArnLike": {"x:y": "arn:aws:s3:::b[c]*"}}, ["arn:aws:s3:::b[c]d"], True),
        ({"StringLike": {"x:y": "${aws:username}-*"}}, ["ada-1"], True),
        ({"StringEquals": {"x:y": "${aws:username}"}}, ["ada"], True),
        ({"StringEquals": {"x:y": "${aws:nothing}"}}, ["ada"], False),
    ],
)
def test_conditions(condition: dict[str, Any], values: list[str], allowed: bool) -> None:
    """Each operator, with one value, several and none ("Condition operators", "Multivalued context keys")."""
    context = {"x__y": values} if values else {}
    decision = decided({"Resource": "*", "Condition": condition}, aws__username=["ada"], **context)
    assert decision.is_allowed == allowed


def test_what_a_condition_lacks_is_told() -> None:
    """The simulator's MissingContextValues: the keys of statements about the action, and of no others."""
    condition = {"StringEquals": {"x:Y": "${x:Z}", "aws:username": "ada"}}
    assert decided({"Resource": "*", "Condition": condition}, aws__username=["ada"]).missing == ["x:Y", "x:Z"]
    other = {"Resource": "*", "Action": "s3:PutObject", "Condition": condition}
    assert decided(other).missing == []


ACCOUNT = "222222222222"


@pytest.mark.parametrize(
    ("principals", "principal", "named"),
    [
        ({"Principal": "*"}, FOREIGN, "direct"),
        ({"Principal": {"AWS": "*"}}, ADA, "direct"),
        ({"Principal": {"AWS": ACCOUNT}}, ADA, "account"),
        ({"Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:root"]}}, SESSION, "account"),
        ({"Principal": {"AWS": ACCOUNT}}, ROOT, "direct"),
        ({"Principal": {"AWS": ACCOUNT}}, FOREIGN, ""),
        ({"Principal": {"AWS": [ADA.arn, FOREIGN.arn]}}, ADA, "direct"),
        ({"Principal": {"AWS": ADA.arn}}, ROOT, ""),
        ({"Principal": {"AWS": SESSION.role}}, SESSION, "direct"),
        ({"Principal": {"AWS": SESSION.arn}}, SESSION, "direct"),
        ({"Principal": {"AWS": SESSION.arn + "2"}}, SESSION, ""),
        ({"Principal": {"Service": "ec2.amazonaws.com"}}, ADA, ""),
        ({"NotPrincipal": {"AWS": ADA.arn}}, ADA, ""),
        ({"NotPrincipal": {"AWS": ADA.arn}}, FOREIGN, "direct"),
    ],
)
def test_principals(principals: dict[str, Any], principal: Principal, named: str) -> None:
    """Whether a statement names somebody, or only the account ("AWS JSON policy elements: Principal")."""
    decision = decided({"Resource": "*", **principals}, principal=principal)
    assert (decision.is_allowed, decision.is_direct) == (named != "", named == "direct")


@pytest.mark.parametrize(
    "document",
    [
        "[]",
        "{}",
        '{"Statement": []}',
        '{"Statement": ["x"]}',
        '{"Statement": {"Effect": "Maybe", "Action": "*", "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringIs": {"a": "b"}}}}',
    ],
)
def test_what_is_no_policy(document: str) -> None:
    """A policy that cannot be read must not count as one that denies nothing."""
    with pytest.raises(ValueError, match=r"."):
        Policy.read(document)
