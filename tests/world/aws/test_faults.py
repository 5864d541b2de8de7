"""Faults of the world: each kind goes wrong as it does in AWS, and only where it was told to (OPS-24)."""

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.world.aws.identities import allow, make_user
from tests.world.aws.refusals import refused
from tests.worlds.aws.keys import root_key
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld


def once(aws: AwsWorld, service: str, **settings: Any) -> Any:
    """Return a client that asks once and does not repeat."""
    key = root_key(CUSTOMER)
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, **settings)
    told = {"aws_access_key_id": key.access_key, "aws_secret_access_key": key.secret}
    return boto3.client(service, region_name="us-east-1", endpoint_url=aws.url, config=config, **told)


QUESTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "ec2": ("DescribeVpcs", lambda client: client.describe_vpcs()),
    "iam": ("ListRoles", lambda client: client.list_roles()),
    "sts": ("GetCallerIdentity", lambda client: client.get_caller_identity()),
    "cloudformation": ("ListStacks", lambda client: client.list_stacks()),
    "s3": ("ListBuckets", lambda client: client.list_buckets()),
    "kms": ("ListKeys", lambda client: client.list_keys()),
    "ssm": ("DescribeParameters", lambda client: client.describe_parameters()),
    "secretsmanager": ("ListSecrets", lambda client: client.list_secrets()),
    "service-quotas": ("ListServices", lambda client: client.list_services()),
    "resourcegroupstaggingapi": ("GetResources", lambda client: client.get_resources()),
    "cloudwatch": ("ListMetrics", lambda client: client.list_metrics()),
    "dynamodb": ("ListTables", lambda client: client.list_tables()),
    "sagemaker": ("ListDomains", lambda client: client.list_domains()),
    "efs": ("DescribeFileSystems", lambda client: client.describe_file_systems()),
}
"""A question to a service of each protocol: ec2, query, rest-xml, json, rest-json."""


@pytest.mark.parametrize("service", QUESTIONS)
def test_an_injected_error_is_read_by_botocore(aws: AwsWorld, service: str) -> None:
    """An error in the wrong form would reach us as code "400", and every test of its handling would prove nothing."""
    operation, ask = QUESTIONS[service]
    client, words = once(aws, service), 'of "this" & <that>'
    for code, status in (("Some.Code", 400), ("AccessDenied", 403), ("InternalError", 500)):
        aws.fault("error", f"{service}:{operation}", code=code, status=status, message=words)
        with pytest.raises(ClientError) as error:
            ask(client)
        told = error.value.response
        assert (told["Error"]["Code"], told["Error"]["Message"]) == (code, words)
        assert told["ResponseMetadata"]["HTTPStatusCode"] == status
        assert told["ResponseMetadata"]["RequestId"]
        ask(client)


def test_the_nth_call_of_some_is_hit(aws: AwsWorld) -> None:
    """Counted over the calls that fit: by operation, parameters and who calls."""
    ec2, other = once(aws, "ec2"), aws.client("ec2", INSTALLATION)
    aws.fault("error", "ec2:CreateVpc", nth=2, times=2, where={"CidrBlock": "10.0.0.0/16"}, code="Some.Code")
    made: list[str] = []
    for cidr in ("10.0.0.0/16", "10.1.0.0/16", "10.0.0.0/16", "10.1.0.0/16", "10.0.0.0/16", "10.0.0.0/16"):
        try:
            ec2.create_vpc(CidrBlock=cidr)
            made.append(cidr)
        except ClientError as error:
            made.append(error.response["Error"]["Code"])
    assert made == ["10.0.0.0/16", "10.1.0.0/16", "Some.Code", "10.1.0.0/16", "Some.Code", "10.0.0.0/16"]
    aws.mend()
    aws.fault("error", "ec2:*", times=-1, principal=CUSTOMER, code="Some.Code")
    refused("Some.Code", ec2.describe_vpcs)
    refused("Some.Code", ec2.describe_subnets)
    assert other.describe_vpcs()["Vpcs"]
    aws.mend()
    assert ec2.describe_vpcs()["Vpcs"]
    aws.fault("error", "ec2:TerminateInstances", where={"InstanceIds": "i-00000000000000001"}, code="Some.Code")
    wanted = ["i-00000000000000000", "i-00000000000000001"]
    refused("Some.Code", ec2.terminate_instances, InstanceIds=wanted)


def test_one_of_many_callers_is_hit(aws: AwsWorld) -> None:
    """A fault for one user leaves the account's others alone."""
    ada, bob = (aws.client("ec2", **make_user(aws, CUSTOMER, name, allow("ec2:*"))) for name in ("ada", "bob"))
    aws.fault("error", "*", times=-1, principal="user/ada", code="Some.Code")
    refused("Some.Code", ada.describe_vpcs)
    assert bob.describe_vpcs()["Vpcs"]


def test_a_dropped_call_is_not_done(aws: AwsWorld) -> None:
    """The connection closes before anything is done; boto3 asks again by itself."""
    with_patience, without = aws.client("ec2"), once(aws, "ec2")
    aws.fault("drop", "ec2:CreateVpc")
    with pytest.raises(ConnectionClosedError):
        without.create_vpc(CidrBlock="10.0.0.0/16")
    assert len(without.describe_vpcs()["Vpcs"]) == 1
    aws.fault("drop", "ec2:CreateVpc")
    with_patience.create_vpc(CidrBlock="10.0.0.0/16")
    assert len(without.describe_vpcs()["Vpcs"]) == 2
    assert [call["error"] for call in aws.calls("ec2:CreateVpc")] == ["no reply", "no reply", ""]


