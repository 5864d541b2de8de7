"""The AWS world's fixtures, for each folder of tests that wants them: its conftest.py imports them."""

import os
from collections.abc import Iterator

import pytest

from tests.worlds.aws_world import AwsWorld, aws_world

__all__ = ["_one_aws_world", "aws", "become_prefect_worker", "prefect_worker"]


@pytest.fixture(scope="session")
def _one_aws_world() -> Iterator[AwsWorld]:
    with aws_world() as world:
        yield world


@pytest.fixture
def aws(_one_aws_world: AwsWorld) -> Iterator[AwsWorld]:
    """An empty world; the test fails if it was asked for what it cannot answer."""
    _one_aws_world.reset()
    yield _one_aws_world
    assert _one_aws_world.unanswered() == []


@pytest.fixture
def prefect_worker(aws: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> AwsWorld:
    """This process is the Prefect worker: botocore's own chain finds the installation's account, in the world."""
    become_prefect_worker(monkeypatch, aws)
    return aws


def become_prefect_worker(patch: pytest.MonkeyPatch, world: AwsWorld) -> None:
    """Give this process the installation's AWS identity, and nothing else that botocore could find."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_CONFIG_FILE", os.devnull)
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    for name, value in world.environment().items():
        patch.setenv(name, value)
