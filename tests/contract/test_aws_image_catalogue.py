"""Which versions of our images an account may launch (OPS-20)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blocks.errors import AccessDenied, NotFound
from tasks.providers.aws import image_catalogue
from tasks.providers.aws.image_catalogue import description_of, name_of
from tasks.providers.aws.session import AwsSession, identity
from tests.world.aws.launches import image, launch
from tests.worlds.aws_sessions import root_of
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

pytestmark = pytest.mark.usefixtures("prefect_worker")

STRANGER = "333333333333"
HERE = "us-east-1"


def build(
    aws: AwsWorld,
    version: str,
    *,
    architecture: str = "x86_64",
    owner: str = INSTALLATION,
    user: str = "ec2-user",
    is_shared: bool = True,
) -> str:
    """Make an image, let it become available, and share it."""
    ec2: Any = aws.client("ec2", owner)
    made: str = ec2.copy_image(
        SourceImageId=image(ec2, architecture),
        SourceRegion=HERE,
        Name=name_of(version, architecture),
        Description=description_of(version, user),
    )["ImageId"]
    aws.advance(3600)
    if is_shared:
        ec2.modify_image_attribute(ImageId=made, LaunchPermission={"Add": [{"UserId": CUSTOMER}]})
    return made


def versions(session: AwsSession, **told: str) -> list[str]:
    return [one.version for one in image_catalogue.newest(session, INSTALLATION, HERE, **told)]


def test_the_three_newest_are_offered(aws: AwsWorld) -> None:
    """OPS-20: by version and not by date, nor letter by letter: old ones are copied later, 10 is more than 9."""
    for version in ("2026.10", "2026.9", "2026.11-trial", "2025.12", "2026.11", "2026.8"):
        build(aws, version)
    assert versions(root_of(CUSTOMER)) == ["2026.11", "2026.11-trial", "2026.10"]
    assert image_catalogue.find(root_of(CUSTOMER), INSTALLATION, HERE, "2026.8").version == "2026.8"
    assert image_catalogue.find(root_of(CUSTOMER), INSTALLATION, HERE, "").version == "2026.11"


def test_an_image_tells_what_nodes_of_it_are(aws: AwsWorld) -> None:
    """OPS-20: an account sees no tags of a shared image; the user and the root disk are known all the same."""
    made = build(aws, "2026.11", user="ubuntu")
    (found,) = image_catalogue.newest(root_of(CUSTOMER), INSTALLATION, HERE)
    assert (found.image_id, found.user, found.root_device) == (made, "ubuntu", "/dev/xvda")
    assert found.name == "groundwork-2026.11-x86_64"
    assert not found.is_encrypted
    assert launch(aws.client("ec2"), ImageId=found.image_id)


def test_by_processor(aws: AwsWorld) -> None:
    """CLU-05: nodes with another processor cannot start from it."""
    build(aws, "2026.10")
    build(aws, "2026.11", architecture="arm64")
    assert versions(root_of(CUSTOMER)) == ["2026.10"]
    assert versions(root_of(CUSTOMER), architecture="arm64") == ["2026.11"]
    with pytest.raises(NotFound, match=r"groundwork-2026\.11-x86_64 .*There are: 2026\.10\."):
        image_catalogue.find(root_of(CUSTOMER), INSTALLATION, HERE, "2026.11")


def test_only_what_may_be_launched_is_offered(aws: AwsWorld) -> None:
    """OPS-20: not shared, not there yet, somebody else's, of another name: each would fail at the launch."""
    build(aws, "2026.11", is_shared=False)
    build(aws, "2026.12", owner=STRANGER)
    build(aws, "nodes")
    aws.speed(0)
    ec2: Any = aws.client("ec2", INSTALLATION)
    asked = {"SourceImageId": image(ec2), "SourceRegion": HERE, "Name": name_of("2026.13", "x86_64")}
    pending = ec2.copy_image(**asked)["ImageId"]
    ec2.modify_image_attribute(ImageId=pending, LaunchPermission={"Add": [{"UserId": CUSTOMER}]})
    assert versions(root_of(CUSTOMER)) == []
    assert versions(identity()) == ["2026.11"]


def test_deprecated_versions_are_not_offered(aws: AwsWorld) -> None:
    """OPS-20: what its owner deprecated is in no list any more; who asks for that version gets it still."""
    ec2: Any = aws.client("ec2", INSTALLATION)
    build(aws, "2026.10")
    ec2.enable_image_deprecation(ImageId=build(aws, "2026.11"), DeprecateAt=datetime.now(UTC) + timedelta(days=30))
    assert versions(root_of(CUSTOMER)) == ["2026.11", "2026.10"]
    aws.advance(timedelta(days=31).total_seconds())
    assert versions(root_of(CUSTOMER)) == ["2026.10"]
    assert image_catalogue.find(root_of(CUSTOMER), INSTALLATION, HERE, "2026.11").version == "2026.11"
    assert image_catalogue.find(root_of(CUSTOMER), INSTALLATION, HERE, "").version == "2026.10"


def test_why_there_is_none(aws: AwsWorld) -> None:
    """OPS-20: an empty list is what people of such tools complain of; here it says what to do."""

    def why(version: str = "") -> str:
        with pytest.raises(NotFound) as error:
            image_catalogue.find(root_of(CUSTOMER), INSTALLATION, HERE, version)
        assert error.value.where == "image_version"
        return error.value.advice

    assert why() == "None was built for this region: run build-image, then share-image."
    build(aws, "2026.11", is_shared=False)
    assert why() == "groundwork-2026.11-x86_64 is there, and not shared with the account: run share-image."
    aws.fault("error", "ec2:DescribeImages", principal=INSTALLATION, code="UnauthorizedOperation", status=403, times=-1)
    assert why() == "Run share-image; if that finds none, run build-image."
    aws.mend()
    build(aws, "2026.10")
    assert why("2026.11") == "There are: 2026.10."


def test_credentials_that_do_not_open_are_no_empty_list(aws: AwsWorld) -> None:
    """OPS-20: "no versions" and "not allowed" are different troubles (products 3.3: one empty list for both)."""
    build(aws, "2026.11")
    aws.fault("error", "ec2:DescribeImages", principal=CUSTOMER, code="UnauthorizedOperation", status=403, times=-1)
    with pytest.raises(AccessDenied, match="images in us-east-1"):
        image_catalogue.newest(root_of(CUSTOMER), INSTALLATION, HERE)


def test_pages(aws: AwsWorld) -> None:
    """OPS-20: the newest may stand on the last page."""
    aws.settings(page_size=1)
    for version in ("1.0", "2.0", "3.0", "4.0"):
        build(aws, version)
    assert versions(root_of(CUSTOMER)) == ["4.0", "3.0", "2.0"]
