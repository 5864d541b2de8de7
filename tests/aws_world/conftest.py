"""One world for all tests of this folder, new and empty for each."""

from collections.abc import Iterator

import pytest

from tests.worlds.aws_world import AwsWorld, aws_world


@pytest.fixture(scope="session")
def _one_world() -> Iterator[AwsWorld]:
    with aws_world() as world:
        yield world


@pytest.fixture
def aws(_one_world: AwsWorld) -> Iterator[AwsWorld]:
    """An empty world; the test fails if it was asked for what it cannot answer."""
    _one_world.reset()
    yield _one_world
    assert _one_world.unanswered() == []
