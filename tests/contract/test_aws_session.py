"""How we come into an account: identities, roles and keys; credentials that end in the middle of work; dead ends."""

import json
import socket
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.aws_account import AwsAccount
from blocks.errors import AccessDenied, CredentialsInvalid, PlaceUnreachable, WrongState
from tasks.providers.aws import session
from tasks.providers.aws.refusals import translated
from tests.worlds.aws.keys import root_key
from tests.worlds.aws.people import worker_key
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

EXTERNAL_ID = "groundwork-0f5c1d5e"
ROLE = "groundwork-access"
WORKER_ARN = worker_key().principal.arn


def root_keys(account: str = CUSTOMER, secret: str = "") -> AwsCredentials:
    root = root_key(account)
    return AwsCredentials(aws_access_key_id=root.access_key, aws_secret_access_key=SecretStr(secret or root.secret))


def role(aws: AwsWorld, *, external_id: str = EXTERNAL_ID, trusted: str = INSTALLATION, actions: str = "*") -> str:
    """Make a role in CUSTOMER that an account may assume with an external id; return its ARN."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{trusted}:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
            }
        ],
    }
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    iam = aws.client("iam", CUSTOMER)
    arn: str = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=json.dumps(allowed))
    return arn


def account(**told: object) -> AwsAccount:
    return AwsAccount.model_validate({"account_id": CUSTOMER, "external_id": ""} | told)


def test_the_identity_is_the_prefect_workers(prefect_worker: AwsWorld) -> None:
    """ACC-01: the account that a trust policy names must be the one that really asks."""
    assert session.identity().caller() == session.Caller(INSTALLATION, WORKER_ARN)


def test_a_role_is_assumed_with_its_external_id(prefect_worker: AwsWorld) -> None:
    """ACC-01: what we do is done in the account that was connected, under a name that its audit trail shows."""
    us = session.session_of(account(role_arn=role(prefect_worker), external_id=EXTERNAL_ID))
    assert us.caller() == session.Caller(CUSTOMER, f"arn:aws:sts::{CUSTOMER}:assumed-role/{ROLE}/groundwork")
    us.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
    assert "10.0.0.0/16" in [vpc["CidrBlock"] for vpc in prefect_worker.client("ec2", CUSTOMER).describe_vpcs()["Vpcs"]]
    assert [call["principal"] for call in prefect_worker.calls("sts:AssumeRole")] == [WORKER_ARN]


def test_all_work_of_a_process_shares_a_way_in(prefect_worker: AwsWorld) -> None:
    """OPS-16: a role is assumed once for all steps; a record that says another way in is believed at once."""
    arn = role(prefect_worker, external_id="shared-1")
    known = account(role_arn=arn, external_id="shared-1")

    def ask(_: int) -> str:
        return session.shared_session_of(known.model_copy()).caller().account_id

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(8))) == {CUSTOMER}
    assert len(prefect_worker.calls("sts:AssumeRole")) == 1
    with pytest.raises(AccessDenied):
        session.shared_session_of(account(role_arn=arn, external_id="rotated")).caller()
    assert session.session_of(known) is not session.session_of(known), "whoever proves a way in takes a new one"


@pytest.mark.parametrize(
    ("trust", "arn", "external_id"),
    [
        ({}, "", "another"),
        ({}, "", ""),
        ({"trusted": "333333333333"}, "", EXTERNAL_ID),
        ({}, f"arn:aws:iam::{CUSTOMER}:role/no-such-role", EXTERNAL_ID),
    ],
    ids=["wrong external id", "no external id", "trust in another account", "no such role"],
)
def test_a_role_that_does_not_let_us_in(
    prefect_worker: AwsWorld, trust: dict[str, str], arn: str, external_id: str
) -> None:
    """ACC-01, SEC-04: AWS says one word for all of these; the line names the role, and all that may be wrong."""
    made = role(prefect_worker, **trust)
    us = session.assumed(arn or made, external_id)
    with pytest.raises(AccessDenied) as caught:
        us.caller()
    assert str(caught.value).startswith(f"role {arn or made}: the role cannot be assumed (AssumeRole: AccessDenied, ")
    assert "external id" in caught.value.advice
    assert prefect_worker.calls("sts:GetCallerIdentity") == []


def test_keys_open_their_account(prefect_worker: AwsWorld) -> None:
    """ACC-02: the second way in; nothing of the Prefect worker's own identity is used."""
    us = session.session_of(account(access_keys=root_keys()))
    assert us.caller().account_id == CUSTOMER
    us.client("ec2", "eu-west-1").describe_vpcs()
    [call] = prefect_worker.calls("ec2:DescribeVpcs")
    assert (call["account"], call["region"]) == (CUSTOMER, "eu-west-1")


