"""Permissions as a table: may a user with these statements do this? By the IAM User Guide and AWS's reference pages.

``ministack`` is what ministack says where that is not what AWS's documentation says; ``why`` names the page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tests.worlds.aws_world import CUSTOMER


class Place(Protocol):
    """Where one can ask: the world, or ministack."""

    def client(self, service: str, account: str = ..., **key: str) -> Any:
        """Return a client of an account's root user, or of a key."""


class Asking:
    """The user ada with one client for each service, and what there is to ask about."""

    def __init__(self, place: Place, key: dict[str, str], vpcs: dict[str, str]) -> None:
        self.vpcs = vpcs
        self._place = place
        self._key = key
        self._clients: dict[str, Any] = {}

    def to(self, service: str) -> Any:
        """Return ada's client of a service."""
        if service not in self._clients:
            self._clients[service] = self._place.client(service, CUSTOMER, **self._key)
        return self._clients[service]


Ask = Callable[[Asking], Any]
Statement = dict[str, Any]


@dataclass
class Scenario:
    """One line of the table."""

    name: str
    allowed: bool
    ask: Ask
    statements: list[Statement]
    ministack: bool | None = None
    why: str = ""

    def expected_of_ministack(self) -> bool:
        """Return ministack's own answer."""
        return self.allowed if self.ministack is None else self.ministack


def may(actions: str | list[str], resource: str | list[str] = "*", *, no: bool = False, **operators: Any) -> Statement:
    """Return a statement that allows (or with ``no`` denies) actions under conditions, given by operator.

    An operator's quantifier is its first word: ``ForAllValues_StringEquals``.
    """
    told: Statement = {"Effect": "Deny" if no else "Allow", "Action": actions, "Resource": resource}
    condition = {name.replace("_", ":"): keys for name, keys in operators.items()}
    return {**told, "Condition": condition} if condition else told


def contrary(statement: Statement, member: str) -> Statement:
    """Return a statement with NotAction for Action, or NotResource for Resource."""
    told = dict(statement)
    told[f"Not{member}"] = told.pop(member)
    return told


def describe(asking: Asking) -> Any:
    """Ask for the VPCs."""
    return asking.to("ec2").describe_vpcs()


def role(name: str) -> Ask:
    """Ask about a role."""
    return lambda asking: asking.to("iam").get_role(RoleName=name)


def get(key: str) -> Ask:
    """Ask for an object."""
    return lambda asking: asking.to("s3").get_object(Bucket="gw-bucket", Key=key)


def head(key: str) -> Ask:
    """Ask whether there is an object."""
    return lambda asking: asking.to("s3").head_object(Bucket="gw-bucket", Key=key)


def listing(prefix: str = "") -> Ask:
    """Ask for a list of objects."""
    return lambda asking: asking.to("s3").list_objects_v2(Bucket="gw-bucket", Prefix=prefix)


def secret(name: str) -> Ask:
    """Ask about a secret: red has the tag team=red, blue has team=blue."""
    return lambda asking: asking.to("secretsmanager").describe_secret(SecretId=name)


def new_secret(**tags: str) -> Ask:
    """Ask for a new secret with tags."""

    def ask(asking: Asking) -> Any:
        told = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}
        return asking.to("secretsmanager").create_secret(Name="new", SecretString="x", **told)

    return ask


def new_vpc(**tags: str) -> Ask:
    """Ask whether a VPC with tags could be made."""

    def ask(asking: Asking) -> Any:
        held = [{"Key": key, "Value": value} for key, value in tags.items()]
        told = {"TagSpecifications": [{"ResourceType": "vpc", "Tags": held}]} if tags else {}
        return asking.to("ec2").create_vpc(CidrBlock="10.9.0.0/16", DryRun=True, **told)

    return ask


def delete_vpc(colour: str) -> Ask:
    """Ask whether one of the two VPCs could be deleted."""
    return lambda asking: asking.to("ec2").delete_vpc(VpcId=asking.vpcs[colour], DryRun=True)


def tag_vpc(asking: Asking) -> Any:
    """Ask whether a VPC that is there could get a tag."""
    return asking.to("ec2").create_tags(Resources=[asking.vpcs["red"]], Tags=[{"Key": "a", "Value": "b"}], DryRun=True)


def hand_over(asking: Asking) -> Any:
    """Ask to put a role into an instance profile, which hands the role to EC2. There is one in it already."""
    return asking.to("iam").add_role_to_instance_profile(InstanceProfileName="ip", RoleName="red-1")


ROLES = f"arn:aws:iam::{CUSTOMER}:role/"
OBJECTS = "arn:aws:s3:::gw-bucket/"
ALL = may("*")
READ = "secretsmanager:DescribeSecret"
MAKE = "secretsmanager:CreateSecret"
TEAM, SIZE, ASKED = "aws:ResourceTag/team", "aws:ResourceTag/size", "aws:RequestTag/team"
LIKE_ADA = {"aws:PrincipalArn": f"arn:aws:iam::{CUSTOMER}:user/a*"}

