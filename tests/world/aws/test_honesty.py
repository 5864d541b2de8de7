"""The world answers as AWS's service models say, or not at all (OPS-23).

A permanent control: documents that are broken on purpose, one way each, must each be found out.
"""

import copy
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from tests.worlds.aws import models, rules, wire
from tests.worlds.aws.call import Call, CannotAnswer, Principal, Refused
from tests.worlds.aws.keys import root_key
from tests.worlds.aws.moto_is_off import KNOWN
from tests.worlds.aws.rules import all as _all_rules  # noqa: F401
from tests.worlds.aws.server import Server
from tests.worlds.aws_world import CUSTOMER, AwsWorld

THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROLE = {
    "Path": "/",
    "RoleName": "Groundwork",
    "RoleId": "AROAEXAMPLEEXAMPLE01",
    "Arn": f"arn:aws:iam::{CUSTOMER}:role/Groundwork",
    "CreateDate": THEN,
    "MaxSessionDuration": 3600,
}
GOOD: dict[str, dict[str, Any]] = {
    "ec2:DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1", "State": "available", "IsDefault": True, "Tags": []}]},
    "ec2:DescribeSubnets": {"Subnets": [{"SubnetId": "subnet-1", "AvailableIpAddressCount": 251}]},
    "iam:GetRole": {"Role": ROLE},
    "kms:DescribeKey": {
        "KeyMetadata": {"KeyId": "k", "Arn": "arn:aws:kms:us-east-1:222222222222:key/k", "KeyState": "Enabled"}
    },
    "efs:DescribeMountTargets": {
        "MountTargets": [
            {
                "MountTargetId": "fsmt-0123456789abcdef0",
                "FileSystemId": "fs-0123456789abcdef0",
                "SubnetId": "subnet-0123456789abcdef0",
                "LifeCycleState": "available",
                "IpAddress": "10.0.0.4",
            }
        ]
    },
    "s3:GetBucketEncryption": {
        "ServerSideEncryptionConfiguration": {
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}]
        }
    },
}
"""An answer of each protocol: ec2, query, json, rest-json, rest-xml."""

_KEY, _TARGET = ("KeyMetadata",), ("MountTargets", 0)
_RULE = ("ServerSideEncryptionConfiguration", "Rules", 0)
GONE = "left out"

BROKEN: list[tuple[str, str, tuple[str | int, ...], Any]] = [
    ("ec2:DescribeVpcs", "unknown member", ("Vpcs", 0, "VpcID"), "vpc-1"),
    ("ec2:DescribeVpcs", "wrong type", ("Vpcs", 0, "IsDefault"), "true"),
    ("ec2:DescribeVpcs", "wrong type of a list", ("Vpcs",), {"VpcId": "vpc-1"}),
    ("ec2:DescribeVpcs", "bad enum", ("Vpcs", 0, "State"), "Available"),
    ("ec2:DescribeSubnets", "a flag for a number", ("Subnets", 0, "AvailableIpAddressCount"), True),
    ("iam:GetRole", "unknown member", ("Role", "RoleARN"), "x"),
    ("iam:GetRole", "wrong type", ("Role", "CreateDate"), "soon"),
    ("iam:GetRole", "missing required", ("Role", "RoleId"), GONE),
    ("iam:GetRole", "bad pattern", ("Role", "RoleName"), "Ground work"),
    ("iam:GetRole", "too long", ("Role", "RoleName"), "x" * 65),
    ("iam:GetRole", "too short", ("Role", "Arn"), "arn"),
    ("iam:GetRole", "too high", ("Role", "MaxSessionDuration"), 43201),
    ("kms:DescribeKey", "unknown member", (*_KEY, "State"), "Enabled"),
    ("kms:DescribeKey", "wrong type", (*_KEY, "Enabled"), 1),
    ("kms:DescribeKey", "missing required", (*_KEY, "KeyId"), GONE),
    ("kms:DescribeKey", "bad enum", (*_KEY, "KeyState"), "enabled"),
    ("kms:DescribeKey", "bad pattern", (*_KEY, "AWSAccountId"), 5),
    ("efs:DescribeMountTargets", "unknown member", (*_TARGET, "State"), "available"),
    ("efs:DescribeMountTargets", "wrong type", (*_TARGET, "IpAddress"), ["10.0.0.4"]),
    ("efs:DescribeMountTargets", "missing required", (*_TARGET, "SubnetId"), GONE),
    ("efs:DescribeMountTargets", "bad enum", (*_TARGET, "LifeCycleState"), "ready"),
    ("efs:DescribeMountTargets", "bad pattern", (*_TARGET, "FileSystemId"), "fs-0123456789ABCDEF0"),
    ("efs:DescribeMountTargets", "too long", (*_TARGET, "IpAddress"), "10.0.0.4/32 and more"),
    ("s3:GetBucketEncryption", "unknown member", (*_RULE, "Bucket"), "b"),
    ("s3:GetBucketEncryption", "wrong type", (*_RULE, "BucketKeyEnabled"), "true"),
    (
        "s3:GetBucketEncryption",
        "missing required",
        (*_RULE, "ApplyServerSideEncryptionByDefault", "SSEAlgorithm"),
        GONE,
    ),
    ("s3:GetBucketEncryption", "bad enum", (*_RULE, "ApplyServerSideEncryptionByDefault", "SSEAlgorithm"), "AES512"),
]


def call_of(name: str) -> Call:
    """Return a call of an operation."""
    service, _, operation = name.partition(":")
    principal = Principal(f"arn:aws:iam::{CUSTOMER}:root", CUSTOMER, CUSTOMER)
    return Call(service, operation, {}, "us-east-1", "AKIA", 1, "i", principal)


