"""One house for all tests of this folder: opening it takes ten seconds or more."""

from collections.abc import Iterator

import pytest

from tests.worlds.outward import Outward
from tests.worlds.prefect_server import PrefectServer, living_in, new_house


@pytest.fixture(scope="session")
def outward(tmp_path_factory: pytest.TempPathFactory) -> Outward:
    """Whom the processes of the house ask on the network."""
    return Outward(tmp_path_factory.mktemp("outward"))


@pytest.fixture(scope="session")
def house(outward: Outward) -> Iterator[PrefectServer]:
    """An open house, which this process lives in too."""
    with new_house(**outward.environment) as server:
        server.up()
        with living_in(server):
            yield server
