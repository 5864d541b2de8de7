"""The first and last doors of every request: who calls, what the record keeps, what cannot be answered (OPS-24)."""

import socket
import struct
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from tests.world.aws.identities import allow, key_of, make_user, trust
from tests.world.aws.refusals import refused
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

ROOT = f"AKIA{CUSTOMER}ROOT"
ASKS = {
    "ec2": "describe_vpcs",
    "iam": "list_roles",
    "sts": "get_caller_identity",
    "s3": "list_buckets",
    "kms": "list_keys",
    "efs": "describe_file_systems",
    "ssm": "describe_parameters",
    "secretsmanager": "list_secrets",
    "service-quotas": "list_services",
    "resourcegroupstaggingapi": "get_resources",
}
"""A harmless question to each service."""


def code_of(aws: AwsWorld, service: str, **key: str) -> str:
    """Return the code with which a service refuses a harmless question; empty where it does not."""
    try:
        getattr(aws.client(service, **key), ASKS[service])()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def session(aws: AwsWorld) -> dict[str, str]:
    """Return the key of a session that may ask everything."""
    iam = aws.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{INSTALLATION}:root"))
    iam.put_role_policy(RoleName="r", PolicyName="all", PolicyDocument=allow("*"))
    arn = f"arn:aws:iam::{CUSTOMER}:role/r"
    return key_of(aws.client("sts", **aws.worker).assume_role(RoleArn=arn, RoleSessionName="test"))


def test_keys_that_are_none(aws: AwsWorld) -> None:
    """Bare moto takes any key and any secret. Each service says it in its own words."""
    unknown = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "x"}
    wrong = {"aws_access_key_id": ROOT, "aws_secret_access_key": "wrong"}
    found = {service: (code_of(aws, service, **unknown), code_of(aws, service, **wrong)) for service in ASKS}
    plain = ("UnrecognizedClientException", "SignatureDoesNotMatch")
    special = {
        "ec2": ("AuthFailure", "AuthFailure"),
        "iam": ("InvalidClientTokenId", "SignatureDoesNotMatch"),
        "sts": ("InvalidClientTokenId", "SignatureDoesNotMatch"),
        "s3": ("InvalidAccessKeyId", "SignatureDoesNotMatch"),
    }
    assert found == {**dict.fromkeys(ASKS, plain), **special}
    assert {code_of(aws, service) for service in ASKS} == {""}


def test_sessions_have_a_token_and_an_end(aws: AwsWorld) -> None:
    """A session's key is none without its token, with another's, and after its end."""
    key = session(aws)
    bare = {name: value for name, value in key.items() if name != "aws_session_token"}
    forged = {**key, "aws_session_token": key["aws_session_token"][::-1]}
    assert {code_of(aws, service, **key) for service in ASKS} == {""}
    for told in (bare, forged):
        assert code_of(aws, "ec2", **told) == "AuthFailure"
        assert code_of(aws, "sts", **told) == "InvalidClientTokenId"
        assert code_of(aws, "kms", **told) == "UnrecognizedClientException"
    assert aws.end_sessions() == 1
    ended = {service: code_of(aws, service, **key) for service in ("ec2", "iam", "sts", "s3", "efs", "kms", "ssm")}
    xml = dict.fromkeys(("iam", "sts", "s3", "efs"), "ExpiredToken")
    assert ended == {"ec2": "RequestExpired", **xml, **dict.fromkeys(("kms", "ssm"), "ExpiredTokenException")}


def test_a_deleted_key_is_none(aws: AwsWorld) -> None:
    """A user's key ends with it."""
    key = make_user(aws, CUSTOMER, policy=allow("ec2:*"))
    assert code_of(aws, "ec2", **key) == ""
    aws.client("iam").delete_access_key(UserName="ada", AccessKeyId=key["aws_access_key_id"])
    assert code_of(aws, "ec2", **key) == "AuthFailure"


def test_a_request_that_is_not_signed_is_none(aws: AwsWorld) -> None:
    """The world has nothing that everybody may read."""
    with pytest.raises(urllib.error.HTTPError, match="501"):
        urllib.request.urlopen(f"{aws.url}/?Action=DescribeVpcs&Version=2016-11-15", timeout=10)
    (told,) = aws.unanswered()
    assert "not signed" in told
    aws.reset()


