"""An AWS account connected, watched and let go through a real Prefect server and worker, in the AWS test world."""

import json
import secrets
from collections.abc import Callable

import pytest

from blocks.aws_account import Health
from blocks.errors import AccessDenied, BadInput, CredentialsInvalid, NotFound, VerificationFailed, WrongState
from flows.aws_accounts import (
    offboard_account,
    onboard_aws_account,
    rotate_aws_credentials,
    show_aws_onboarding,
    verify_account,
    verify_accounts,
)
from tasks import aws_account_records as records
from tasks.home import home
from tests.worlds import flow_runs
from tests.worlds.aws_accounts import (
    CONSOLE_ID,
    account_ref,
    blocks_of_keys,
    documents_in,
    keep,
    keys_of_a_user,
    made_role,
    make_role_by_hand,
    newest,
    onboarded,
)
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld
from tests.worlds.prefect_server import PrefectServer
from tests.worlds.secrecy import files_showing, processes_watched

OTHER = "333333333333"


def test_an_account_comes_and_goes_by_the_command_line(house: PrefectServer, no_accounts: AwsWorld) -> None:
    """ACC-01, ACC-06, OPS-08: as a new user: show, the role by an ordinary client, onboard, verify, offboard."""
    house.run_cli("show-aws-onboarding", "-p", "name=team")
    invited = records.read("team")
    shown = newest("onboarding-team")
    assert invited.external_id in shown
    assert INSTALLATION in shown
    arn = make_role_by_hand(no_accounts, shown)

    this = ["-p", f"account={json.dumps(account_ref('team'))}"]
    house.run_cli("onboard-aws-account", *this, "-p", f"account_id={CONSOLE_ID}", "-p", f"role_arn={arn}")
    connected = records.read("team")
    assert (connected.health, connected.reason) == (Health.READY, "")
    assert (connected.account_id, connected.role_arn) == (CUSTOMER, arn)
    house.run_cli("verify-account", *this)
    house.run_cli("offboard-account", *this)
    assert records.find("team") is None
    assert newest("onboarding-team") == ""


