"""One laid region for all tests of a file: each test builds clusters of its own in it, and what it leaves is ended."""

from collections.abc import Iterator

import botocore.endpoint
import pytest

from tasks.providers.aws import waiting
from tests.worlds.aws_clusters import Place, PushedClock, make_place
from tests.worlds.aws_fixtures import become_prefect_worker
from tests.worlds.aws_world import AwsWorld

__all__ = ["_place", "place", "pushed_clock"]


def pushed_clock(patch: pytest.MonkeyPatch, aws: AwsWorld) -> PushedClock:
    """Let whoever waits for AWS in this process push the world's clock on instead."""
    clock = PushedClock(aws)
    patch.setattr(waiting, "time", clock)
    patch.setattr(botocore.endpoint, "time", clock)
    return clock


@pytest.fixture(scope="module")
def _place(_one_aws_world: AwsWorld) -> Iterator[Place]:
    _one_aws_world.reset()
    with pytest.MonkeyPatch.context() as patch:
        become_prefect_worker(patch, _one_aws_world)
        yield make_place(_one_aws_world, pushed_clock(patch, _one_aws_world))
    assert _one_aws_world.unanswered() == []


@pytest.fixture
def place(_place: Place) -> Iterator[Place]:
    """The customer's account with a laid region; nobody waits for its clock."""
    yield _place
    _place.tidy()
