"""What of a cluster is open to the outside: asked of the security group itself, as the role with our policies."""

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blocks.aws_account import AwsAccount, Feature, Variant
from blocks.aws_cluster import Service
from blocks.errors import (
    AccessDenied,
    BadInput,
    NotFound,
    PlaceFailed,
    PlaceUnreachable,
    QuotaExceeded,
    Throttled,
    TimedOut,
)
from blocks.exposure import EVERYONE
from tasks.providers.aws import ports
from tasks.providers.aws.group_rules import Door
from tasks.providers.aws.naming import Owner
from tests.contract.a_group import US, WRITES, Account, Place, Way, open_account, spec
from tests.world.aws.launches import launch
from tests.worlds.aws_fixtures import become_prefect_worker
from tests.worlds.aws_world import AwsWorld

OTHER = Owner("home", "9e0d7a11-3b1f-4f6e-8f0b-1f2e3d4c5b6a")
NOW = datetime.now(UTC).replace(microsecond=0)
ME, YOU, SIX = "203.0.113.7/32", "198.51.100.0/24", "2001:db8::1/128"


@pytest.fixture(scope="module")
def _account(_one_aws_world: AwsWorld) -> Iterator[Account]:
    aws = _one_aws_world
    aws.reset()
    with pytest.MonkeyPatch.context() as patch:
        become_prefect_worker(patch, aws)
        account = open_account(aws)
        aws.settings(page_size=5)
        yield account
    assert aws.unanswered() == []


@pytest.fixture
def account(_account: Account) -> Iterator[Account]:
    """One account for all tests: each has a group of its own."""
    yield _account
    _account.aws.mend()


@pytest.fixture
def place(account: Account) -> Place:
    """A cluster's group."""
    return account.place()


@pytest.fixture
def users(account: Account) -> Place:
    """A group that the user made, in a restricted account."""
    return account.place("restricted", is_ours=False)


def create(place: Place, *services: Service, allowed: tuple[str, ...] = (), owner: Owner | None = None) -> None:
    ports.apply(place.us, US, place.group, owner or place.owner, services or (Service.UI,), allowed)


def ssh(place: Place, *addresses: str, until: datetime | None = None, only: bool = False, now: datetime = NOW) -> None:
    ports.allow(place.door(), ports.ssh_from(addresses, until), only_these=only, now=now)


def test_a_fresh_cluster_shows_its_ui_and_nothing_else(place: Place) -> None:
    """NET-09: from outside; its nodes reach each other by the group's own rule, which stays."""
    ports.apply(place.us, US, place.group, place.owner, spec().services, spec().allowed_addresses)
    assert place.open_to() == {(443, EVERYONE)}
    assert len(place.rules()) == 2
    [group] = place.ec2.describe_security_groups(GroupIds=[place.group])["SecurityGroups"]
    outside = [one for one in group["IpPermissions"] if one["IpRanges"] or one.get("Ipv6Ranges")]
    assert [(one["FromPort"], one["ToPort"], one["IpProtocol"]) for one in outside] == [(443, 443, "tcp")]


def test_a_cluster_is_created_with_what_its_form_says(place: Place) -> None:
    """NET-07, NET-10: services to everyone, ssh to the listed addresses; a second call changes nothing."""
    for _ in range(2):
        create(place, Service.UI, Service.KAFKA, Service.SSH, allowed=(ME, "2001:DB8:0:0::1/128"))
        assert place.open_to() == {(443, EVERYONE), (9092, EVERYONE), (22, ME), (22, SIX)}
    assert place.writes() == 1 + 1, "the group's own rule, then all of ours at once"


def test_each_service_by_its_name(place: Place) -> None:
    """NET-07: its ports and no other; what is not chosen any more is closed (NET-08)."""
    for service in (one for one in Service if one is not Service.SSH):
        ports.expose(place.door(), [service], now=NOW)
        assert place.open_to() == {(port, EVERYONE) for port in ports.PORTS[service]}
    ports.expose(place.door(), [], now=NOW)
    assert place.open_to() == set()