def test_an_external_id_is_drawn_once_for_each_account(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """SEC-04: unique, not to be guessed, nobody's choice; the same name gets the same again."""
    for name in ("one", "two", "one"):
        show_aws_onboarding(name=name)
    one, two = records.read("one"), records.read("two")
    assert one.external_id != two.external_id
    assert len(one.external_id) >= 32
    assert one.external_id in newest("onboarding-one")
    assert "external_id" not in str(show_aws_onboarding.parameters)


def test_a_role_that_trusts_anothers_external_id(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """SEC-04, ACC-01: another account's ARN with a foreign external id is refused, and nothing is connected by it."""
    victim = onboarded(prefect_worker, "victim")
    show_aws_onboarding(name="thief")
    with pytest.raises(AccessDenied, match="external id"):
        onboard_aws_account(account=records.read("thief"), account_id=CUSTOMER, role_arn=victim.role_arn)
    assert records.read("thief").health is Health.UNVERIFIED


def test_a_role_that_opens_to_any_external_id(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """SEC-04: refused, since whoever may use us could name it."""
    show_aws_onboarding(name="open")
    trust, *_ = documents_in(newest("onboarding-open"))
    del trust["Statement"][0]["Condition"]
    iam = prefect_worker.client("iam")
    arn = iam.create_role(RoleName="groundwork-open", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    with pytest.raises(AccessDenied, match="any external id"):
        onboard_aws_account(account=records.read("open"), account_id=CUSTOMER, role_arn=arn)
    assert records.read("open").health is Health.UNVERIFIED


def test_a_connected_account_keeps_its_way_in(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """ACC-18: connected again with a role that does not open: the one that does stays, or nothing could be deleted."""
    before = onboarded(prefect_worker, "team")
    with pytest.raises(AccessDenied):
        onboard_aws_account(account=before, account_id=CUSTOMER, role_arn=f"{before.role_arn}-typo")
    after = records.read("team")
    assert (after.role_arn, after.health) == (before.role_arn, Health.READY)
    verify_account(account=after)


def test_keys_of_another_account(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """ACC-06: whoever we are there must be of the account entered; the record stays unverified."""
    show_aws_onboarding(name="team")
    key = keys_of_a_user(prefect_worker, account=OTHER)
    with pytest.raises(BadInput, match=f"account_id: we came into account {OTHER}"):
        onboard_aws_account(account=records.read("team"), account_id=CUSTOMER, access_keys=keep("others", key))
    assert records.read("team").health is Health.UNVERIFIED


def test_keys_are_stored_in_their_block_alone(house: PrefectServer, no_accounts: AwsWorld) -> None:
    """ACC-02, ACC-15, SEC-02: onboarded and verified by keys; their secret shows nowhere while and after; then gone."""
    key = keys_of_a_user(no_accounts)
    keep("lasting", key)
    this = ["-p", f"account={json.dumps(account_ref('team'))}"]
    reference = json.dumps(flow_runs.block("aws-credentials", "lasting"))
    with processes_watched(key["secret"]) as holders:
        house.run_cli("show-aws-onboarding", "-p", "name=team")
        house.run_cli("onboard-aws-account", *this, "-p", f"account_id={CONSOLE_ID}", "-p", f"access_keys={reference}")
        assert records.read("team").health is Health.READY
        no_accounts.client("iam").delete_access_key(UserName=key["user"], AccessKeyId=key["id"])
        failed = flow_runs.run("verify-account/on-demand", account=account_ref("team"))
    assert holders == set()
    assert failed.state is not None
    assert "CredentialsInvalid" in str(failed.state.message)
    assert files_showing(key["secret"], home()) == []
    assert key["secret"] not in house.cli("block", "inspect", "aws-credentials/lasting")
    offboarded = flow_runs.run("offboard-account/on-demand", account=account_ref("team"))
    assert offboarded.state is not None
    assert "CredentialsInvalid" in str(offboarded.state.message), "what it holds cannot be seen"


BAD: list[tuple[str, str, dict[str, object]]] = [
    ("show-aws-onboarding", "name", {"name": "../up"}),
    ("show-aws-onboarding", "variant", {"name": "a", "variant": "wide"}),
    ("show-aws-onboarding", "features", {"name": "a", "features": ["everything"]}),
    ("show-aws-onboarding", "vpc_id", {"name": "a", "variant": "restricted", "vpc_id": "net-1"}),
    ("show-aws-onboarding", "instance_profile", {"name": "a", "instance_profile": "a/b"}),
    ("create-aws-role", "role_name", {"role_name": "admin"}),
    ("onboard-aws-account", "account_id", {"account_id": "12345"}),
    ("onboard-aws-account", "role_arn", {"role_arn": "arn:aws:iam::222222222222:user/me"}),
    ("onboard-aws-account", "default_region", {"default_region": "moon"}),
]


@pytest.mark.parametrize(("flow", "field", "wrong"), BAD)
def test_bad_input_is_refused_when_it_is_submitted(
    house: PrefectServer, no_accounts: AwsWorld, flow: str, field: str, wrong: dict[str, object]
) -> None:
    """ACC-05: by the API's own validation, with the field named; no run is made."""
    good: dict[str, dict[str, object]] = {
        "create-aws-role": {"account": account_ref("a"), "one_time_keys": account_ref("k")},
        "onboard-aws-account": {"account": account_ref("a"), "account_id": CUSTOMER},
    }
    status, answer = house.submit(f"{flow}/on-demand", {**good.get(flow, {}), **wrong})
    assert status in (409, 422), answer
    assert field in answer
    assert "Traceback" not in answer


WRONG_TOGETHER: list[tuple[str, Callable[[], object]]] = [
    ("vpc_id", lambda: show_aws_onboarding(name="x", variant="restricted", instance_profile="p")),
    ("instance_profile", lambda: show_aws_onboarding(name="x", variant="restricted", vpc_id="vpc-12345678")),
    ("vpc_id", lambda: show_aws_onboarding(name="x", vpc_id="vpc-12345678")),
    ("role_arn", lambda: onboard_aws_account(account=records.read("team"), account_id=CUSTOMER)),
    (
        "role_arn",
        lambda: onboard_aws_account(
            account=records.read("team"), account_id=OTHER, role_arn=f"arn:aws:iam::{CUSTOMER}:role/groundwork-team"
        ),
    ),
]


def test_what_only_the_run_can_refuse(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """ACC-05: fields that do not go together: refused with the field named, before any call that writes."""
    show_aws_onboarding(name="team")
    before = len(prefect_worker.calls())
    for field, act in WRONG_TOGETHER:
        with pytest.raises(BadInput, match=f"^{field}:"):
            act()
    assert {call["operation"] for call in prefect_worker.calls()[before:]} <= {"GetCallerIdentity"}
    assert records.find("x") is None
    assert records.read("team").health is Health.INVITED


def test_what_is_missing_is_named(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """ACC-07: the action and its feature, in the run's end, the record and the artifact; other accounts go on."""
    onboarded(prefect_worker, "good")
    poor = onboarded(prefect_worker, "poor")
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "*"}]}
    prefect_worker.client("iam").put_role_policy(
        RoleName="groundwork-poor", PolicyName="deny", PolicyDocument=json.dumps(deny)
    )
    with pytest.raises(VerificationFailed, match="ec2:RunInstances"):
        verify_accounts()
    assert records.read("good").health is Health.READY
    poor = records.read("poor")
    assert poor.health is Health.FAILING
    [bad] = [found for found in poor.findings if found.state == "bad" and found.subject == "clusters"]
    assert "ec2:RunInstances" in bad.text
    assert "ec2:RunInstances" in newest("account-poor")


def test_an_organisation_that_forbids_the_question(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """ACC-08: onboarding goes on, and the account is "unverified", not wrong."""
    arn = made_role(prefect_worker, "team")
    prefect_worker.settings(scp_denied=["iam:SimulatePrincipalPolicy"])
    onboard_aws_account(account=records.read("team"), account_id=CUSTOMER, role_arn=arn)
    account = records.read("team")
    assert account.health is Health.UNVERIFIED
    assert "SimulatePrincipalPolicy" in account.reason


def test_external_ids_overlap_while_they_change(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """ACC-16: the old one works until the role takes the new one; afterwards only the new one is kept."""
    first = onboarded(prefect_worker, "team")
    rotate_aws_credentials(account=first)
    between = records.read("team")
    assert (between.external_id, bool(between.next_external_id)) == (first.external_id, True)
    verify_account(account=between)
    with pytest.raises(AccessDenied):
        rotate_aws_credentials(account=between)
    assert records.read("team").external_id == first.external_id
    [both] = documents_in(newest("rotation-team"))
    iam = prefect_worker.client("iam")
    iam.update_assume_role_policy(RoleName="groundwork-team", PolicyDocument=json.dumps(both))
    verify_account(account=between)
    rotate_aws_credentials(account=between)
    after = records.read("team")
    assert (after.external_id, after.next_external_id) == (between.next_external_id, "")
    [alone] = documents_in(newest("rotation-team"))
    assert first.external_id not in json.dumps(alone)
    iam.update_assume_role_policy(RoleName="groundwork-team", PolicyDocument=json.dumps(alone))
    verify_account(account=after)


def test_keys_change_without_a_gap(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """ACC-16: keys that do not work change nothing; those that do take the place of the old ones, whose block goes."""
    show_aws_onboarding(name="team")
    onboard_aws_account(
        account=records.read("team"), account_id=CUSTOMER, access_keys=keep("old", keys_of_a_user(prefect_worker))
    )
    wrong = keep("wrong", {"id": "AKIAIOSFODNN7EXAMPLE", "secret": secrets.token_hex(20)})
    with pytest.raises(CredentialsInvalid):
        rotate_aws_credentials(account=records.read("team"), access_keys=wrong)
    verify_account(account=records.read("team"))
    rotate_aws_credentials(account=records.read("team"), access_keys=keep("new", keys_of_a_user(prefect_worker)))
    assert blocks_of_keys() == {"wrong", "new"}
    verify_account(account=records.read("team"))


def test_an_account_that_holds_something_is_not_let_go(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> None:
    """ACC-22: refused with the list; and what cannot be seen is not taken for nothing (ACC-18)."""
    account = onboarded(prefect_worker, "team")
    ec2 = prefect_worker.client("ec2")
    tags = [{"Key": "groundwork:installation", "Value": "home"}]
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}])["Vpc"][
        "VpcId"
    ]
    with pytest.raises(WrongState, match=vpc):
        offboard_account(account=account)
    ec2.delete_vpc(VpcId=vpc)
    prefect_worker.fault(
        "error", "resourcegroupstaggingapi:GetResources", times=-1, code="UnrecognizedClientException", status=400
    )
    with pytest.raises(CredentialsInvalid):
        offboard_account(account=account)
    assert records.find("team") is not None
    prefect_worker.mend()
    offboard_account(account=account)
    with pytest.raises(NotFound):
        records.read("team")
