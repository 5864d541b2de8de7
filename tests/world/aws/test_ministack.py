"""One table of permissions and one of trust, asked of the world and of ministack, which do not know each other.

AWS's documentation is the arbiter where they differ (checklist 5c of the facts; SEC-04, SEC-12).
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.world.aws.identities import allow, make_user, trust
from tests.world.aws.permission_scenarios import SCENARIOS, Asking, Place
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld
from tests.worlds.ministack import Ministack, ministack

THIRD = "333333333333"
DENIALS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
UNKNOWN = {"AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"}


@pytest.fixture(scope="module")
def _one_ministack() -> Iterator[Ministack]:
    with ministack() as judge:
        yield judge


@pytest.fixture
def judge(_one_ministack: Ministack) -> Ministack:
    """ministack, empty."""
    _one_ministack.reset()
    return _one_ministack


def is_allowed(ask: Callable[[], Any]) -> bool:
    """Tell whether a call gets through the door of permissions, whatever it finds behind it."""
    try:
        ask()
    except ClientError as refused:
        code = refused.response["Error"]["Code"]
        if code in UNKNOWN:
            raise
        return code not in DENIALS
    return True


def prepared(place: Place) -> Asking:
    """Make what the scenarios ask about, and the user ada."""
    iam, ec2, s3, secrets = (place.client(service, CUSTOMER) for service in ("iam", "ec2", "s3", "secretsmanager"))
    for name in ("red-1", "blue-1"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(CUSTOMER))
    iam.create_instance_profile(InstanceProfileName="ip")
    iam.add_role_to_instance_profile(InstanceProfileName="ip", RoleName="blue-1")
    s3.create_bucket(Bucket="gw-bucket")
    for key in ("a/b", "b/b", "ada/b", "bob/b"):
        s3.put_object(Bucket="gw-bucket", Key=key, Body=b"x")
    vpcs = {}
    for colour in ("red", "blue"):
        tags = [{"Key": "team", "Value": colour}]
        secrets.create_secret(Name=colour, SecretString="x", Tags=tags)
        asked = [{"ResourceType": "vpc", "Tags": tags}]
        vpcs[colour] = ec2.create_vpc(CidrBlock="10.8.0.0/16", TagSpecifications=asked)["Vpc"]["VpcId"]
    return Asking(place, make_user(place, CUSTOMER), vpcs)


def test_permissions(aws: AwsWorld, judge: Ministack) -> None:
    """A mistake in our evaluator would let the product's policies pass that AWS refuses."""
    asked = [(aws, aws.client("iam"), prepared(aws)), (judge, judge.client("iam", CUSTOMER), prepared(judge))]
    wrong = []
    for scenario in SCENARIOS:
        document = json.dumps({"Version": "2012-10-17", "Statement": scenario.statements})
        for place, iam, asking in asked:
            iam.put_user_policy(UserName="ada", PolicyName="own", PolicyDocument=document)
            expected = scenario.allowed if place is aws else scenario.expected_of_ministack()
            found = is_allowed(lambda asking=asking, scenario=scenario: scenario.ask(asking))
            if found != expected:
                wrong.append(f"{type(place).__name__}: {scenario.name}: {'allowed' if found else 'denied'}")
    assert wrong == [], "\n".join(wrong)


def test_trust(aws: AwsWorld, judge: Ministack) -> None:
    """The confused deputy: who may assume a role, with which external id."""
    told: dict[str, dict[str, bool]] = {}
    for place in (aws, judge):
        role_arn = f"arn:aws:iam::{CUSTOMER}:role/gw"
        document = trust(f"arn:aws:iam::{INSTALLATION}:root", external_id="ours")
        place.client("iam", CUSTOMER).create_role(RoleName="gw", AssumeRolePolicyDocument=document)
        worker = make_user(place, INSTALLATION, "worker", allow("sts:AssumeRole", resource=role_arn))
        nobody = make_user(place, INSTALLATION, "nobody", allow("ec2:*"))
        foreign = make_user(place, THIRD, "foreign", allow("sts:*"))
        home = make_user(place, CUSTOMER, "home", allow("sts:*"))
        asks: dict[str, tuple[bool, dict[str, str], dict[str, str]]] = {
            "right": (True, worker, {"ExternalId": "ours"}),
            "wrong external id": (False, worker, {"ExternalId": "theirs"}),
            "external id in other letters": (False, worker, {"ExternalId": "OURS"}),
            "no external id": (False, worker, {}),
            "no right of its own": (False, nobody, {"ExternalId": "ours"}),
            "another account": (False, foreign, {"ExternalId": "ours"}),
            "the role's own account": (False, home, {"ExternalId": "ours"}),
            "an unknown role": (False, worker, {"ExternalId": "ours", "RoleArn": f"{role_arn}2"}),
        }
        told[type(place).__name__] = {
            name: is_allowed(
                lambda place=place, key=key, more=more, arn=role_arn: place.client("sts", CUSTOMER, **key).assume_role(
                    **{"RoleArn": arn, "RoleSessionName": "test", **more}
                )
            )
            for name, (_, key, more) in asks.items()
        }
        expected = {name: allowed for name, (allowed, _, _) in asks.items()}
        assert told[type(place).__name__] == expected, type(place).__name__
