"""AWS's refusals in human words (OPS-06), and bad credentials that never look like "nothing is left" (ACC-18)."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError, WaiterError
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks import errors
from blocks.errors import GroundworkError
from tasks.providers.aws.refusal_codes import is_final, meaning_of
from tasks.providers.aws.refusals import code_of, translate, translated
from tasks.providers.aws.session import AwsSession, identity, session_with
from tests.worlds.aws.keys import root_key
from tests.worlds.aws_fixtures import become_prefect_worker
from tests.worlds.aws_world import CUSTOMER, AwsWorld

Ask = Callable[[AwsSession], object]

ASKS: dict[str, Ask] = {
    "ec2:DescribeInstances": lambda us: us.client("ec2").describe_instances(),
    "iam:ListRoles": lambda us: us.client("iam").list_roles(),
    "sts:GetCallerIdentity": lambda us: us.client("sts").get_caller_identity(),
    "s3:ListBuckets": lambda us: us.client("s3").list_buckets(),
    "kms:ListKeys": lambda us: us.client("kms").list_keys(),
    "ssm:DescribeParameters": lambda us: us.client("ssm").describe_parameters(),
    "efs:DescribeFileSystems": lambda us: us.client("efs").describe_file_systems(),
}
"""One harmless question of each wire format: ec2, query, rest-xml, json, rest-json."""


class Case(NamedTuple):
    name: str
    code: str
    status: int
    kind: type[GroundworkError]
    words: str = "so it is"


CASES = [
    Case("ec2:DescribeInstances", "UnauthorizedOperation", 403, errors.AccessDenied),
    Case("iam:ListRoles", "AccessDenied", 403, errors.AccessDenied),
    Case("kms:ListKeys", "AccessDeniedException", 400, errors.AccessDenied),
    Case("efs:DescribeFileSystems", "AccessDeniedException", 403, errors.AccessDenied),
    Case("ec2:DescribeInstances", "AuthFailure", 401, errors.AccessDenied, "Not authorized for images: [ami-1]"),
    Case("ec2:DescribeInstances", "OptInRequired", 401, errors.AccessDenied),
    Case("ec2:DescribeInstances", "AuthFailure", 401, errors.CredentialsInvalid),
    Case("iam:ListRoles", "InvalidClientTokenId", 403, errors.CredentialsInvalid),
    Case("sts:GetCallerIdentity", "SignatureDoesNotMatch", 403, errors.CredentialsInvalid),
    Case("s3:ListBuckets", "InvalidAccessKeyId", 403, errors.CredentialsInvalid),
    Case("ssm:DescribeParameters", "UnrecognizedClientException", 400, errors.CredentialsInvalid),
    Case("kms:ListKeys", "ExpiredTokenException", 400, errors.CredentialsInvalid),
    Case("ec2:DescribeInstances", "VcpuLimitExceeded", 400, errors.QuotaExceeded),
    Case("iam:ListRoles", "LimitExceeded", 409, errors.QuotaExceeded),
    Case("kms:ListKeys", "LimitExceededException", 400, errors.QuotaExceeded),
    Case("s3:ListBuckets", "TooManyBuckets", 400, errors.QuotaExceeded),
    Case("ec2:DescribeInstances", "InsufficientInstanceCapacity", 500, errors.NoCapacity),
    Case("efs:DescribeFileSystems", "InsufficientThroughputCapacity", 503, errors.NoCapacity),
    Case("ec2:DescribeInstances", "RequestLimitExceeded", 503, errors.Throttled),
    Case("kms:ListKeys", "ThrottlingException", 400, errors.Throttled),
    Case("s3:ListBuckets", "SlowDown", 503, errors.Throttled),
    Case("ec2:DescribeInstances", "InvalidParameterValue", 400, errors.RequestRefused),
    Case("iam:ListRoles", "MalformedPolicyDocument", 400, errors.RequestRefused),
    Case("ssm:DescribeParameters", "ValidationException", 400, errors.RequestRefused),
    Case("iam:ListRoles", "EntityAlreadyExists", 409, errors.Conflict),
    Case("ec2:DescribeInstances", "IdempotentParameterMismatch", 400, errors.Conflict),
    Case("ec2:DescribeInstances", "InvalidSubnet.Conflict", 400, errors.Conflict),
    Case("ec2:DescribeInstances", "DependencyViolation", 400, errors.StillInUse),
    Case("iam:ListRoles", "DeleteConflict", 409, errors.StillInUse),
    Case("efs:DescribeFileSystems", "FileSystemInUse", 409, errors.StillInUse),
    Case("ec2:DescribeInstances", "IncorrectInstanceState", 400, errors.WrongState),
    Case("kms:ListKeys", "KMSInvalidStateException", 400, errors.WrongState),
    Case("ec2:DescribeInstances", "InvalidVpcID.NotFound", 400, errors.NotFound),
    Case("iam:ListRoles", "NoSuchEntity", 404, errors.NotFound),
    Case("ec2:DescribeInstances", "InternalError", 500, errors.PlaceFailed),
    Case("ssm:DescribeParameters", "InternalServerError", 500, errors.PlaceFailed),
    Case("ec2:DescribeInstances", "NeverHeardOf", 400, errors.ProviderError),
]


FINAL = (errors.AccessDenied, errors.QuotaExceeded, errors.NoCapacity, errors.CredentialsInvalid)


def without_patience(us: AwsSession) -> AwsSession:
    """Let botocore make each call once: its pauses between tries are long and random."""
    for name in ASKS:
        client: Any = us.client(name.partition(":")[0])
        model = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register_first(f"needs-retry.{model}", lambda **_: False)
    return us


@pytest.fixture(scope="module")
def sessions(_one_aws_world: AwsWorld) -> Iterator[dict[bool, AwsSession]]:
    """The Prefect worker's identity, with (True) and without the patience to ask again."""
    with pytest.MonkeyPatch.context() as patch:
        become_prefect_worker(patch, _one_aws_world)
        yield {True: identity(), False: without_patience(identity())}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.code}-{case.kind.__name__}")
