"""A region prepared through the house: by its deployment, and by many runs at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.aws_regions import prepare_aws_region
from tests.worlds.aws_accounts import onboarded
from tests.worlds.aws_regions import Standing, quick
from tests.worlds.aws_world import AwsWorld
from tests.worlds.prefect_server import PrefectServer

PARTS = 15


@pytest.mark.usefixtures("prefect_worker")
def test_prepare_aws_region(house: PrefectServer, no_accounts: AwsWorld) -> None:
    """NET-01, NET-13: the deployment makes the region; a second run finds it."""
    quick(no_accounts)
    account = onboarded(no_accounts)
    words = ("-p", 'account={"$ref":{"block_document_slug":"aws-account/team"}}', "-p", "region=us-west-2")
    assert "Completed" in house.run_cli("prepare-aws-region", *words)
    standing = Standing(no_accounts, "us-west-2")
    first = standing.tagged()
    assert len(first) == PARTS
    (table,) = standing.ec2.describe_route_tables(RouteTableIds=[standing.by_part("private-routes")])["RouteTables"]
    assert any(route.get("NatGatewayId") for route in table["Routes"])
    prepare_aws_region(account=account, region="us-west-2")
    assert standing.tagged() == first


@pytest.mark.usefixtures("house", "prefect_worker")
def test_ten_at_once_make_one_region(no_accounts: AwsWorld) -> None:
    """NET-13: ten runs, and the reply of the first CreateVpc is lost: one network, one of each."""
    quick(no_accounts)
    account = onboarded(no_accounts)
    no_accounts.fault("lose_reply", "ec2:CreateVpc")
    with ThreadPoolExecutor(max_workers=10) as side:
        runs = [side.submit(prepare_aws_region, account=account) for _ in range(10)]
        for run in runs:
            run.result()
    standing = Standing(no_accounts)
    assert len(standing.tagged()) == len(set(standing.parts())) == PARTS, standing.parts()
    assert len(no_accounts.calls("ec2:CreateVpc")) == 1
    assert {call["error"] for call in no_accounts.calls() if "Unauthorized" in call["error"]} == set()