def test_keys_that_are_wrong(prefect_worker: AwsWorld) -> None:
    """ACC-04, ACC-15: told as what they are, and not shown."""
    us = session.session_of(account(access_keys=root_keys(secret="the-wrong-secret")))
    with pytest.raises(CredentialsInvalid) as caught:
        us.caller()
    shown = "".join(traceback.format_exception(caught.value)) + repr(us) + repr(vars(us))
    assert root_key(CUSTOMER).access_key in str(caught.value)
    assert "the-wrong-secret" not in shown


@pytest.mark.parametrize("told", [{}, {"external_id": EXTERNAL_ID}, {"role_arn": "arn:aws:iam::222222222222:role/r"}])
def test_an_account_without_a_way_in(prefect_worker: AwsWorld, told: dict[str, str]) -> None:
    """SEC-04: an account that was only invited, or a role without an external id, is never entered."""
    with pytest.raises(WrongState, match="no way in"):
        session.session_of(account(**told))
    assert prefect_worker.calls() == []


TAG = [{"Key": "groundwork:cluster", "Value": "demo"}]
STEPS = 20


def tagged_volumes(aws: AwsWorld, count: int = STEPS) -> None:
    ec2 = aws.client("ec2", CUSTOMER)
    for _ in range(count):
        ec2.create_volume(
            AvailabilityZone="us-east-1a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": TAG}]
        )


def ours(aws: AwsWorld) -> list[str]:
    found = aws.client("ec2", CUSTOMER).describe_volumes(
        Filters=[{"Name": "tag:groundwork:cluster", "Values": ["demo"]}]
    )
    return [volume["VolumeId"] for volume in found["Volumes"]]


def delete_all(us: session.AwsSession, before: Callable[[int], object]) -> None:
    """Delete what is tagged, step by step; ``before`` is called with each step's number."""
    ec2 = us.client("ec2")
    found = ec2.describe_volumes(Filters=[{"Name": "tag:groundwork:cluster", "Values": ["demo"]}])["Volumes"]
    for step, volume in enumerate(found):
        before(step)
        with translated(f"volume {volume['VolumeId']}"):
            ec2.delete_volume(VolumeId=volume["VolumeId"])


def test_sessions_that_end_in_the_middle_of_a_deletion(prefect_worker: AwsWorld) -> None:
    """ACC-17: a deletion that fails half-way leaves things that are paid for, and a person to find them."""
    tagged_volumes(prefect_worker)
    us = session.session_of(account(role_arn=role(prefect_worker), external_id=EXTERNAL_ID))
    ended: list[int] = []

    def end(step: int) -> None:
        if step in (7, 8, 15):
            ended.append(prefect_worker.end_sessions())

    delete_all(us, end)
    assert ours(prefect_worker) == []
    assert all(ended), "no session ended: nothing was proven"
    assert len(prefect_worker.calls("sts:AssumeRole")) == 4
    refused = [call["error"] for call in prefect_worker.calls("ec2:DeleteVolume") if call["error"]]
    assert refused == ["RequestExpired"] * 3


