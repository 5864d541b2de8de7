"""Calls that hang until they are let go, and calls that take as long as AWS's: what drills and benches stand on."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.worlds.aws.keys import root_key
from tests.worlds.aws.latencies import LATENCY_S, OF_A_READ_S, SPREAD
from tests.worlds.aws_world import CUSTOMER, AwsWorld


@pytest.fixture
def ec2(aws: AwsWorld) -> Any:
    """A client that asks once and does not repeat."""
    key = root_key(CUSTOMER)
    told = {"aws_access_key_id": key.access_key, "aws_secret_access_key": key.secret}
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client("ec2", region_name="us-east-1", endpoint_url=aws.url, config=config, **told)


def vpcs(ec2: Any) -> int:
    return len([vpc for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["CidrBlock"] == "10.7.0.0/16"])


@pytest.mark.parametrize("applied", [False, True])
def test_a_call_hangs_until_it_is_let_go(aws: AwsWorld, ec2: Any, applied: bool) -> None:
    """CLU-11: whoever is killed while it hangs has not seen the reply; what was asked is done, or is not."""
    aws.fault("hang", "ec2:CreateVpc", nth=2, applied=applied)
    ec2.create_vpc(CidrBlock="10.7.0.0/16")
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(ec2.create_vpc, CidrBlock="10.7.0.0/16")
        assert aws.wait_hung(20)
        assert vpcs(ec2) == (2 if applied else 1), "others are answered meanwhile"
        assert not hanging.done()
        aws.let_go()
        with pytest.raises(ConnectionClosedError):
            hanging.result(20)
    assert not aws.wait_hung(0.01)
    assert vpcs(ec2) == (2 if applied else 1)


def test_a_hanging_call_may_go_on(aws: AwsWorld, ec2: Any) -> None:
    """ACC-17: something happens in the middle of an act, and the act goes on."""
    aws.fault("hang", "ec2:*")
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(ec2.create_vpc, CidrBlock="10.7.0.0/16")
        assert aws.wait_hung(20)
        aws.let_go(answers=True)
        assert hanging.result(20)["Vpc"]["CidrBlock"] == "10.7.0.0/16"


def test_calls_take_as_long_as_modelled(aws: AwsWorld, ec2: Any) -> None:
    """OPS-16: by the world's clock; the record tells how long, what was made, and how late."""
    aws.settings(modelled=True)
    aws.speed(20)
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    ec2.describe_vpcs()
    made, looked = aws.calls()[-2:]
    for call, mean_s in ((made, LATENCY_S["ec2:CreateVpc"]), (looked, OF_A_READ_S)):
        assert call["took_s"] - call["late_s"] >= mean_s * SPREAD[0] * 0.99
        assert call["took_s"] - call["late_s"] <= mean_s * SPREAD[1] + 1, "a second of the world is 50 ms of ours"
    assert vpc in made["made"]
    assert looked["made"] == []


def test_time_that_stands_holds_nothing_back(aws: AwsWorld, ec2: Any) -> None:
    aws.settings(modelled=True)
    aws.speed(0)
    ec2.create_vpc(CidrBlock="10.7.0.0/16")


def test_too_many_calls_are_throttled(aws: AwsWorld, ec2: Any) -> None:
    """CLU-17: a bucket for each operation; another operation has its own."""
    aws.settings(modelled=True)
    aws.speed(0)
    for _ in range(50):
        ec2.describe_vpcs()
    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        ec2.describe_vpcs()
    ec2.describe_subnets()
    aws.advance(1)
    ec2.describe_vpcs()
