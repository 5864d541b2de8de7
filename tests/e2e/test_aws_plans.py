"""The form of create-aws-cluster through the house: what it refuses, its plan, its dry run; and show-aws-choices."""

import json
from typing import Any

import pytest

from blocks.errors import BadInput
from flows.aws_clusters import create_aws_cluster, show_aws_choices
from tasks import aws_account_records as account_records
from tasks import records
from tests.contract.plan_ground import changes, share_image
from tests.worlds.aws_accounts import account_ref, newest, onboarded
from tests.worlds.aws_world import AwsWorld
from tests.worlds.prefect_server import PrefectServer

DEPLOYMENT = "create-aws-cluster/on-demand"


@pytest.fixture
def connected(no_accounts: AwsWorld, prefect_worker: AwsWorld) -> AwsWorld:
    """A world in which the account team is connected and has an image."""
    onboarded(no_accounts)
    share_image(no_accounts)
    return prefect_worker


def test_a_dry_run_shows_the_plan_and_makes_nothing(house: PrefectServer, connected: AwsWorld) -> None:
    """CLU-07: by the command line; neither the world nor our records have anything more afterwards."""
    before = len(connected.calls())
    words = {"name": "lab", "account": json.dumps(account_ref("team")), "node_type": "c5.4xlarge", "dry_run": "true"}
    said = house.run_cli("create-aws-cluster", *(word for told in words.items() for word in ("-p", "=".join(told))))
    assert "Completed" in said
    assert changes(connected, since=before) == []
    assert records.find("lab") is None
    plan = newest("plan-lab")
    for told in ("NAT gateway", "USD 2.7200 an hour", "64 needed", "`ec2:RunInstances`", "groundwork-2026.11-x86_64"):
        assert told in plan
    assert "| ranks, one for each core | 32 |" in plan


@pytest.mark.usefixtures("house")
def test_what_stands_in_the_way_is_shown_and_nothing_is_made(connected: AwsWorld) -> None:
    """CLU-03, CLU-08: the first thing is the run's error; a warning may be set aside, and stays to be seen."""
    account, before = account_records.read("team"), len(connected.calls())
    with pytest.raises(BadInput, match=r"efa: .* See also: auto_shutdown"):
        create_aws_cluster(name="lab", account=account, efa=True, auto_shutdown="60m")
    assert "**refused**" in newest("plan-lab")
    with pytest.raises(BadInput, match="name auto-shutdown in ignore_warnings"):
        create_aws_cluster(name="lab", account=account, auto_shutdown="60m")
    create_aws_cluster(
        name="lab", account=account, auto_shutdown="60m", ignore_warnings=["auto-shutdown"], dry_run=True
    )
    assert "ignored (`auto-shutdown`)" in newest("plan-lab")
    assert changes(connected, since=before) == []
    assert records.find("lab") is None


@pytest.mark.parametrize(
    ("field", "wishes"),
    [
        ("node_count", {"node_count": 0}),
        ("ssh_public_keys", {"ssh_public_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}),
        ("tags", {"tags": {"": "x"}}),
        ("user_management", {"user_management": "ldap"}),
        ("ignore_warnings", {"ignore_warnings": ["all"]}),
    ],
)
def test_the_server_refuses_what_has_not_the_shape(house: PrefectServer, field: str, wishes: dict[str, Any]) -> None:
    """CLU-02, PRJ-20: before there is a run."""
    status, said = house.submit(DEPLOYMENT, {"name": "lab", "account": account_ref("team"), **wishes})
    assert status == 409
    assert field in said


@pytest.mark.usefixtures("house", "connected")
def test_a_block_that_is_not_there_is_named() -> None:
    """CLU-03: the account, and the jump host."""
    with pytest.raises(BadInput, match="account: there is no such block"):
        create_aws_cluster(name="lab", account=account_ref("nobody"))  # type: ignore[arg-type]
    nobody = {"$ref": {"block_document_slug": "jump-host/nobody"}}
    with pytest.raises(BadInput, match="jump_host: there is no such block"):
        create_aws_cluster(name="lab", account=account_records.read("team"), jump_host=nobody)  # type: ignore[arg-type]


@pytest.mark.usefixtures("house", "connected")
def test_choices_are_shown() -> None:
    """CLU-04, CLU-05: from the account itself."""
    show_aws_choices(account=account_records.read("team"), family="c5n", efa=True)
    shown = newest("choices-team-us-east-1")
    assert "| c5n.18xlarge | 36 | 192 | x86_64 | yes |" in shown
    assert "c5n.large" not in shown
    assert "| 2026.11 | x86_64 |" in shown