@pytest.mark.parametrize("code", ["ExpiredToken", "RequestExpired", "ExpiredTokenException"])
def test_a_word_that_the_session_ended(prefect_worker: AwsWorld, code: str) -> None:
    """ACC-17: AWS has three words for it, one for each kind of service."""
    tagged_volumes(prefect_worker, 10)
    us = session.session_of(account(role_arn=role(prefect_worker), external_id=EXTERNAL_ID))
    prefect_worker.fault("error", "ec2:DeleteVolume", nth=5, code=code, status=403)
    delete_all(us, lambda _: None)
    assert ours(prefect_worker) == []
    assert len(prefect_worker.calls("sts:AssumeRole")) == 2


def test_a_session_that_ends_at_once_each_time(prefect_worker: AwsWorld) -> None:
    """ACC-17, ACC-18: renewed once a call and not for ever; then it is the credentials, not an empty answer."""
    us = session.session_of(account(role_arn=role(prefect_worker), external_id=EXTERNAL_ID))
    prefect_worker.fault("error", "ec2:DescribeVolumes", times=-1, code="RequestExpired", status=400)
    with pytest.raises(CredentialsInvalid, match="the credentials ended"), translated("volumes"):
        us.client("ec2").describe_volumes()
    assert len(prefect_worker.calls("ec2:DescribeVolumes")) == 2
    assert len(prefect_worker.calls("sts:AssumeRole")) == 2


def test_a_role_that_is_taken_away_in_the_middle(prefect_worker: AwsWorld) -> None:
    """ACC-18: when the session ends and the role is gone, the deletion says so and nobody takes it for done."""
    tagged_volumes(prefect_worker, 3)
    us = session.session_of(account(role_arn=role(prefect_worker), external_id=EXTERNAL_ID))

    def take_away(step: int) -> None:
        if step == 1:
            iam = prefect_worker.client("iam", CUSTOMER)
            iam.delete_role_policy(RoleName=ROLE, PolicyName="all")
            iam.delete_role(RoleName=ROLE)
            prefect_worker.end_sessions()

    with pytest.raises(AccessDenied, match="the role cannot be assumed"):
        delete_all(us, take_away)
    assert len(ours(prefect_worker)) == 2


def test_threads_share_one_renewal(prefect_worker: AwsWorld) -> None:
    """ACC-17: with forty deletions at a time, each fetching its own session, AWS throttles AssumeRole."""
    us = session.session_of(account(role_arn=role(prefect_worker), external_id=EXTERNAL_ID))
    us.caller()
    prefect_worker.end_sessions()
    start = threading.Barrier(8)

    def ask(region: str) -> int:
        start.wait()
        return len(us.client("ec2", region).describe_volumes()["Volumes"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, ["us-east-1", "eu-west-1"] * 4)) == [0] * 8
    assert len(prefect_worker.calls("sts:AssumeRole")) == 2
    assert us.client("ec2") is us.client("ec2", "us-east-1")


def test_a_dead_address_is_one_line_and_quick(prefect_worker: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """OPS-06: a wrong proxy or endpoint must not look like a hanging flow, nor like missing credentials."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(PlaceUnreachable) as caught:
            session.identity().caller()
    assert time.monotonic() - began < 10
    assert "\n" not in str(caught.value)
    assert "AWS_ENDPOINT_URL" in caught.value.advice
    assert caught.value.retryable


def test_a_connection_that_breaks(prefect_worker: AwsWorld) -> None:
    """OPS-06: once: the call is made again. Each time: one line, and never "not there"."""
    us = session.identity()
    prefect_worker.fault("drop", "sts:GetCallerIdentity")
    assert us.caller().account_id == INSTALLATION
    prefect_worker.fault("drop", "sts:GetCallerIdentity", times=-1)
    us.client("sts").meta.events.register_first("needs-retry.sts", lambda **_: False)
    with pytest.raises(PlaceUnreachable, match="AWS does not answer"):
        us.caller()


def test_calls_tell_who_makes_them(prefect_worker: AwsWorld) -> None:
    """The account's audit trail shows whose calls these are; AWS's support asks for it."""
    agents: list[str] = []
    client = session.identity().client("ec2")
    client.meta.events.register(
        "before-send.ec2", lambda request, **_: agents.append(str(request.headers["User-Agent"]))
    )
    client.describe_images(Owners=["self"])
    assert "groundwork" in agents[0]
