"""Users, keys and policies that tests of permissions make."""

import json
from typing import Any

from tests.worlds.aws_world import AwsWorld


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


def key_of(answer: dict[str, Any]) -> dict[str, str]:
    """Return the key in an answer of STS, in boto3's words."""
    told = answer["Credentials"]
    return {
        "aws_access_key_id": told["AccessKeyId"],
        "aws_secret_access_key": told["SecretAccessKey"],
        "aws_session_token": told["SessionToken"],
    }