def broken(document: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """Return a copy of a document with another value at a place."""
    changed = copy.deepcopy(document)
    *way, last = path
    place: Any = changed
    for step in way:
        place = place[step]
    if value == GONE:
        del place[last]
    else:
        place[last] = value
    return changed


@pytest.mark.parametrize("name", GOOD)
def test_a_good_answer_goes_there_and_back(name: str) -> None:
    """What a rule says is what boto3 shows, in each protocol: the control would prove nothing if all were refused."""
    call = call_of(name)
    assert wire.parse(call, wire.answer(call, GOOD[name], 1)) == GOOD[name]


@pytest.mark.parametrize(("name", "kind", "path", "value"), BROKEN, ids=lambda told: str(told)[:30])
def test_a_broken_answer_is_found_out(name: str, kind: str, path: tuple[str | int, ...], value: Any) -> None:
    """Each way of being wrong, in each protocol; botocore's parsers read most of these without a word."""
    with pytest.raises(CannotAnswer, match="is not AWS's"):
        wire.answer(call_of(name), broken(GOOD[name], path, value), 1)


@pytest.mark.parametrize("name", [name for name in GOOD if not name.startswith("ec2")])
def test_an_error_that_the_model_does_not_list_is_found_out(name: str) -> None:
    """A made-up code would train us to handle what AWS never says; EC2's models alone list none."""
    with pytest.raises(CannotAnswer, match="knows no error"):
        wire.refusal(call_of(name), Refused("NoSuchThing", "no"), 1)


def test_an_error_lacks_none_of_its_members() -> None:
    """EFS tells the file system that exists; who reads it from the error would find nothing."""
    call = call_of("efs:CreateFileSystem")
    with pytest.raises(CannotAnswer, match="lacks FileSystemId"):
        wire.refusal(call, Refused("FileSystemAlreadyExists", "exists", 409), 1)
    told = wire.refusal(call, Refused("FileSystemAlreadyExists", "exists", FileSystemId="fs-0123456789abcdef0"), 1)
    assert told.status_code == 409


@pytest.fixture
def server() -> Iterator[Server]:
    """A world in this process, whose store a test may spoil."""
    server = Server()
    server.start()
    AwsWorld(server.url).reset()  # moto's stores are the process's
    yield server
    AwsWorld(server.url).reset()
    server.close()


def client_of(server: Server, service: str) -> Any:
    """Return a client of the customer's root user."""
    key = root_key(CUSTOMER)
    told = {"aws_access_key_id": key.access_key, "aws_secret_access_key": key.secret}
    return boto3.client(service, region_name="us-east-1", endpoint_url=server.url, **told)


def spoil_vpcs(server: Server) -> None:
    """Give a network a state that AWS does not have: a listed answer, amended by rules."""
    next(iter(server.world.backend(call_of("ec2:DescribeVpcs")).vpcs.values())).state = "odd"


def spoil_file_system(server: Server) -> None:
    """Give a file system a rule that AWS does not have: moto's own answer, touched by no rule."""
    client_of(server, "efs").create_file_system(CreationToken="one")
    assert "efs:DescribeLifecycleConfiguration" not in {
        *rules.MAKERS,
        *(name for name in rules.AMENDMENTS if rules.AMENDMENTS[name]),
    }
    for system in server.world.backend(call_of("efs:DescribeFileSystems")).file_systems_by_id.values():
        system.lifecycle_policies = [{"TransitionToIA": "NEVER"}]


def lifecycle(server: Server) -> Any:
    """Ask for the file system's rules."""
    efs = client_of(server, "efs")
    (system,) = efs.describe_file_systems()["FileSystems"]
    return efs.describe_lifecycle_configuration(FileSystemId=system["FileSystemId"])


def spoil_key(server: Server) -> None:
    """Give a key a state that AWS does not have."""
    client_of(server, "kms").create_key()
    for key in server.world.backend(call_of("kms:DescribeKey")).keys.values():
        key.key_state = "Lost"


ASKED: dict[str, tuple[Callable[[Server], None], Callable[[Server], Any]]] = {
    "ec2:DescribeVpcs": (spoil_vpcs, lambda server: client_of(server, "ec2").describe_vpcs()),
    "efs:DescribeLifecycleConfiguration": (spoil_file_system, lifecycle),
    "kms:DescribeKey": (
        spoil_key,
        lambda server: client_of(server, "kms").describe_key(
            KeyId=client_of(server, "kms").list_keys()["Keys"][0]["KeyId"]
        ),
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_broken_answer_is_loud(server: Server, name: str) -> None:
    """The check stands in every answer's way, moto's untouched ones among them, and the test that swallows it fails."""
    spoil, ask = ASKED[name]
    assert client_of(server, "ec2").describe_vpcs()["Vpcs"]
    assert server.world.unanswered == []
    spoil(server)
    with pytest.raises((ClientError, ResponseParserError)):
        ask(server)
    assert [told for told in server.world.unanswered if told.startswith(f"{name}: ") and "is not AWS's" in told]


def test_what_is_let_through_is_little_and_has_its_reason() -> None:
    """A growing list of exceptions would end the check."""
    names = [f"{service}:{name}" for service in wire.SERVICES.values() for name in _operations(service)]
    assert len(KNOWN) <= 15
    for operation, pattern, reason in KNOWN:
        assert any(re.fullmatch(operation, name) for name in names), operation
        assert pattern
        assert reason


def _operations(service: str) -> list[str]:
    return list(models.service_model(service).operation_names)


def test_every_rule_is_of_an_operation_that_exists() -> None:
    """A rule for an operation with a slip in its name would never be asked."""
    named = {*rules.REFUSALS, *rules.MAKERS, *rules.AMENDMENTS}
    known = {f"{service}:{name}" for service in wire.SERVICES.values() for name in _operations(service)}
    assert named - known == set()