def test_each_class_of_refusal(aws: AwsWorld, sessions: dict[bool, AwsSession], case: Case) -> None:
    """OPS-06: else a quota looks like a missing permission. One line: where, what, code, request id, advice.

    What stands however often one asks is asked once: botocore asks five times where AWS says it with status 500.
    """
    aws.fault("error", case.name, times=-1, code=case.code, status=case.status, message=case.words)
    is_final = case.kind in FINAL
    with pytest.raises(GroundworkError) as caught, translated("the place in question"):
        ASKS[case.name](sessions[is_final])
    error = caught.value
    assert type(error) is case.kind
    line = str(error)
    assert line.startswith("the place in question: ")
    assert "\n" not in line
    assert case.code in line
    assert case.words in line
    assert re.search(r"request [\w-]+", line), line
    assert error.advice.endswith(".")
    assert line.endswith(error.advice)
    assert len(aws.calls(case.name)) == 1


def test_every_class_of_the_tree_has_its_cases() -> None:
    """A class that no test brings about may never be told apart from the others."""
    told = {case.kind for case in CASES}
    kinds = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ProviderError)
    }
    assert kinds - told == {errors.PlaceUnreachable}  # see test_aws_session.py


def administrator() -> AwsSession:
    """Somebody who may do all in an account: the Prefect worker's own identity may nearly nothing."""
    root = root_key(CUSTOMER)
    return session_with(AwsCredentials(aws_access_key_id=root.access_key, aws_secret_access_key=SecretStr(root.secret)))


def test_what_passes_is_tried_again(prefect_worker: AwsWorld) -> None:
    """Throttling and AWS's own failures pass: a call that gives up at once breaks every long piece of work."""
    prefect_worker.fault("error", "ec2:DescribeInstances", code="RequestLimitExceeded", status=503)
    prefect_worker.fault("error", "kms:ListKeys", code="InternalError", status=500)
    us = administrator()
    assert us.client("ec2").describe_instances()["Reservations"] == []
    assert us.client("kms").list_keys()["Keys"] == []
    assert [len(prefect_worker.calls(name)) for name in ("ec2:DescribeInstances", "kms:ListKeys")] == [2, 2]


BAD_SECRET = {"AWS_SECRET_ACCESS_KEY": "not the secret"}
BAD_KEY = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}


@pytest.mark.parametrize("environment", [BAD_SECRET, BAD_KEY], ids=["wrong secret", "unknown key"])
@pytest.mark.parametrize("name", ASKS)
def test_no_list_is_empty_for_want_of_credentials(
    prefect_worker: AwsWorld, monkeypatch: pytest.MonkeyPatch, name: str, environment: dict[str, str]
) -> None:
    """ACC-18: a list that comes back empty because AWS does not know us would be taken for "all is gone"."""
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(errors.CredentialsInvalid, match="does not know these credentials") as caught, translated(name):
        ASKS[name](identity())
    assert "not the secret" not in str(caught.value)


