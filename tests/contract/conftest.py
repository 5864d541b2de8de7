"""The worlds that this folder's tests stand in; one starts when a test first asks for it."""

import pytest

from blocks.aws_account import AwsAccount
from tests.contract.plan_ground import connected, share_image
from tests.worlds.aws_clusters_fixtures import _place, place  # noqa: F401
from tests.worlds.aws_fixtures import _one_aws_world, aws, prefect_worker  # noqa: F401
from tests.worlds.aws_world import AwsWorld


@pytest.fixture
def team(aws: AwsWorld) -> AwsAccount:  # noqa: F811
    """A connected account with an image."""
    account = connected()
    share_image(aws)
    return account