class Model:
    """What shall be open: services, and addresses with their ends."""

    def __init__(self, rules: random.Random) -> None:
        self.random, self.now = rules, NOW
        self.services: set[Service] = set()
        self.ssh: dict[str, datetime | None] = {}

    def ways(self) -> set[Way]:
        return {(port, EVERYONE) for one in self.services for port in ports.PORTS[one]} | {
            (22, one) for one in self.ssh
        }

    def step(self, door: Door) -> None:
        """Let time pass or not, then do one of the two things to the group and to the model."""
        self.now += timedelta(seconds=self.random.choice([0, 0, 40, 90]))
        lasting = {one: end for one, end in self.ssh.items() if end is None or end > self.now}
        if self.random.random() < 0.5:
            chosen = self.random.sample(list(Service), self.random.randint(0, len(Service)))
            if not lasting:
                chosen = [one for one in chosen if one is not Service.SSH]
            ports.expose(door, chosen, now=self.now)
            self.services = {one for one in chosen if one is not Service.SSH}
            self.ssh = lasting if Service.SSH in chosen else {}
        else:
            addresses = self.random.sample([ME, YOU, SIX, "192.0.2.1/32"], self.random.randint(0, 3))
            end = self.random.choice([None, self.now + timedelta(seconds=60)])
            only = self.random.random() < 0.3
            ports.allow(door, ports.ssh_from(addresses, end), only_these=only, now=self.now)
            self.ssh = {**({} if only else lasting), **dict.fromkeys(addresses, end)}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_declared_set_is_the_set(place: Place, seed: int) -> None:
    """NET-07, NET-08, NET-10: after each of many changes, ingress is what was chosen, and a foreign rule stays."""
    place.by_hand(8443, "10.1.0.0/16", "proxy of the team")
    place.by_hand(22, "192.0.2.77/32")
    foreign = [rule for rule in place.rules() if rule["FromPort"] != -1]
    model = Model(random.Random(seed))
    for _ in range(10):
        model.step(place.door())
        assert place.open_to() == model.ways() | {(8443, "10.1.0.0/16"), (22, "192.0.2.77/32")}
        assert [rule for rule in place.rules() if rule in foreign] == foreign
        told = {one.address: one.until for one in ports.openings(place.door()) if one.port == 22}
        assert told == model.ssh


def test_what_somebody_else_opened_already_is_left_to_him(place: Place) -> None:
    """NET-08: AWS keeps one rule for a way; it is not ours to take over, or to close."""
    place.by_hand(443, EVERYONE, "of the team")
    before = place.rules()
    assert ports.expose(place.door(), [Service.UI], now=NOW) == []
    assert ports.opened_by_others(place.door(), [Service.UI, Service.KAFKA]) == [(443, EVERYONE)]
    ports.expose(place.door(), [], now=NOW)
    ports.withdraw(place.door())
    assert place.rules() == before


def test_two_clusters_at_one_group_of_the_users(users: Place) -> None:
    """NET-08: each closes what it opened; at the end the group is as its owner made it."""
    before = users.rules()
    create(users, Service.UI, Service.KAFKA)
    create(users, Service.SEARCH, allowed=(ME,), owner=OTHER)
    ports.expose(users.door(), [], now=NOW)
    assert users.open_to() == {(9200, EVERYONE), (22, ME)}
    for _ in range(2):
        ports.withdraw(users.door(OTHER))
    assert users.rules() == before


def test_a_description_that_only_looks_like_ours(place: Place) -> None:
    """NET-08: another service's word, another cluster, more words: all are somebody else's."""
    uuid = place.owner.cluster
    for port, text in enumerate(
        [f"groundwork:web cluster {uuid}", f"groundwork:ui cluster {uuid} too", f"my groundwork:ui cluster {uuid}"],
        1000,
    ):
        place.by_hand(port, EVERYONE, text)
    before = place.rules()
    ports.expose(place.door(), [], now=NOW)
    assert place.rules() == before


def test_a_rule_of_ours_that_somebody_changed_is_set_right(place: Place) -> None:
    """NET-07: the set is the set: whoever widens our rule in the console has it closed by the next run."""
    create(place)
    place.by_hand(9999, ME, f"groundwork:ui cluster {place.owner.cluster}")
    wide = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 9, "IpRanges": [{"CidrIp": ME, "Description": ""}]}
    wide["IpRanges"][0]["Description"] = f"groundwork:ui cluster {place.owner.cluster} until 2030-13-01T00:00:00Z"  # type: ignore[index]
    place.ec2.authorize_security_group_ingress(GroupId=place.group, IpPermissions=[wide])
    ports.expose(place.door(), [Service.UI], now=NOW)
    assert place.open_to() == {(443, EVERYONE)}