def test_the_record_tells_one_line_for_each_request(aws: AwsWorld) -> None:
    """Bounds on calls count first attempts, whoever made them, and leave botocore's repetitions out."""
    ec2 = aws.client("ec2")
    aws.fault("error", "ec2:DescribeVpcs", code="InternalError", status=500, message="hm")
    ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])
    refused("InvalidVpcID.NotFound", aws.client("ec2", INSTALLATION).describe_vpcs, VpcIds=["vpc-00000000000000000"])
    first, again, other = aws.calls("ec2:DescribeVpcs")
    assert (first["attempt"], again["attempt"], other["attempt"]) == (1, 2, 1)
    assert first["invocation"] == again["invocation"] != other["invocation"] != ""
    assert (first["status"], first["error"], first["faults"]) == (500, "InternalError", ["error"])
    assert (again["status"], again["error"], again["faults"]) == (200, "", [])
    assert (other["status"], other["error"]) == (400, "InvalidVpcID.NotFound")
    assert first["principal"] == f"arn:aws:iam::{CUSTOMER}:root"
    assert (other["account"], other["region"]) == (INSTALLATION, "us-east-1")
    assert other["params"] == {"VpcIds": ["vpc-00000000000000000"]}
    assert again["actions"] == [["ec2:DescribeVpcs", "*"]]


def test_what_nobody_answers_is_loud(aws: AwsWorld) -> None:
    """A test that swallows the error of a call fails all the same: this is checked after each test."""
    with pytest.raises(ResponseParserError):
        aws.client("ec2").describe_elastic_gpus()
    with pytest.raises(ClientError) as error:
        aws.client("kms").describe_custom_key_stores()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert aws.client("ec2").describe_vpcs()["Vpcs"]
    assert [told.partition(": ")[0] for told in aws.unanswered()] == [
        "ec2:DescribeElasticGpus",
        "kms:DescribeCustomKeyStores",
    ]
    aws.reset()
    assert aws.unanswered() == []


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_client_that_goes_in_the_middle_of_its_request_asked_nothing(aws: AwsWorld, *, is_reset: bool) -> None:
    """A killed process does so; were it taken for a question that nobody answers, the next test would fail of it."""
    host, _, port = aws.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nAction=Describe")
        if is_reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    before = len(aws.calls())
    aws.client("ec2").describe_vpcs()
    assert (aws.unanswered(), len(aws.calls())) == ([], before + 1)


def test_a_dry_run_does_nothing(aws: AwsWorld) -> None:
    """Moto makes what it was asked to try."""
    ec2 = aws.client("ec2")
    refused("DryRunOperation", ec2.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True)
    refused("DryRunOperation", ec2.describe_vpcs, DryRun=True)
    assert [vpc["IsDefault"] for vpc in ec2.describe_vpcs()["Vpcs"]] == [True]
    key = make_user(aws, CUSTOMER, policy=allow("ec2:Describe*"))
    poor: Any = aws.client("ec2", **key)
    refused("UnauthorizedOperation", poor.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True)


def test_what_a_model_forbids_is_refused(aws: AwsWorld) -> None:
    """botocore sends enums, patterns, longest lengths and highest numbers as they are; AWS refuses them at its door."""
    iam, sts = aws.client("iam"), aws.client("sts")
    arn = f"arn:aws:iam::{CUSTOMER}:role/r"
    refused("ValidationError", sts.assume_role, RoleArn=arn, RoleSessionName="no blanks")
    refused("ValidationError", sts.assume_role, RoleArn=arn, RoleSessionName="test", DurationSeconds=43201)
    refused("ValidationError", sts.assume_role, RoleArn=arn, RoleSessionName="test", ExternalId="a b")
    refused("ValidationError", iam.create_role, RoleName="x" * 65, AssumeRolePolicyDocument=trust(arn))
    refused("ValidationException", aws.client("kms").create_key, KeySpec="RSA_1024")
    refused("ValidationException", aws.client("ssm").put_parameter, Name="/a", Value="x", Type="Secret")
    refused("BadRequest", aws.client("efs").create_file_system, CreationToken="x" * 65)
    refused("InvalidParameterValue", aws.client("ec2").describe_vpcs, MaxResults=1001)


def test_the_clock_stands_runs_and_is_pushed_on(aws: AwsWorld) -> None:
    """Waiting in tests is done with it: nobody sleeps for a file system that takes a day."""
    efs = aws.client("efs")
    aws.settings(efs_s={"file_system": 24 * 3600.0})

    def state(file_system_id: str) -> str:
        return str(efs.describe_file_systems(FileSystemId=file_system_id)["FileSystems"][0]["LifeCycleState"])

    aws.speed(0)
    first = efs.create_file_system(CreationToken="a")["FileSystemId"]
    aws.advance(24 * 3600 - 1)
    assert state(first) == "creating"
    aws.advance(2)
    assert state(first) == "available"
    second = efs.create_file_system(CreationToken="b")["FileSystemId"]
    aws.speed(1e9)
    assert state(second) == "available"