ACTIONS = [
    Scenario("nothing is allowed", False, describe, [may("s3:*")]),
    Scenario("an action", True, describe, [may("ec2:DescribeVpcs")]),
    Scenario("an action in other letters", True, describe, [may("EC2:describevpcs")]),
    Scenario("another action", False, describe, [may("ec2:DescribeSubnets")]),
    Scenario("a wildcard", True, describe, [may("ec2:Describe*")]),
    Scenario("a wildcard within", True, describe, [may("ec2:*Vpcs")]),
    Scenario("a question mark for each letter", True, describe, [may("ec2:Describe????")]),
    Scenario("a question mark too few", False, describe, [may("ec2:Describe???")]),
    Scenario("everything", True, describe, [ALL]),
    Scenario("an explicit deny", False, describe, [ALL, may("ec2:DescribeVpcs", no=True)]),
    Scenario("a deny before the allow", False, describe, [may("ec2:DescribeVpcs", no=True), ALL]),
    Scenario("a deny of something else", True, describe, [ALL, may("ec2:DeleteVpc", no=True)]),
    Scenario("all but another", True, describe, [contrary(may("iam:*"), "Action")]),
    Scenario("all but this", False, describe, [contrary(may("ec2:*"), "Action")]),
    Scenario("no to all but this", True, describe, [ALL, contrary(may("ec2:*", no=True), "Action")]),
    Scenario("no to all but another", False, describe, [ALL, contrary(may("iam:*", no=True), "Action")]),
    Scenario(
        "a JSON service", False, lambda asking: asking.to("kms").list_aliases(), [may("kms:ListKeys")]
    ),
    Scenario(
        "who one is cannot be denied", True, lambda asking: asking.to("sts").get_caller_identity(),
        [may("sts:*", no=True)],
    ),
    Scenario("listing is ListBucket", True, listing(), [may("s3:ListBucket", OBJECTS.rstrip("/"))]),
    Scenario("listing is no ListObjectsV2", False, listing(), [may("s3:ListObjects*")]),
    Scenario("HEAD is GetObject", True, head("a/b"), [may("s3:GetObject", f"{OBJECTS}*")]),
    Scenario("HEAD is no HeadObject", False, head("a/b"), [may("s3:HeadObject", f"{OBJECTS}*")]),
]  # fmt: skip

RESOURCES = [
    Scenario("a role's ARN", True, role("red-1"), [may("iam:GetRole", f"{ROLES}red-1")]),
    Scenario("another role's ARN", False, role("blue-1"), [may("iam:GetRole", f"{ROLES}red-1")]),
    Scenario("other letters", False, role("red-1"), [may("iam:GetRole", f"{ROLES}RED-1")]),
    Scenario("a prefix", True, role("red-1"), [may("iam:GetRole", f"{ROLES}red-*")]),
    Scenario("another prefix", False, role("blue-1"), [may("iam:GetRole", f"{ROLES}red-*")]),
    Scenario("another account", False, role("red-1"), [may("iam:GetRole", ROLES.replace(CUSTOMER, "1" * 12) + "*")]),
    Scenario("one of two", True, role("blue-1"), [may("iam:GetRole", [f"{ROLES}red-*", f"{ROLES}blue-*"])]),
    Scenario("all but another role", True, role("blue-1"), [contrary(may("iam:GetRole", f"{ROLES}red-*"), "Resource")]),
    Scenario("all but this role", False, role("red-1"), [contrary(may("iam:GetRole", f"{ROLES}red-*"), "Resource")]),
    Scenario("no to a resource", False, role("red-1"), [ALL, may("iam:*", f"{ROLES}red-*", no=True)]),
    Scenario("no to another resource", True, role("blue-1"), [ALL, may("iam:*", f"{ROLES}red-*", no=True)]),
    Scenario("an action of no resource", False, describe, [may("ec2:DescribeVpcs", f"arn:aws:ec2:*:{CUSTOMER}:vpc/*")]),
    Scenario("an object", True, get("a/b"), [may("s3:GetObject", f"{OBJECTS}a/*")]),
    Scenario("another object", False, get("b/b"), [may("s3:GetObject", f"{OBJECTS}a/*")]),
    Scenario("the bucket is not its objects", False, get("a/b"), [may("s3:GetObject", OBJECTS.rstrip("/"))]),
    Scenario(
        "one's own folder", True, get("ada/b"), [may("s3:GetObject", OBJECTS + "${aws:username}/*")],
        ministack=False, why="IAM policy elements: Variables and tags; ministack knows none in a Resource",
    ),
    Scenario("another's folder", False, get("bob/b"), [may("s3:GetObject", OBJECTS + "${aws:username}/*")]),
    Scenario("a listing's prefix", True, listing("a/b"), [may("s3:ListBucket", StringLike={"s3:prefix": "a/*"})]),
    Scenario("another prefix of it", False, listing("b/b"), [may("s3:ListBucket", StringLike={"s3:prefix": "a/*"})]),
]  # fmt: skip

