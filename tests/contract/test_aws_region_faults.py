"""Laying a region while calls, replies, sight and processes are lost: one of each, always (all as our role)."""

from collections import Counter
from typing import Any

import pytest

from blocks.errors import PlaceUnreachable
from tasks.providers.aws.naming import PART_TAG
from tasks.providers.aws.region import finding, keeping, network
from tasks.providers.aws.region.site import Site
from tests.worlds.aws_regions import OWNER, Standing, again, finish, lay, quick, site
from tests.worlds.aws_world import AwsWorld

ALL = 15
"""Parts of a region that AWS's index of tags tells."""

TOKENLESS = {
    "network": "ec2:CreateVpc",
    "internet-gateway": "ec2:CreateInternetGateway",
    "address": "ec2:AllocateAddress",
    "key": "kms:CreateKey",
}
"""What AWS makes a second time when it is asked twice."""


@pytest.fixture
def place(prefect_worker: AwsWorld) -> Site:
    """An empty region."""
    quick(prefect_worker)
    return site(prefect_worker)


ROLE_OF_OURS = {"iam:AttachRolePolicy", "iam:CreatePolicy", "iam:DeletePolicy", "iam:DeleteRole", "iam:TagRole"}
ROLE_OF_OURS |= {"iam:DetachRolePolicy"}
"""What only making the role calls that we come as."""


def is_change(call: dict[str, Any]) -> bool:
    return not call["operation"].startswith(("Describe", "Get", "List", "Head", "AssumeRole"))


def one_of_each(aws: AwsWorld) -> None:
    """Assert that the region is whole, and has nothing twice; things without tags and names are counted too."""
    standing = Standing(aws)
    counts = Counter(standing.parts())
    assert (len(counts), set(counts.values())) == (ALL, {1}), counts
    ec2 = standing.ec2
    ours = {
        "subnets": [found for found in ec2.describe_subnets()["Subnets"] if not found["DefaultForAz"]],
        "route tables": [
            found
            for found in ec2.describe_route_tables()["RouteTables"]
            if any(link.get("SubnetId") for link in found["Associations"])
        ],
        "addresses": ec2.describe_addresses()["Addresses"],
        "gateways": ec2.describe_internet_gateways()["InternetGateways"],
        "NAT gateways": ec2.describe_nat_gateways()["NatGateways"],
        "mount targets": standing.to("efs").describe_mount_targets(FileSystemId=standing.by_part("shared-files"))[
            "MountTargets"
        ],
        "roles": [
            found
            for found in standing.to("iam").list_roles()["Roles"]
            if found["RoleName"].startswith("groundwork-node")
        ],
    }
    assert {what: len(found) for what, found in ours.items()} == {
        "subnets": 4,
        "route tables": 2,
        "addresses": 1,
        "gateways": 2,  # the default network's, too
        "NAT gateways": 1,
        "mount targets": 2,
        "roles": 1,
    }
    (table,) = ec2.describe_route_tables(RouteTableIds=[standing.by_part("private-routes")])["RouteTables"]
    assert any(route.get("NatGatewayId") for route in table["Routes"])


CHANGING = """
ec2:AllocateAddress ec2:AssociateRouteTable ec2:AttachInternetGateway ec2:AuthorizeSecurityGroupIngress
ec2:CreateInternetGateway ec2:CreateNatGateway ec2:CreateRoute ec2:CreateRouteTable ec2:CreateSecurityGroup
ec2:CreateSubnet ec2:CreateVpc ec2:CreateVpcEndpoint ec2:ModifyVpcAttribute efs:CreateFileSystem efs:CreateMountTarget
iam:AddRoleToInstanceProfile iam:CreateInstanceProfile iam:CreateRole iam:PutRolePolicy kms:CreateAlias kms:CreateKey
kms:EnableKeyRotation s3:CreateBucket s3:PutBucketPolicy s3:PutBucketTagging s3:PutPublicAccessBlock
"""


def test_every_reply_is_lost_once(prefect_worker: AwsWorld, place: Site) -> None:
    """CLU-11: each changing call is done, and nobody is told; one run makes one of each."""
    for name in CHANGING.split():
        prefect_worker.fault("lose_reply", name, principal="groundwork-access")
    finish(place, lay(place))
    one_of_each(prefect_worker)
    called = {f"{call['service']}:{call['operation']}" for call in prefect_worker.calls() if is_change(call)}
    lost = {f"{call['service']}:{call['operation']}" for call in prefect_worker.calls() if call["faults"]}
    assert lost == set(CHANGING.split()) == called - ROLE_OF_OURS


class Killed(BaseException):
    """What ends a process."""


class Death:
    """Ends this process after each changing call in turn, before it learns how the call ended; each call once."""

    def __init__(self, place: Site) -> None:
        self.calls: set[str] = set()
        self._now = ""
        for service in ("ec2", "efs", "iam", "kms", "s3"):
            events = place.session.client(service, place.region).meta.events
            events.register_first("provide-client-params", self._begin)
            events.register_first("after-call", self._end)

    def _begin(self, params: Any, model: Any, **_: object) -> None:
        is_look = model.name.startswith(("Describe", "Get", "List", "Head"))
        self._now = "" if is_look else f"{model.name} {params}"

    def _end(self, **_: object) -> None:
        if self._now and self._now not in self.calls:
            self.calls.add(self._now)
            raise Killed


def test_killed_after_every_call(prefect_worker: AwsWorld, place: Site) -> None:
    """CLU-11, CLU-12: each run dies after one more thing was made; the last one finds a whole region."""
    death, is_whole = Death(place), False
    while not is_whole:
        try:
            finish(place, lay(place))
            is_whole = True
        except Killed:
            place = again(place)
    assert len(death.calls) >= 33
    one_of_each(prefect_worker)


