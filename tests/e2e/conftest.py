"""One house for all tests of this folder: opening it takes ten seconds or more. Its AWS is the test world."""

from collections.abc import Iterator

import pytest

from tests.worlds.aws_accounts import forget_all
from tests.worlds.aws_fixtures import aws, prefect_worker  # noqa: F401
from tests.worlds.aws_world import AwsWorld, aws_world
from tests.worlds.outward import Outward
from tests.worlds.prefect_server import PrefectServer, living_in, new_house_with_database


@pytest.fixture(scope="session")
def outward(tmp_path_factory: pytest.TempPathFactory) -> Outward:
    """Whom the processes of the house ask on the network."""
    return Outward(tmp_path_factory.mktemp("outward"))


@pytest.fixture(scope="session")
def _one_aws_world() -> Iterator[AwsWorld]:
    """The AWS that the house knows, opened as a person opens it."""
    with aws_world(["make", "--silent", "aws-world"]) as world:
        yield world


@pytest.fixture(scope="session")
def house(outward: Outward, _one_aws_world: AwsWorld) -> Iterator[PrefectServer]:
    """An open house, which this process lives in too."""
    with new_house_with_database(**outward.environment, **_one_aws_world.environment()) as server:
        server.up()
        with living_in(server):
            yield server


@pytest.fixture
def no_accounts(house: PrefectServer, aws: AwsWorld) -> Iterator[AwsWorld]:  # noqa: F811
    """An empty AWS, and no account of it in the house."""
    forget_all()
    yield aws
    forget_all()