def test_no_credentials_at_all(prefect_worker: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """ACC-18: botocore's own NoCredentialsError is no answer about what is there either."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(errors.CredentialsInvalid, match="no AWS credentials") as caught:
        identity().caller()
    assert "Prefect worker" in str(caught.value)


def test_a_throttle_in_a_quotas_code() -> None:
    """Some services say LimitExceededException of both; a throttled call must be tried again, a quota not."""
    assert meaning_of("LimitExceededException", "Rate exceeded").kind is errors.Throttled
    assert not is_final("LimitExceededException", "Rate exceeded")
    assert is_final("LimitExceededException", "too many keys")


def test_waiting_that_ends_badly(prefect_worker: AwsWorld) -> None:
    """A waiter's end is either a refusal, with its code, or a time that was over."""
    us = administrator()
    waiter = us.client("ec2").get_waiter("vpc_available")
    with pytest.raises(errors.NotFound, match=r"InvalidVpcID\.NotFound"), translated("vpc-12345678"):
        waiter.wait(VpcIds=["vpc-12345678"], WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    over = WaiterError(name="VpcAvailable", reason="Max attempts exceeded", last_response={"Vpcs": []})
    assert isinstance(translate(over, "vpc-1"), errors.TimedOut)


def test_what_we_ask_wrongly(prefect_worker: AwsWorld) -> None:
    """A value that never left the machine is told like one that AWS refused."""
    with pytest.raises(errors.RequestRefused, match="Parameter validation failed"), translated("role"):
        identity().client("iam").create_role(RoleName=1, AssumeRolePolicyDocument="{}")
    assert prefect_worker.calls() == []


def test_our_own_errors_pass_as_they_are() -> None:
    """An error translated twice would lose its class and its advice."""
    error = errors.NotFound("there is none", where="here")
    with pytest.raises(errors.NotFound) as caught, translated("elsewhere"):
        raise error
    assert caught.value is error


def test_a_denied_action_is_named(prefect_worker: AwsWorld) -> None:
    """OPS-06: "access denied" alone leaves one to guess which of fifty actions is missing."""
    words = (
        "User: arn:aws:iam::222222222222:user/a is not authorized to perform: iam:CreateRole on resource: "
        "arn:aws:iam::222222222222:role/gw because no identity-based policy allows the iam:CreateRole action"
    )
    prefect_worker.fault("error", "iam:ListRoles", code="AccessDenied", status=403, message=words)
    with pytest.raises(errors.AccessDenied) as caught, translated("role groundwork-access"):
        identity().client("iam").list_roles()
    assert caught.value.what.startswith(
        "not allowed to do iam:CreateRole on arn:aws:iam::222222222222:role/gw (ListRoles: AccessDenied, request "
    )
    assert "Let the policy allow iam:CreateRole" in caught.value.advice
    assert code_of(caught.value.__cause__) == "AccessDenied"


def user_with(aws: AwsWorld, *actions: str) -> dict[str, str]:
    """Make a user of CUSTOMER who may do these actions; return the environment of a process that is this user."""
    iam = aws.client("iam", CUSTOMER)
    iam.create_user(UserName="ann")
    if actions:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="ann", PolicyName="some", PolicyDocument=policy)
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@pytest.mark.parametrize("may_decode", [True, False])
def test_encoded_reasons_are_decoded(
    prefect_worker: AwsWorld, monkeypatch: pytest.MonkeyPatch, *, may_decode: bool
) -> None:
    """OPS-06: EC2's reason is a blob of 500 letters that only sts:DecodeAuthorizationMessage can read."""
    allowed = ["sts:DecodeAuthorizationMessage"] if may_decode else []
    for variable, value in user_with(prefect_worker, *allowed).items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(errors.AccessDenied) as caught, translated("a network"):
        identity().client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
    line = str(caught.value)
    assert "not allowed to do ec2:CreateVpc on arn:aws:ec2:us-east-1:222222222222:vpc/*" in line
    assert ("asked with aws:requestedregion=us-east-1" in line) is may_decode
    assert ("allow sts:DecodeAuthorizationMessage" in line) is not may_decode
    assert "Encoded" not in line


def refused(words: str, decoded: str = "", code: str = "UnauthorizedOperation") -> GroundworkError:
    response: Any = {"Error": {"Code": code, "Message": words, "Decoded": decoded}}
    return translate(ClientError(response, "RunInstances"), "nodes")


def test_a_reason_that_only_the_decoded_message_tells() -> None:
    """OPS-06: EC2's older form of the refusal names neither action nor resource in its words."""
    tag = {"key": "aws:RequestTag/groundwork:cluster", "values": {"items": [{"value": "demo"}]}}
    context = {"action": "ec2:RunInstances", "resource": "arn:aws:ec2:::instance/*", "conditions": {"items": [tag]}}
    words = "You are not authorized to perform this operation. Encoded authorization failure message: abc-_DEF123"
    for is_denied, advice in ((False, "Let the policy allow ec2:RunInstances"), (True, "A Deny statement forbids")):
        error = refused(words, json.dumps({"allowed": False, "explicitDeny": is_denied, "context": context}))
        assert error.what.startswith(
            "not allowed to do ec2:RunInstances on arn:aws:ec2:::instance/*; "
            "asked with aws:RequestTag/groundwork:cluster=demo (RunInstances: "
        )
        assert error.advice.startswith(advice)
        assert "abc-_DEF123" not in str(error)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        (
            "because no identity-based policy allows the ec2:RunInstances action",
            "Let the policy allow ec2:RunInstances",
        ),
        ("because no permissions boundary allows the ec2:RunInstances action", "Let the permissions boundary allow"),
        ("because no session policy allows the ec2:RunInstances action", "Let the session policy allow"),
        ("with an explicit deny in a service control policy", "The organisation's policy forbids it"),
        ("with an explicit deny in an identity-based policy", "A Deny statement forbids ec2:RunInstances"),
    ],
)
def test_who_may_allow_it_is_told(reason: str, advice: str) -> None:
    """OPS-06: nobody in the account can lift what the organisation denies, whatever its policies allow."""
    words = f"User: arn:aws:iam::2:user/a is not authorized to perform: ec2:RunInstances on resource: x {reason}"
    assert refused(words).advice.startswith(advice)