EVENTUAL = [
    *("ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeInternetGateways", "ec2:DescribeAddresses"),
    *("ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups", "ec2:DescribeNatGateways", "ec2:DescribeVpcEndpoints"),
    *("efs:DescribeFileSystems", "kms:ListAliases"),
]


def test_what_was_made_is_not_seen_at_first(prefect_worker: AwsWorld, place: Site) -> None:
    """CLU-18: the next run's describes tell of nothing for three calls each; it makes nothing a second time."""
    place.ec2.describe_addresses(Filters=OWNER.filters("address"))  # the world must know how nothing looks
    ground = lay(place)
    for name in EVENTUAL:
        prefect_worker.fault("stale", name, ago=20, times=3)
    assert lay(again(place)) == ground
    prefect_worker.mend()
    finish(again(place), ground)
    one_of_each(prefect_worker)


@pytest.mark.parametrize(
    ("part", "look"),
    [
        ("network", "ec2:DescribeVpcs"),
        ("internet-gateway", "ec2:DescribeInternetGateways"),
        ("address", "ec2:DescribeAddresses"),
        ("key", "resourcegroupstaggingapi:GetResources"),
    ],
)
def test_lost_and_not_seen(prefect_worker: AwsWorld, place: Site, part: str, look: str) -> None:
    """CLU-11, CLU-18: where AWS has no token, we look until we see what the lost call made."""
    place.ec2.describe_addresses(Filters=OWNER.filters("address"))  # the world must know how nothing looks
    prefect_worker.fault("lose_reply", TOKENLESS[part])
    prefect_worker.fault("stale", look, nth=2 if part == "network" else 1, times=3, ago=20)
    finish(place, lay(place))
    one_of_each(prefect_worker)
    assert len(prefect_worker.calls(TOKENLESS[part])) == 1


def test_a_call_that_nobody_answers_is_not_made_for_ever(prefect_worker: AwsWorld, place: Site) -> None:
    """CLU-11: three calls, with looks between them, and none by botocore itself."""
    prefect_worker.fault("drop", "ec2:CreateVpc", times=-1)
    with pytest.raises(PlaceUnreachable, match="network in us-east-1"):
        network.ensure_network(place)
    assert len(prefect_worker.calls("ec2:CreateVpc")) == 3
    assert len(prefect_worker.calls("ec2:DescribeVpcs")) > 6


def test_the_last_call_was_done_after_all(prefect_worker: AwsWorld, place: Site) -> None:
    """CLU-11: two calls never came, the third one's reply is lost: what it made is found and taken."""
    prefect_worker.fault("drop", "ec2:CreateVpc", times=2)
    prefect_worker.fault("lose_reply", "ec2:CreateVpc", nth=3)
    made = network.ensure_network(place)
    assert made.vpc_id == Standing(prefect_worker).by_part("network")
    assert not made.is_new


def test_doubles_are_removed(prefect_worker: AwsWorld, place: Site) -> None:
    """CLU-11: what came twice for all that is seen as soon as AWS shows it, and the empty one goes."""
    ground = lay(place)
    ec2 = Standing(prefect_worker).ec2
    for _ in range(2):
        ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=OWNER.born("vpc", "network"))
        ec2.create_internet_gateway(TagSpecifications=OWNER.born("internet-gateway", "internet-gateway"))
        ec2.allocate_address(Domain="vpc", TagSpecifications=OWNER.born("elastic-ip", "address"))
    assert finding.find(place.session, place.region, OWNER) is None
    assert lay(again(place)) == ground
    finish(again(place), ground)
    one_of_each(prefect_worker)


def test_two_keys_race_for_the_alias(prefect_worker: AwsWorld, place: Site) -> None:
    """NET-13: the alias makes a key the only one; the other is given up and not used."""
    first, second = keeping.ensure_key(place), keeping.ensure_key(place)
    assert first == second
    kms = Standing(prefect_worker).to("kms")
    states = Counter(kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] for key in kms.list_keys()["Keys"])
    assert states == {"Enabled": 1, "PendingDeletion": 1}


def test_throttled_calls_are_made_again_rarely(prefect_worker: AwsWorld, place: Site) -> None:
    """CLU-17: a storm ends with one of each, and with few calls more."""
    limit: dict[str, Any] = {"code": "RequestLimitExceeded", "message": "Request limit exceeded.", "status": 503}
    rate: dict[str, Any] = {"code": "ThrottlingException", "message": "Rate exceeded", "status": 429}
    for name, told in (("ec2:CreateVpc", limit), ("ec2:CreateSubnet", limit), ("efs:CreateMountTarget", rate)):
        prefect_worker.fault("error", name, times=2, **told)
    finish(place, lay(place))
    one_of_each(prefect_worker)
    calls = Counter(f"{call['service']}:{call['operation']}" for call in prefect_worker.calls())
    assert (calls["ec2:CreateVpc"], calls["ec2:CreateSubnet"], calls["efs:CreateMountTarget"]) == (3, 6, 4)


def test_tags_tell_whose_it_is(prefect_worker: AwsWorld, place: Site) -> None:
    """NET-13: two installations in one account lay two grounds, and neither takes the other's."""
    ec2 = Standing(prefect_worker).ec2
    foreign = ec2.create_vpc(
        CidrBlock="10.0.0.0/16",
        TagSpecifications=[
            {
                "ResourceType": "vpc",
                "Tags": [{"Key": "groundwork:installation", "Value": "other"}, {"Key": PART_TAG, "Value": "network"}],
            }
        ],
    )["Vpc"]["VpcId"]
    assert lay(place).vpc_id != foreign
    assert not ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [foreign]}])["Subnets"]
