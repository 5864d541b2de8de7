"""Cleaning a region: to zero, in the right order, and nothing of others (CLN-01 to CLN-15)."""

from collections.abc import Iterator

import pytest

from tasks.providers.aws.removal.deleting import Wishes
from tasks.providers.aws.removal.listing import look_twice_over
from tasks.providers.aws.removal.removing import remove
from tests.contract.region_ground import SPEED, Laid, area, world
from tests.worlds.aws_world import AwsWorld

ALL = Wishes(delete_bucket=True)
QUICK = {"pause_s": 0.05, "between_looks_s": 0.05, "limit_s": 60.0}


@pytest.fixture
def quick(prefect_worker: AwsWorld) -> Iterator[AwsWorld]:
    """A world whose clock runs: minutes pass in a second."""
    prefect_worker.speed(SPEED)
    yield prefect_worker
    prefect_worker.speed(1)


def test_a_region_goes_to_zero(quick: AwsWorld) -> None:
    """CLN-03: all that was laid is gone, and nothing else; the key can be saved for as long as was wished."""
    where = area()
    before = world(quick)
    laid = Laid(quick)
    laid.fill()
    assert remove(where, Wishes(delete_bucket=True, key_deletion_days=8), **QUICK) == []
    assert world(quick) == before
    assert look_twice_over(where).things == ()
