"""Lists in pages: opaque tokens, of one question, one account and one region (OPS-24)."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.session import get_session

from tests.world.aws.refusals import refused
from tests.worlds.aws import models, paging
from tests.worlds.aws.wire import SERVICES
from tests.worlds.aws_world import INSTALLATION, AwsWorld

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


def of_ec2(ec2: Any) -> None:
    for number in range(3):
        ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")


def of_iam(iam: Any) -> None:
    for number in range(4):
        iam.create_role(RoleName=f"r{number}", AssumeRolePolicyDocument=TRUST)


def of_efs(efs: Any) -> None:
    for number in range(4):
        efs.create_file_system(CreationToken=f"t{number}")


def of_kms(kms: Any) -> None:
    for _ in range(4):
        kms.create_key()


def of_ssm(ssm: Any) -> None:
    for number in range(4):
        ssm.put_parameter(Name=f"/p{number}", Value="x", Type="String")


def of_secrets(secrets: Any) -> None:
    for number in range(4):
        secrets.create_secret(Name=f"s{number}", SecretString="x")


def of_logs(logs: Any) -> None:
    for number in range(4):
        logs.create_log_group(logGroupName=f"/g{number}")


def nothing(_: Any) -> None:
    """Service Quotas has its list from the start."""


LISTS: dict[str, tuple[str, str, str, Callable[[Any], None]]] = {
    "ec2": ("describe_vpcs", "Vpcs", "NextToken", of_ec2),
    "iam": ("list_roles", "Roles", "Marker", of_iam),
    "efs": ("describe_file_systems", "FileSystems", "Marker", of_efs),
    "kms": ("list_keys", "Keys", "Marker", of_kms),
    "ssm": ("describe_parameters", "Parameters", "NextToken", of_ssm),
    "secretsmanager": ("list_secrets", "SecretList", "NextToken", of_secrets),
    "logs": ("describe_log_groups", "logGroups", "nextToken", of_logs),
    "service-quotas": ("list_services", "Services", "NextToken", nothing),
}
BAD_TOKEN = {
    "ec2": "InvalidParameterValue",
    "iam": "ValidationError",
    "efs": "BadRequest",
    "kms": "InvalidMarkerException",
    "ssm": "InvalidNextToken",
    "secretsmanager": "InvalidNextTokenException",
    "logs": "InvalidParameterException",
    "service-quotas": "InvalidPaginationTokenException",
}


def pages(client: Any, operation: str, key: str) -> Iterator[list[str]]:
    """Yield the pages of a list, each item as text; sizes are told with the time at which they were taken."""
    for page in client.get_paginator(operation).paginate():
        yield [json.dumps({**item, "SizeInBytes": 0}, sort_keys=True, default=str) for item in page[key]]


@pytest.mark.parametrize("service", LISTS)
def test_a_small_page_size_holds_for_every_list(aws: AwsWorld, service: str) -> None:
    """Who reads the first page only is found out with four items and need not make a thousand."""
    operation, key, token, fill = LISTS[service]
    client = aws.client(service)
    fill(client)
    whole = [item for page in pages(client, operation, key) for item in page]
    assert len(whole) >= 3
    aws.settings(page_size=1)
    found = list(pages(client, operation, key))
    assert [len(page) for page in found] == [1] * len(whole)
    assert sorted(item for page in found for item in page) == sorted(whole)
    refused(BAD_TOKEN[service], getattr(client, operation), **{token: "bm90LW9uZQ=="})


def test_a_token_is_of_its_question(aws: AwsWorld) -> None:
    """Not of another account, region, operation or filter; and it may be used twice, as a lost reply needs."""
    ec2 = aws.client("ec2")
    of_ec2(ec2)
    aws.settings(page_size=1)
    token = ec2.describe_vpcs()["NextToken"]
    assert "vpc" not in token
    again = [ec2.describe_vpcs(NextToken=token)["Vpcs"][0]["VpcId"] for _ in range(2)]
    assert again[0] == again[1]
    for client in (aws.client("ec2", INSTALLATION), aws.client("ec2", region="eu-west-1")):
        refused("InvalidParameterValue", client.describe_vpcs, NextToken=token)
    refused("InvalidParameterValue", ec2.describe_subnets, NextToken=token)
    mine = [{"Name": "is-default", "Values": ["false"]}]
    refused("InvalidParameterValue", ec2.describe_vpcs, NextToken=token, Filters=mine)
    aws.fault("lose_reply", "ec2:DescribeVpcs", nth=2)
    assert sum(len(page) for page in pages(ec2, "describe_vpcs", "Vpcs")) == 4


def test_a_lower_limit_is_kept_to(aws: AwsWorld) -> None:
    """What a caller asks for is the most it gets; moto answers many lists whole."""
    of_iam(aws.client("iam"))
    first = aws.client("iam").list_roles(MaxItems=3)
    assert (len(first["Roles"]), first["IsTruncated"]) == (3, True)
    last = aws.client("iam").list_roles(MaxItems=3, Marker=first["Marker"])
    assert (len(last["Roles"]), last["IsTruncated"], "Marker" in last) == (1, False, False)


def test_two_lists_in_one_answer_are_paged_together(aws: AwsWorld) -> None:
    """IAM's users and roles of a policy come one after the other."""
    iam = aws.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document)["Policy"]["Arn"]
    of_iam(iam)
    iam.create_user(UserName="u")
    iam.attach_user_policy(UserName="u", PolicyArn=arn)
    for number in range(4):
        iam.attach_role_policy(RoleName=f"r{number}", PolicyArn=arn)
    aws.settings(page_size=2)
    found = list(iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn))
    sizes = [len(page.get("PolicyUsers", [])) + len(page.get("PolicyRoles", [])) for page in found]
    assert sizes == [2, 2, 1]
    assert {role["RoleName"] for page in found for role in page.get("PolicyRoles", [])} == {f"r{n}" for n in range(4)}


def test_members_beside_the_list_are_on_every_page(aws: AwsWorld) -> None:
    """A group is told again with each page of its users."""
    iam = aws.client("iam")
    iam.create_group(GroupName="g")
    for number in range(3):
        iam.create_user(UserName=f"u{number}")
        iam.add_user_to_group(GroupName="g", UserName=f"u{number}")
    aws.settings(page_size=1)
    found = list(iam.get_paginator("get_group").paginate(GroupName="g"))
    assert [(page["Group"]["GroupName"], len(page["Users"])) for page in found] == [("g", 1)] * 3


OTHERWISE = {
    "dynamodb:Query",
    "dynamodb:Scan",
    "cloudwatch:GetMetricData",
    "ec2:DescribeVpcEndpointServices",
    "s3:ListBuckets",
    "s3:ListObjectAnnotations",
}
"""Not slices of lists, or lists that nobody has a thousand of."""


def test_every_paginator_of_botocore_has_pages_here() -> None:
    """A list without pages in the world would never show who reads the first one only."""
    missing = set()
    for service in SERVICES.values():
        try:
            told = get_session().get_paginator_model(service)._paginator_config
        except (UnknownServiceError, ValueError):
            continue
        for operation in told:
            if operation in models.service_model(service).operation_names and not paging._paged(service, operation):
                missing.add(f"{service}:{operation}")
    assert {name for name in missing if not name.startswith("s3:")} <= OTHERWISE
