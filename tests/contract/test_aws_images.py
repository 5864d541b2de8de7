"""Which regions have an image that the account may launch (ACC-09)."""

import threading
from typing import Any

import pytest

from blocks.aws_account import Finding
from tasks.providers.aws import images
from tests.world.aws.launches import image, launch
from tests.worlds.aws_sessions import root_of
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

pytestmark = pytest.mark.usefixtures("prefect_worker")

STRANGER = "333333333333"


def build(
    aws: AwsWorld, name: str, region: str = "us-east-1", *, owner: str = INSTALLATION, share: bool = False
) -> str:
    """Make an image and let it become available; share it with the customer or not."""
    ec2: Any = aws.client("ec2", owner, region=region)
    made: str = ec2.copy_image(SourceImageId=image(ec2), SourceRegion=region, Name=name)["ImageId"]
    aws.advance(3600)
    if share:
        permission = {"Add": [{"UserId": CUSTOMER}]}
        ec2.modify_image_attribute(ImageId=made, LaunchPermission=permission)
    return made


def told(*regions: str) -> dict[str, Finding]:
    found = images.findings(root_of(CUSTOMER), INSTALLATION, "us-east-1", regions)
    return {one.subject: one for one in found}


def test_a_region_is_good_when_its_image_is_shared(aws: AwsWorld) -> None:
    """ACC-09: red, then green; and then it really can be launched."""
    made = build(aws, "groundwork-1.0-x86_64")
    before = told()["image us-east-1"]
    assert before.state == "bad"
    assert f"groundwork-1.0-x86_64 ({made}) is not shared" in before.text
    aws.client("ec2", INSTALLATION).modify_image_attribute(
        ImageId=made, LaunchPermission={"Add": [{"UserId": CUSTOMER}]}
    )
    after = told()["image us-east-1"]
    assert (after.state, after.text) == ("good", f"groundwork-1.0-x86_64 ({made}) may be launched")
    assert launch(aws.client("ec2"), ImageId=made)


def test_a_region_without_an_image_is_never_good(aws: AwsWorld) -> None:
    """ACC-09: an image is in one region only, whoever may launch it there."""
    build(aws, "groundwork-1.0-x86_64", share=True)
    found = told("us-east-1", "us-west-2", "eu-central-1")
    assert {subject: one.state for subject, one in found.items()} == {
        "image us-east-1": "good",
        "image us-west-2": "bad",
        "image eu-central-1": "bad",
    }
    assert "no image in this region" in found["image us-west-2"].text


def test_a_foreign_image_of_our_name_is_none(aws: AwsWorld) -> None:
    """Anybody may call an image of theirs as ours, and share it: nodes would be started from it."""
    build(aws, "groundwork-2.0-x86_64", owner=STRANGER, share=True)
    build(aws, "another-1.0-x86_64", share=True)
    build(aws, "groundwork-nodes", share=True)
    assert told()["image us-east-1"].state == "bad"


def test_an_image_that_is_being_made_is_none(aws: AwsWorld) -> None:
    """A launch from it is refused."""
    aws.speed(0)
    ec2: Any = aws.client("ec2", INSTALLATION)
    ec2.copy_image(SourceImageId=image(ec2), SourceRegion="us-east-1", Name="groundwork-3.0-x86_64")
    assert "no image in this region" in told()["image us-east-1"].text


def test_the_newest_is_named(aws: AwsWorld) -> None:
    """Clusters are made from the newest one, whenever it was copied there."""
    newest = build(aws, "groundwork-10.0-x86_64", share=True)
    build(aws, "groundwork-9.0-x86_64", share=True)
    assert newest in told()["image us-east-1"].text


@pytest.mark.parametrize("code", ["AuthFailure", "UnauthorizedOperation"])
def test_a_region_that_cannot_be_asked_is_unverified(aws: AwsWorld, code: str) -> None:
    """ACC-18: EC2 answers AuthFailure in a region that the account has not enabled; that is not "no image"."""
    build(aws, "groundwork-1.0-x86_64", share=True)
    aws.fault("error", "ec2:DescribeImages", principal=CUSTOMER, code=code, status=401, times=-1)
    assert told()["image us-east-1"].state == "unverified"


def test_what_is_at_home_may_not_be_seen(aws: AwsWorld) -> None:
    """The Prefect worker's identity may be allowed to assume roles and nothing else."""
    aws.fault("error", "ec2:DescribeImages", principal=INSTALLATION, code="UnauthorizedOperation", status=403, times=-1)
    found = told()["image us-east-1"]
    assert found.state == "bad"
    assert "cannot be seen" in found.text


def test_regions_are_looked_at_side_by_side(aws: AwsWorld) -> None:
    """ACC-09: one region after another would make people wait for each."""
    regions = ["us-east-2", "us-west-1", "us-west-2"]
    session, together = root_of(CUSTOMER), threading.Barrier(4, timeout=20)

    def meet(**_: object) -> None:
        together.wait()

    for region in ["us-east-1", *regions]:
        session.client("ec2", region).meta.events.register("before-call.ec2.DescribeImages", meet)
    found = images.findings(session, INSTALLATION, "us-east-1", regions)
    assert [one.subject for one in found] == [f"image {region}" for region in ["us-east-1", *regions]]
    assert {one.state for one in found} == {"bad"}
