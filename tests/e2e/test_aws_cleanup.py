"""A region cleaned through a real Prefect server, in the AWS test world."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from blocks.aws_account import AwsAccount
from blocks.aws_cluster import AwsClusterSpec
from blocks.cluster import Cluster, State
from blocks.errors import WrongState
from flows.aws_accounts import offboard_account
from flows.aws_cleanup import cleanup_region
from flows.aws_regions import prepare_aws_region
from tasks import aws_account_records as accounts
from tasks import aws_region_notes as notes
from tasks import documents
from tasks.installation import installation
from tests.contract.region_ground import REGION, SPEED, Laid, world
from tests.worlds.aws_accounts import newest, onboarded
from tests.worlds.aws_world import CUSTOMER, AwsWorld
from tests.worlds.flow_runs import wait_until


@pytest.fixture
def quick(no_accounts: AwsWorld, prefect_worker: AwsWorld) -> Iterator[AwsWorld]:
    """A world whose clock runs, and no cluster on record when the test is over."""
    prefect_worker.speed(SPEED)
    yield prefect_worker
    prefect_worker.speed(1)
    notes.forget(CUSTOMER, REGION)
    for name in ("lost", "elsewhere"):
        documents.remove(Cluster, name)


def recorded(account: AwsAccount, name: str, region: str = REGION, state: State = State.FAILED) -> None:
    """Let there be the record of a cluster, and nothing else of it."""
    spec = AwsClusterSpec(name=name, account=f"aws-account/{account.name}", node_count=2, region=region)
    Cluster(spec=spec, state=state).save(name)


def test_a_region_is_cleaned_and_its_account_let_go(quick: AwsWorld) -> None:
    """CLN-02, CLN-10, ACC-22: refused while a failed cluster is on record; shown with its price; then it is gone."""
    account = onboarded(quick)
    before = world(quick)
    laid = Laid(quick, installation())
    there = world(quick)
    recorded(account, "lost")
    recorded(account, "elsewhere", "us-west-2")
    with pytest.raises(WrongState, match=r"there: lost \(failed\)") as caught:
        cleanup_region(account=account, region=REGION)
    assert "elsewhere" not in str(caught.value)
    assert world(quick) == there
    documents.remove(Cluster, "lost")

    cleanup_region(account=account, region=REGION, dry_run=True)
    shown = newest(f"cleanup-{account.name}")
    assert laid.nat in shown
    assert "0.0450" in shown
    assert world(quick) == there

    with pytest.raises(WrongState, match="holds"):
        offboard_account(account=accounts.read(account.name))
    cleanup_region(account=account, region=REGION, delete_bucket=True)
    assert world(quick) == before
    assert notes.read(CUSTOMER, REGION) is None
    documents.remove(Cluster, "elsewhere")
    offboard_account(account=accounts.read(account.name))
    assert newest(f"cleanup-{account.name}") == ""


def test_a_region_is_laid_or_cleaned_and_never_both(quick: AwsWorld) -> None:
    """CLN-02: a cluster that comes first keeps the region; one that comes in the middle waits, and gets a whole one."""
    account = onboarded(quick)
    prepare_aws_region(account=account, region=REGION)
    first = networks(quick)
    with ThreadPoolExecutor(2) as side:
        with notes.one_at_work_in(CUSTOMER, REGION):
            cleaning = side.submit(cleanup_region, account=account, region=REGION)
            recorded(account, "lost", state=State.PROVISIONING)
        with pytest.raises(WrongState, match="lost"):
            cleaning.result()
        assert networks(quick) == first
        documents.remove(Cluster, "lost")

        cleaning = side.submit(cleanup_region, account=account, region=REGION)
        wait_until(lambda: quick.calls("ec2:DeleteNatGateway"), what="the cleaning")
        laying = side.submit(prepare_aws_region, account=account, region=REGION)
        cleaning.result()
        laying.result()
    second = networks(quick)
    assert len(second) == 1
    assert second.isdisjoint(first)
    made = [call["operation"] for call in quick.calls() if call["operation"] in ("DeleteVpc", "CreateVpc")]
    assert made == ["CreateVpc", "DeleteVpc", "CreateVpc"]
    assert len(world(quick)["subnets"] - default_subnets(quick)) == 4


def networks(aws: AwsWorld) -> set[str]:
    ours = [{"Name": "tag:groundwork:installation", "Values": [installation()]}]
    return {vpc["VpcId"] for vpc in aws.client("ec2").describe_vpcs(Filters=ours)["Vpcs"]}


def default_subnets(aws: AwsWorld) -> set[str]:
    found = aws.client("ec2").describe_subnets()["Subnets"]
    return {subnet["SubnetId"] for subnet in found if subnet["DefaultForAz"]}
