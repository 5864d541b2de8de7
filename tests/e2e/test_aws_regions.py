"""A region prepared through the house: by its deployment, and by many runs at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from blocks.aws_cluster import AwsClusterSpec
from blocks.cluster import State
from blocks.errors import AccessDenied
from flows.aws_clusters import create_aws_cluster
from flows.aws_regions import prepare_aws_region
from tasks import records
from tests.worlds.aws_accounts import onboarded
from tests.worlds.aws_clusters import share_image
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
    assert has_way_out(standing)
    prepare_aws_region(account=account, region="us-west-2")
    assert standing.tagged() == first


def has_way_out(standing: Standing) -> bool:
    """Whether the private subnets reach the internet."""
    (table,) = standing.ec2.describe_route_tables(RouteTableIds=[standing.by_part("private-routes")])["RouteTables"]
    return any(route.get("NatGatewayId") for route in table["Routes"])


@pytest.mark.usefixtures("house", "prefect_worker")
def test_a_cluster_that_runs_gets_the_rest_of_its_ground(no_accounts: AwsWorld) -> None:
    """OPS-09, NET-13: its creation was killed when its nodes were of use, and the region's way out was not there."""
    quick(no_accounts)
    account = onboarded(no_accounts)
    share_image(no_accounts)
    no_accounts.fault("error", "ec2:DescribeNatGateways", times=-1, code="UnauthorizedOperation")
    with pytest.raises(AccessDenied, match="NAT gateway"):
        prepare_aws_region(account=account)
    no_accounts.mend()
    standing = Standing(no_accounts)
    assert not has_way_out(standing)
    spec = AwsClusterSpec(name="early", node_count=2, account="aws-account/team", region="us-east-1")
    early = records.claim(spec)
    for state in (State.PROVISIONING, State.BOOTSTRAPPING, State.VERIFYING, State.RUNNING):
        early = records.change(early, state)
    create_aws_cluster(name="early", account=account, node_count=2)
    assert has_way_out(standing)
    assert records.read("early").state is State.RUNNING
    assert no_accounts.calls("ec2:RunInstances") == []
    records.forget(early)


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