def test_a_lost_reply_was_done(aws: AwsWorld) -> None:
    """boto3 asks again: without a token there are two, with one there is one. Moto makes two of both."""
    ec2 = aws.client("ec2")
    aws.fault("lose_reply", "ec2:CreateVpc")
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    mine = {"Filters": [{"Name": "is-default", "Values": ["false"]}]}
    assert len(ec2.describe_vpcs(**mine)["Vpcs"]) == 2
    subnet_id = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    aws.fault("lose_reply", "ec2:CreateNetworkInterface")
    made = ec2.create_network_interface(SubnetId=subnet_id)["NetworkInterface"]["NetworkInterfaceId"]
    first, again = aws.calls("ec2:CreateNetworkInterface")
    assert first["params"]["ClientToken"] == again["params"]["ClientToken"]
    assert (first["invocation"], first["attempt"], again["attempt"]) == (again["invocation"], 1, 2)
    found = ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["NetworkInterfaces"]
    assert [told["NetworkInterfaceId"] for told in found] == [made]


def test_a_delayed_answer_comes_late(aws: AwsWorld) -> None:
    """And no other waits for it."""
    ec2 = aws.client("ec2")
    ec2.describe_vpcs()
    aws.fault("delay", "ec2:DescribeVpcs", delay_s=0.4)
    began = time.monotonic()
    ec2.describe_vpcs()
    assert time.monotonic() - began >= 0.4


def test_a_stale_answer_is_of_before(aws: AwsWorld) -> None:
    """EC2 is eventually consistent: what was made is not there yet, what was deleted still is."""
    ec2 = aws.client("ec2")
    mine = {"Filters": [{"Name": "is-default", "Values": ["false"]}]}
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    aws.fault("stale", "ec2:DescribeVpcs", times=2)
    assert ec2.describe_vpcs(**mine)["Vpcs"] == []
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[vpc_id])
    assert [vpc["VpcId"] for vpc in ec2.describe_vpcs(**mine)["Vpcs"]] == [vpc_id]
    ec2.describe_vpcs(VpcIds=[vpc_id])
    ec2.delete_vpc(VpcId=vpc_id)
    aws.fault("stale", "ec2:DescribeVpcs", times=2)
    assert [vpc["VpcId"] for vpc in ec2.describe_vpcs(**mine)["Vpcs"]] == [vpc_id]
    assert [vpc["VpcId"] for vpc in ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"]] == [vpc_id]
    assert ec2.describe_vpcs(**mine)["Vpcs"] == []


def test_a_damaged_answer_is_as_long_as_a_good_one(aws: AwsWorld) -> None:
    """OPS-24: what is lost on the way is seen by whoever counts; what is changed only by whoever compares."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="groundwork-lab")
    s3.put_object(Bucket="groundwork-lab", Key="a", Body=b"abc")
    aws.fault("damage", "s3:GetObject", where={"Key": "a"})
    plain = once(aws, "s3", response_checksum_validation="when_required")
    assert plain.get_object(Bucket="groundwork-lab", Key="a")["Body"].read() == b"ab\x9c"
    assert plain.get_object(Bucket="groundwork-lab", Key="a")["Body"].read() == b"abc"


def test_a_stale_refusal_is_told_again(aws: AwsWorld) -> None:
    """Who asked for a role before it was there may hear once more that it is not."""
    iam = aws.client("iam")
    refused("NoSuchEntity", iam.get_role, RoleName="r")
    document = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(
        RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [document]})
    )
    aws.fault("stale", "iam:GetRole")
    refused("NoSuchEntity", iam.get_role, RoleName="r")
    assert iam.get_role(RoleName="r")["Role"]["RoleName"] == "r"


def test_throttling_by_a_bucket(aws: AwsWorld) -> None:
    """Each account and region has its own tokens, and the world's clock fills them up."""
    aws.speed(0)
    ec2 = once(aws, "ec2")
    aws.throttle("ec2:DescribeVpcs", tokens=2, refill_per_s=0.5)
    for _ in range(2):
        ec2.describe_vpcs()
    with pytest.raises(ClientError) as error:
        ec2.describe_vpcs()
    assert error.value.response["Error"]["Code"] == "RequestLimitExceeded"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    ec2.describe_subnets()
    aws.client("ec2", INSTALLATION).describe_vpcs()
    aws.client("ec2", region="eu-west-1").describe_vpcs()
    aws.advance(2)
    ec2.describe_vpcs()
    refused("RequestLimitExceeded", ec2.describe_vpcs)
    aws.advance(3600)
    for _ in range(2):
        ec2.describe_vpcs()
    refused("RequestLimitExceeded", ec2.describe_vpcs)


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("iam", "Throttling"),
        ("s3", "SlowDown"),
        ("kms", "ThrottlingException"),
        ("efs", "ThrottlingException"),
        ("service-quotas", "TooManyRequestsException"),
        ("resourcegroupstaggingapi", "ThrottledException"),
    ],
)
def test_throttling_in_each_services_words(aws: AwsWorld, service: str, code: str) -> None:
    """A service's own word for it decides whether botocore asks again by itself."""
    aws.speed(0)
    operation, ask = QUESTIONS[service]
    aws.throttle(f"{service}:{operation}", tokens=0, refill_per_s=0)
    refused(code, lambda: ask(once(aws, service)))
    aws.mend()
    ask(once(aws, service))