CONDITIONS = [
    Scenario("a tag that is held", True, secret("red"), [may(READ, StringEquals={TEAM: "red"})]),
    Scenario("another tag is held", False, secret("blue"), [may(READ, StringEquals={TEAM: "red"})]),
    Scenario("a value in other letters", False, secret("red"), [may(READ, StringEquals={TEAM: "RED"})]),
    Scenario("letters ignored", True, secret("red"), [may(READ, StringEqualsIgnoreCase={TEAM: "RED"})]),
    Scenario("a value like", True, secret("red"), [may(READ, StringLike={TEAM: "r?d*"})]),
    Scenario("a value not like", False, secret("red"), [may(READ, StringNotLike={TEAM: "r?d*"})]),
    Scenario("no wildcards in StringEquals", False, secret("red"), [may(READ, StringEquals={TEAM: "r*"})]),
    Scenario("not that value", True, secret("blue"), [may(READ, StringNotEquals={TEAM: "red"})]),
    Scenario("not that value, and it is", False, secret("red"), [may(READ, StringNotEquals={TEAM: "red"})]),
    Scenario("not a value of no tag", True, secret("red"), [may(READ, StringNotEquals={SIZE: "L"})]),
    Scenario("a tag is missing", False, secret("red"), [may(READ, StringEquals={SIZE: "L"})]),
    Scenario("missing, if it exists", True, secret("red"), [may(READ, StringEqualsIfExists={SIZE: "L"})]),
    Scenario("there and wrong, if it exists", False, secret("red"), [may(READ, StringEqualsIfExists={TEAM: "blue"})]),
    Scenario("must be there", True, secret("red"), [may(READ, Null={TEAM: "false"})]),
    Scenario("must be there, and is not", False, secret("red"), [may(READ, Null={SIZE: "false"})]),
    Scenario("must not be there", False, secret("red"), [may(READ, Null={TEAM: "true"})]),
    Scenario("two keys, one fits", False, secret("red"), [may(READ, StringEquals={TEAM: "red", SIZE: "L"})]),
    Scenario(
        "two operators, one fits", False, secret("red"),
        [may(READ, StringEquals={TEAM: "red"}, StringLike={"aws:RequestedRegion": "eu-*"})],
    ),
    Scenario("one of two values", True, secret("red"), [may(READ, StringEquals={TEAM: ["blue", "red"]})]),
    Scenario("none of two values", False, secret("red"), [may(READ, StringNotEquals={TEAM: ["blue", "red"]})]),
    Scenario("no, under a condition", False, secret("red"), [ALL, may(READ, no=True, StringEquals={TEAM: "red"})]),
    Scenario("no, under another", True, secret("blue"), [ALL, may(READ, no=True, StringEquals={TEAM: "red"})]),
    Scenario("a tag asked for", True, new_secret(team="red"), [may("secretsmanager:*", StringEquals={ASKED: "red"})]),
    Scenario("another tag", False, new_secret(team="blue"), [may("secretsmanager:*", StringEquals={ASKED: "red"})]),
    Scenario("no tag asked for", False, new_secret(), [may("secretsmanager:*", StringEquals={ASKED: "red"})]),
    *(
        Scenario(name, allowed, new_secret(**tags), [may("secretsmanager:*", **{operator: {"aws:TagKeys": ["team"]}})])
        for name, allowed, tags, operator in (
            ("these tags only", True, {"team": "red"}, "ForAllValues_StringEquals"),
            ("one tag more", False, {"team": "red", "owner": "x"}, "ForAllValues_StringEquals"),
            ("no tags at all", True, {}, "ForAllValues_StringEquals"),
            ("any of these tags", True, {"team": "red", "owner": "x"}, "ForAnyValue_StringEquals"),
            ("none of these tags", False, {"owner": "x"}, "ForAnyValue_StringEquals"),
            ("no tags, any", False, {}, "ForAnyValue_StringEquals"),
        )
    ),
    Scenario("the region", True, describe, [may("ec2:*", StringEquals={"aws:RequestedRegion": "us-east-1"})]),
    Scenario("another region", False, describe, [may("ec2:*", StringEquals={"aws:RequestedRegion": "eu-west-1"})]),
    Scenario("a key in other letters", True, describe, [may("ec2:*", StringLike={"AWS:requestedregion": "us-*"})]),
    Scenario("who asks", True, describe, [may("ec2:*", ArnLike=LIKE_ADA)]),
    Scenario("who does not", False, describe, [may("ec2:*", ArnNotLike=LIKE_ADA)]),
    Scenario(
        "an ARN's parts", False, describe, [may("ec2:*", ArnLike={"aws:PrincipalArn": "arn:aws:*:user/ada"})],
        ministack=True, why="Condition operators: each of the six parts of an ARN is compared by itself",
    ),
    Scenario("from here", True, describe, [may("ec2:*", IpAddress={"aws:SourceIp": "127.0.0.0/8"})]),
    Scenario("from elsewhere", False, describe, [may("ec2:*", IpAddress={"aws:SourceIp": "10.0.0.0/8"})]),
    Scenario("not from here", False, describe, [may("ec2:*", NotIpAddress={"aws:SourceIp": "127.0.0.0/8"})]),
    Scenario("after", True, describe, [may("ec2:*", DateGreaterThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"})]),
    Scenario("before", False, describe, [may("ec2:*", DateLessThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"})]),
    Scenario("a number", True, describe, [may("ec2:*", NumericGreaterThan={"aws:EpochTime": "1577836800"})]),
    Scenario("another number", False, describe, [may("ec2:*", NumericLessThanEquals={"aws:EpochTime": "1577836800"})]),
    Scenario(
        "a truth", True, describe, [may("ec2:*", Bool={"aws:PrincipalIsAWSService": "false"})],
        ministack=False, why="Global condition context keys: this one is in every request; ministack does not know it",
    ),
]  # fmt: skip

_NO_EC2_TAGS = "Actions for Amazon EC2: ministack knows no tags of EC2's resources"
_NO_TAGGING = "Grant permission to tag resources during creation: ministack asks for no CreateTags"
_NO_PASSING = "Grant a user permissions to pass a role: ministack asks for no PassRole"
_BOTH = ["ec2:CreateVpc", "ec2:CreateTags"]
_ADD = may("iam:AddRoleToInstanceProfile")

EC2 = [
    Scenario("an EC2 tag", True, delete_vpc("red"), [may("ec2:*", StringEquals={TEAM: "red"})], False, _NO_EC2_TAGS),
    Scenario("another EC2 tag", False, delete_vpc("blue"), [may("ec2:*", StringEquals={TEAM: "red"})]),
    Scenario(
        "EC2's own form of it", True, delete_vpc("red"),
        [may("ec2:DeleteVpc", StringEquals={"ec2:ResourceTag/team": "red"})], False, _NO_EC2_TAGS,
    ),
    Scenario(
        "a tag asked of EC2", True, new_vpc(team="red"), [may(_BOTH, StringEquals={ASKED: "red"})], False, _NO_EC2_TAGS
    ),
    Scenario("another tag asked of EC2", False, new_vpc(team="blue"), [may(_BOTH, StringEquals={ASKED: "red"})]),
    Scenario("tagging needs a right", False, new_vpc(team="red"), [may("ec2:CreateVpc")], True, _NO_TAGGING),
    Scenario("no tags, no right", True, new_vpc(), [may("ec2:CreateVpc")]),
    Scenario(
        "tagging while making", True, new_vpc(team="red"),
        [may("ec2:CreateVpc"), may("ec2:CreateTags", StringEquals={"ec2:CreateAction": "CreateVpc"})],
    ),
    Scenario(
        "tagging while making something else", False, new_vpc(team="red"),
        [may("ec2:CreateVpc"), may("ec2:CreateTags", StringEquals={"ec2:CreateAction": "CreateSubnet"})],
        True, _NO_TAGGING,
    ),
    Scenario(
        "tagging later", False, tag_vpc, [may("ec2:CreateTags", StringEquals={"ec2:CreateAction": "CreateVpc"})]
    ),
    Scenario("a role handed over", True, hand_over, [_ADD, may("iam:PassRole", f"{ROLES}red-*")]),
    Scenario("a role not to be handed over", False, hand_over, [_ADD], True, _NO_PASSING),
    Scenario("another role", False, hand_over, [_ADD, may("iam:PassRole", f"{ROLES}blue-*")], True, _NO_PASSING),
    Scenario(
        "handed to EC2 only", True, hand_over,
        [_ADD, may("iam:PassRole", StringEquals={"iam:PassedToService": "ec2.amazonaws.com"})],
    ),
    Scenario(
        "handed to another service only", False, hand_over,
        [_ADD, may("iam:PassRole", StringEquals={"iam:PassedToService": "ecs.amazonaws.com"})], True, _NO_PASSING,
    ),
]  # fmt: skip

SCENARIOS = [*ACTIONS, *RESOURCES, *CONDITIONS, *EC2]
