"""The drill in short: a few points that a seed draws, one storm; and the drill itself sees what is left or doubled."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.drill.lane import SETTLED_S, Lane, lane_in
from tests.drill.lives import REGION, Life
from tests.drill.points import disturbed, plans, undisturbed
from tests.drill.snapshot import difference, seen
from tests.drill.storms import STORMS, weathered
from tests.worlds.aws_world import AwsWorld
from tests.worlds.prefect_server import PrefectServer

SEED, LIVES = 11, 1


@pytest.fixture
def lane(house: PrefectServer, no_accounts: AwsWorld) -> Iterator[Lane]:
    with lane_in(house, no_accounts) as opened:
        yield opened


def test_a_region_is_made_and_cleaned_whatever_dies(lane: Lane) -> None:
    """CLU-11, CLU-12, OPS-07, ACC-17: killed at some calls, and with sessions ended in the middle of the cleaning."""
    life = Life("region", REGION.acts, ready=REGION.ready)
    known = undisturbed(lane, life)
    assert len(known[0].points) > 40, "a region takes that many calls"
    writes = [plan for plan in plans(known) if plan[0] and "Create" in plan[0].operation]
    found = [
        result for plan in random.Random(SEED).sample(writes, LIVES) for result in disturbed(lane, life, known, plan)
    ]
    storm = next(storm for storm in STORMS if storm.act == "cleanup" and storm.at)
    found.append(weathered(lane, storm, known))
    assert [str(result) for result in found if not result.is_good] == []
    assert len([result for result in found if result.reached]) > LIVES


def test_what_is_doubled_or_missing_is_seen(aws: AwsWorld) -> None:
    """Two worlds of the same things are the same; one thing more, less or other is told."""

    def worlds() -> Iterator[Counter[str]]:
        for cidr in ("10.0.1.0/24", "10.0.1.0/24", "10.0.2.0/24"):
            aws.reset()
            ec2 = aws.client("ec2")
            vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
            ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone="us-east-1a")
            aws.client("s3").create_bucket(Bucket="groundwork-x")
            aws.advance(SETTLED_S)
            yield seen(aws)
        ec2.create_security_group(GroupName="one-more", Description="-", VpcId=vpc)
        yield seen(aws)

    first, same, other, more = worlds()
    assert first == same
    missing, left = difference(first, other)
    assert [len(missing), len(left)] == [1, 1]
    missing, left = difference(other, more)
    assert [len(missing), len(left)] == [0, 1]
    assert "one-more" in left[0]