def test_several_addresses_each_for_its_time(place: Place) -> None:
    """NET-10: what is over goes with the next run of either flow; the rest stays; a new time replaces the old."""
    create(place)
    ssh(place, ME, until=NOW + timedelta(minutes=5))
    ssh(place, YOU, until=NOW + timedelta(minutes=10))
    ssh(place, SIX)
    assert place.open_to() == {(443, EVERYONE), (22, ME), (22, YOU), (22, SIX)}
    described = {rule["Description"] for rule in place.rules() if rule.get("CidrIpv4") == ME}
    assert described == {
        f"groundwork:ssh cluster {place.owner.cluster} until {NOW + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    }
    ports.expose(place.door(), [Service.UI, Service.SSH], now=NOW + timedelta(minutes=5))
    assert place.open_to() == {(443, EVERYONE), (22, YOU), (22, SIX)}
    ssh(place, YOU, until=NOW + timedelta(hours=1), now=NOW + timedelta(minutes=6))
    ports.drop_expired(place.door(), now=NOW + timedelta(minutes=11))
    assert place.open_to() == {(443, EVERYONE), (22, YOU), (22, SIX)}
    ssh(place, now=NOW + timedelta(hours=1))
    assert place.open_to() == {(443, EVERYONE), (22, SIX)}
    ssh(place, ME, only=True, now=NOW + timedelta(hours=1))
    assert place.open_to() == {(443, EVERYONE), (22, ME)}
    ports.expose(place.door(), [Service.UI], now=NOW + timedelta(hours=1))
    assert place.open_to() == {(443, EVERYONE)}


def test_ssh_is_never_opened_to_nobody_in_particular(place: Place) -> None:
    """NET-10: the service without an address is refused, with the field, and nothing is changed."""
    create(place)
    ssh(place, ME, until=NOW + timedelta(minutes=5))
    before = place.rules()
    with pytest.raises(BadInput, match=r"services: .*allow-ssh"):
        ports.expose(place.door(), [Service.SSH, Service.KAFKA], now=NOW + timedelta(minutes=6))
    with pytest.raises(BadInput, match="addresses"):
        ssh(place, "203.0.113.7/24")
    with pytest.raises(BadInput, match="allowed_addresses"):
        create(place, Service.KAFKA, allowed=("203.0.113.7/24",))
    assert place.rules() == before


def test_a_stopped_cluster(place: Place) -> None:
    """NET-07: its group is there, and its ports are opened and closed as ever."""
    subnet = place.ec2.create_subnet(VpcId=place.vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=f"{US}a")
    [node] = launch(place.ec2, SubnetId=subnet["Subnet"]["SubnetId"], SecurityGroupIds=[place.group])
    place.aws.advance(60)
    place.ec2.stop_instances(InstanceIds=[node["InstanceId"]])
    place.aws.advance(120)
    [told] = place.ec2.describe_instances(InstanceIds=[node["InstanceId"]])["Reservations"][0]["Instances"]
    assert told["State"]["Name"] == "stopped"
    door = ports.door_of(place.us, spec(), place.owner)
    ports.expose(door, [Service.UI, Service.SEARCH], now=NOW)
    assert place.open_to() == {(443, EVERYONE), (9200, EVERYONE)}


def test_the_door_of_a_cluster(place: Place) -> None:
    """NET-02: the user's group where one was given; else the cluster's own, and no other cluster's."""
    assert ports.door_of(place.us, spec(), place.owner) == place.door()
    given = spec(security_group_id="sg-0123456789abcdef0")
    assert ports.door_of(place.us, given, place.owner).group_id == "sg-0123456789abcdef0"
    with pytest.raises(NotFound, match="cluster lab: it has no security group"):
        ports.door_of(place.us, spec(), OTHER)


def test_without_the_feature_nothing_is_written(account: Account) -> None:
    """NET-07: whoever left the policy out gets AWS's own word, by the action's name, and half a change never."""
    place = account.place("without")
    before = place.rules()
    for change in (
        lambda: ports.expose(place.door(), [Service.KAFKA], now=NOW),
        lambda: ssh(place, ME),
        lambda: create(place),
    ):
        with pytest.raises(AccessDenied, match="ec2:DescribeSecurityGroupRules"):
            change()
    assert place.rules() == before


def record(variant: Variant, *features: Feature) -> AwsAccount:
    found = AwsAccount(external_id="x", variant=variant, features=list(features))
    found._block_document_name = "team"
    return found


def test_where_the_account_does_not_let_us() -> None:
    """NET-07: the feature is missing, or the group is the user's in an account whose policy knows ours only."""
    theirs = spec(security_group_id="sg-0123456789abcdef0")
    allowed = [
        (record(Variant.AUTOMATED, Feature.PORTS), spec()),
        (record(Variant.RESTRICTED, Feature.PORTS), theirs),
    ]
    refused = [
        (record(Variant.AUTOMATED, Feature.SPOT), spec(), "account team was connected without the feature ports"),
        (record(Variant.RESTRICTED), theirs, "without the feature ports"),
        (record(Variant.AUTOMATED, Feature.PORTS), theirs, "group sg-0123456789abcdef0 is yours"),
    ]
    for of, asked in allowed:
        assert ports.may_change(of, asked)
        ports.require_may_change(of, asked)
    for of, asked, words in refused:
        assert not ports.may_change(of, asked)
        with pytest.raises(AccessDenied, match=words):
            ports.require_may_change(of, asked)


def test_a_group_of_the_users_in_an_automated_account(account: Account) -> None:
    """SEC-12: what ``may_change`` says is what AWS says: a group without our tag is not touched."""
    place = account.place(is_ours=False)
    with pytest.raises(AccessDenied):
        ports.expose(place.door(), [Service.UI], now=NOW)
    assert place.open_to() == set()


def test_more_rules_than_a_group_takes(place: Place) -> None:
    """NET-08: AWS's limit is told as one; foreign rules stay, and what is no longer chosen is closed all the same."""
    create(place, Service.UI)
    for number in range(57):
        place.by_hand(22, f"192.0.2.{number}/32")
    with pytest.raises(QuotaExceeded, match="rules of sg-"):
        ports.expose(place.door(), [Service.FEATURE_STORE, Service.KAFKA], now=NOW)
    assert len(place.open_to()) == 57


CUTS: list[tuple[str, dict[str, Any]]] = [
    ("drop", {}),
    ("lose_reply", {}),
    ("lose_reply", {"times": 3}),
]


@pytest.mark.parametrize("operation", ["DescribeSecurityGroupRules", *sorted(WRITES)])
@pytest.mark.parametrize(("kind", "told"), CUTS, ids=["dropped", "reply lost", "replies lost"])
def test_cut_off_anywhere_the_next_run_ends_it(place: Place, operation: str, kind: str, told: dict[str, Any]) -> None:
    """NET-07: whatever became of a call, the same run again gives the chosen set, and nothing twice."""
    create(place, Service.UI, Service.KAFKA, allowed=(ME,))
    place.aws.fault(kind, f"ec2:{operation}", principal="groundwork-automated", **told)

    def change() -> None:
        ports.expose(place.door(), [Service.SEARCH, Service.SSH], now=NOW)

    with suppress(Throttled, PlaceFailed, PlaceUnreachable, TimedOut):
        change()
    place.aws.mend()
    change()
    assert place.open_to() == {(9200, EVERYONE), (22, ME)}
    assert len(place.rules()) == 3


def test_a_read_that_does_not_tell_the_newest(place: Place) -> None:
    """NET-07: EC2 may tell rules late. What is there already is no error, and nothing is doubled."""
    create(place, Service.UI, allowed=(ME,))
    place.aws.fault("stale", "ec2:DescribeSecurityGroupRules", principal="groundwork-automated", times=2)
    opened = ports.expose(place.door(), [Service.UI, Service.SEARCH], now=NOW)
    assert {one.way for one in opened} == place.open_to() == {(443, EVERYONE), (9200, EVERYONE)}
    place.aws.fault("stale", "ec2:DescribeSecurityGroupRules", principal="groundwork-automated")
    create(place, Service.UI)
    place.aws.fault("stale", "ec2:DescribeSecurityGroupRules", principal="groundwork-automated", times=2, ago=2)
    assert ports.expose(place.door(), [], now=NOW) == []
    assert place.open_to() == set()


def test_a_group_that_ec2_does_not_know_yet(place: Place) -> None:
    """NET-09: a new group may be unknown for a moment to the part of EC2 that opens ports."""
    unknown = {"code": "InvalidGroup.NotFound", "message": "The security group does not exist", "times": 2}
    place.aws.fault("error", "ec2:AuthorizeSecurityGroupIngress", principal="groundwork-automated", **unknown)
    create(place)
    assert place.open_to() == {(443, EVERYONE)}
