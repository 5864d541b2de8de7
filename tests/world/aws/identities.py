"""Users, keys and policies that tests of permissions make."""

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.worlds.aws_world import INSTALLATION, AwsWorld

Statement = dict[str, Any]


def trust(*principals: str, external_id: str = "", action: str = "sts:AssumeRole") -> str:
    """Return a trust policy for principals, with an external id where one is given."""
    condition = {"Condition": {"StringEquals": {"sts:ExternalId": external_id}}} if external_id else {}
    statement = {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": action, **condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(*actions: str, resource: str = "*") -> str:
    """Return a policy that allows actions."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_user(aws: AwsWorld, account: str, name: str = "ada", policy: str = "") -> dict[str, str]:
    """Make a user, and return its key in boto3's words."""
    iam = aws.client("iam", account)
    iam.create_user(UserName=name)
    if policy:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}


def asker(aws: AwsWorld, account: str) -> dict[str, str]:
    """Return the key of somebody in an account who may assume roles: no root user may."""
    return aws.worker if account == INSTALLATION else make_user(aws, account, "asker", allow("sts:AssumeRole"))


def key_of(answer: dict[str, Any]) -> dict[str, str]:
    """Return the key in an answer of STS, in boto3's words."""
    told = answer["Credentials"]
    return {
        "aws_access_key_id": told["AccessKeyId"],
        "aws_secret_access_key": told["SecretAccessKey"],
        "aws_session_token": told["SessionToken"],
    }


def may(actions: str | list[str], resource: str | list[str] = "*", **condition: Any) -> Statement:
    """Return a statement that allows actions, under conditions by operator."""
    told: Statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return {**told, "Condition": condition} if condition else told


def give(aws: AwsWorld, *statements: Statement, user: str = "ada") -> None:
    """Give a user these statements in place of its former ones."""
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    aws.client("iam").put_user_policy(UserName=user, PolicyName="own", PolicyDocument=document)


def refusal(call: Callable[..., Any], **told: Any) -> tuple[str, str]:
    """Return the code and words with which a call is refused; empty where it is not. A dry run is let through."""
    try:
        call(**told)
    except ClientError as refused:
        error = refused.response["Error"]
        return ("", "") if error["Code"] == "DryRunOperation" else (str(error["Code"]), str(error["Message"]))
    return "", ""
