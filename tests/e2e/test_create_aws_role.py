"""A role made with keys that are used once: what is left in IAM, and where the keys show."""

import json
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun

from blocks.aws_account import Health
from flows.aws_accounts import onboard_aws_account, show_aws_onboarding
from tasks import aws_account_records as records
from tasks.home import home
from tests.worlds import flow_runs
from tests.worlds.aws_accounts import account_ref, blocks_of_keys, keep, keys_of_a_user, newest
from tests.worlds.aws_world import CUSTOMER, AwsWorld
from tests.worlds.flow_runs import block, require_completed
from tests.worlds.prefect_server import PrefectServer
from tests.worlds.secrecy import files_showing, processes_watched

CREATE_ROLE = "create-aws-role/on-demand"
ARN = f"arn:aws:iam::{CUSTOMER}:role/groundwork-access"
LOOKS_ONLY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["iam:Get*", "iam:List*"], "Resource": "*"}],
}


def start(name: str = "once") -> Any:
    return flow_runs.start(CREATE_ROLE, account=account_ref("team"), one_time_keys=block("aws-credentials", name))


def run(name: str = "once") -> FlowRun:
    return flow_runs.wait_for_end(start(name))


def roles(aws: AwsWorld) -> list[str]:
    return [role["RoleName"] for role in aws.client("iam").list_roles()["Roles"]]


def message(ended: FlowRun) -> str:
    assert ended.state is not None
    assert ended.state.is_failed(), ended.state
    return str(ended.state.message)


def test_a_role_is_made_and_its_keys_are_gone(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """ACC-03, SEC-02: role, policies and trust are right, as onboarding finds; the keys show nowhere, then or later."""
    show_aws_onboarding(name="team")
    key = keys_of_a_user(prefect_worker)
    keep("once", key)
    with processes_watched(key["secret"]) as holders:
        require_completed(run())
    assert holders == set()
    assert blocks_of_keys() == set()
    assert files_showing(key["secret"], home()) == []
    assert ARN in newest("role-team")
    onboard_aws_account(account=records.read("team"), account_id=CUSTOMER, role_arn=ARN)
    assert records.read("team").health is Health.READY


def test_three_failures_have_three_answers(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """ACC-04: it exists (its ARN, and a warning), keys not valid, keys lack the right; nothing is left, the keys go."""
    show_aws_onboarding(name="team")
    keep("wrong", {"id": "AKIAIOSFODNN7EXAMPLE", "secret": "not/its/secret"})
    keep("weak", keys_of_a_user(prefect_worker, LOOKS_ONLY))
    started = {name: start(name) for name in ("wrong", "weak")}
    ended = {name: flow_runs.wait_for_end(each) for name, each in started.items()}
    assert "CredentialsInvalid" in message(ended["wrong"])
    assert "AccessDenied: role groundwork-access: not allowed to do iam:" in message(ended["weak"])
    assert roles(prefect_worker) == []
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}],
    }
    iam = prefect_worker.client("iam")
    iam.create_role(RoleName="groundwork-access", AssumeRolePolicyDocument=json.dumps(trust))
    keep("late", keys_of_a_user(prefect_worker))
    exists = message(run("late"))
    assert "RoleExists" in exists
    assert ARN in exists
    assert iam.list_attached_role_policies(RoleName="groundwork-access")["AttachedPolicies"] == []
    assert blocks_of_keys() == set()
    for each in ended.values():
        assert "onboarding-team" in {shown.key for shown in flow_runs.artifacts(each.id)}, "the way by hand"


@pytest.mark.drill
def test_a_killed_run_ends_well_when_it_is_retried(
    house: PrefectServer, prefect_worker: AwsWorld, no_accounts: AwsWorld
) -> None:
    """ACC-03, OPS-07: killed between two calls to IAM; the retry finishes the same role, and the keys go."""
    show_aws_onboarding(name="team")
    keep("once", keys_of_a_user(prefect_worker))
    prefect_worker.fault("delay", "iam:AttachRolePolicy", nth=2, delay_s=30)
    killed = start()
    flow_runs.wait_until(lambda: len(prefect_worker.calls("iam:AttachRolePolicy")) >= 1, what="the first policy")
    flow_runs.kill_process_of(killed)
    flow_runs.wait_for_crash(killed)
    assert blocks_of_keys() == {"once"}
    prefect_worker.mend()
    house.cli("flow-run", "retry", str(killed))
    require_completed(flow_runs.wait_for_end(killed))
    assert roles(prefect_worker) == ["groundwork-access"]
    assert blocks_of_keys() == set()
