"""What the form of create-aws-cluster can be filled in with, as the account tells it; an empty list says why."""

from typing import Any

import pytest

from blocks.aws_account import AwsAccount
from blocks.errors import AccessDenied, BadInput, CredentialsInvalid
from tasks.providers.aws.choices import Choices, Wishes, of_account
from tasks.providers.aws.session import session_of
from tests.contract.plan_ground import connected, planned, share_image
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

pytestmark = pytest.mark.usefixtures("prefect_worker")


@pytest.fixture
def team(aws: AwsWorld) -> AwsAccount:
    """A connected account; no image is shared with it."""
    return connected()


def told(account: AwsAccount, region: str = "us-east-1", family: str = "c5n", **wishes: Any) -> Choices:
    """What is told of one family: the world takes its time for more than a thousand types."""
    return of_account(session_of(account), INSTALLATION, region, Wishes(family=family, **wishes))


def types(choices: Choices) -> dict[str, tuple[str, ...]]:
    return {row[0]: row for row in choices.types}


def test_the_three_newest_versions_are_offered(aws: AwsWorld, team: AwsAccount) -> None:
    """CLU-02, CLU-04."""
    for version in ("2026.8", "2026.9", "2026.10", "2026.11"):
        share_image(aws, version)
    assert [row[0] for row in told(team).versions] == ["2026.11", "2026.10", "2026.9"]


def test_an_empty_list_says_why(aws: AwsWorld, team: AwsAccount) -> None:
    """CLU-04: credentials that fail, and an image that is not shared, are two different answers."""
    assert "None was built for this region: run build-image" in told(team).why_no_versions
    made = share_image(aws)
    stop = {"Remove": [{"UserId": CUSTOMER}]}
    aws.client("ec2", INSTALLATION).modify_image_attribute(ImageId=made, LaunchPermission=stop)
    nothing = told(team)
    assert nothing.versions == ()
    assert "not shared with the account: run share-image" in nothing.why_no_versions
    aws.fault("error", "ec2:DescribeImages", principal=CUSTOMER, code="AuthFailure", status=401, times=-1)
    with pytest.raises(CredentialsInvalid, match="What is there was not seen"):
        told(team)


def test_types_are_filtered_by_what_is_wished(aws: AwsWorld, team: AwsAccount) -> None:
    """CLU-05: by EFA, GPU, zone and processor; and every one that is told can be planned."""
    share_image(aws)
    assert types(told(team, family="c5"))["c5.4xlarge"][1:3] == ("8", "32")
    assert {"c5n.large", "c5n.18xlarge"} <= types(told(team)).keys()
    with_efa = types(told(team, efa=True))
    assert "c5n.18xlarge" in with_efa
    assert "c5n.large" not in with_efa
    assert "g5.xlarge" in types(told(team, family="g5", gpu=True))
    assert types(told(team, gpu=True)) == {}
    assert types(told(team, family="c5", zone="us-east-1e")) == {}
    assert "c5.xlarge" in types(told(team, family="c5", zone="us-east-1a"))
    planned(team, node_count=1, node_type=min(with_efa), efa=True).require_feasible()


def test_types_have_a_processor_that_an_image_runs_on(aws: AwsWorld, team: AwsAccount) -> None:
    """CLU-05: an arm type with nothing but x86 images is not offered."""
    assert "m6g.large" in types(told(team, family="m6g"))
    share_image(aws)
    none = told(team, family="m6g", architecture="arm64")
    assert none.types == ()
    assert "AWS sells no type of m6g with arm64 that our images (x86_64) run on" in none.why_no_types
    share_image(aws, architecture="arm64")
    assert "m6g.large" in types(told(team, family="m6g", architecture="arm64"))


@pytest.mark.parametrize(
    ("field", "region", "zone"),
    [("region", "eu-south-9", ""), ("region", "me-central-1", ""), ("zone", "us-east-1", "us-east-1z")],
)
def test_a_place_that_is_none_is_named(team: AwsAccount, field: str, region: str, zone: str) -> None:
    """CLU-04: with those that there are."""
    with pytest.raises(BadInput) as caught:
        told(team, region, zone=zone)
    assert caught.value.where == field


def test_what_may_not_be_asked_is_not_nothing(aws: AwsWorld, team: AwsAccount) -> None:
    """CLU-04, ACC-18: the missing action is named."""
    code = "UnauthorizedOperation"
    aws.fault("error", "ec2:DescribeInstanceTypes", principal=CUSTOMER, code=code, status=403, times=-1)
    with pytest.raises(AccessDenied, match="DescribeInstanceTypes"):
        told(team)
