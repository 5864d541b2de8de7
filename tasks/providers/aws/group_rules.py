"""Rules of a security group: which are ours, and how they are brought to what is wished.

A rule of ours is told by its description, which names the service and the cluster; those of others, of other clusters
too, are never touched. What is open is read from the group itself: nothing else remembers it. AWS keeps one rule for
the same protocol, port and addresses, whatever their descriptions say (EC2 API Reference,
"AuthorizeSecurityGroupIngress"): what somebody else's rule opens already is left to that rule.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from blocks.aws_cluster import Service
from blocks.exposure import Opening
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.session import AwsSession
from tasks.providers.aws.waiting import wait_for

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionTypeDef, SecurityGroupRuleTypeDef

T = TypeVar("T")

_MARK = re.compile(
    rf"groundwork:(?P<service>{'|'.join(Service)}) cluster (?P<cluster>\S+)"
    r"( until (?P<until>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ))?"
)
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_NEW_GROUP_S = 30.0
"""How long a group may be unknown to some part of EC2 after it was made."""

_THERE = {"InvalidPermission.Duplicate"}
_GONE = {"InvalidPermission.NotFound", "InvalidSecurityGroupRuleId.NotFound"}
_NOT_YET = {"InvalidGroup.NotFound", "InvalidGroupId.NotFound"}


@dataclass(frozen=True)
class Door:
    """A security group, and the cluster whose rules in it are ours to change.

    Args:
        session: How we come into the account.
        region: Where the group is.
        group_id: The group, ours or the user's.
        cluster: The cluster's uuid.
    """

    session: AwsSession
    region: str
    group_id: str
    cluster: str


@dataclass(frozen=True)
class Rules:
    """What a group says: our rules by their ids (None: somebody made something else of one), and what others open."""

    ours: dict[str, Opening | None]
    others: frozenset[tuple[int, str]]

    @property
    def openings(self) -> list[Opening]:
        """What our rules open, by port and address."""
        found = [opening for opening in self.ours.values() if opening is not None]
        return sorted(found, key=lambda one: (one.port, one.address))


Wish = Callable[[Sequence[Opening]], Iterable[Opening]]
"""From what is open to what shall be."""


def settle(door: Door, wish: Wish) -> list[Opening]:
    """Bring a group to what is wished until a read shows that: EC2 may not tell a new rule at once."""
    last = bring(door, wish) or wait_for(
        f"rules of {door.group_id}",
        lambda: bring(door, wish),
        lambda seen: seen is not None,
        limit_s=60,
        first_s=0,
        every_s=1,
    )
    return last.openings if last else []


def bring(door: Door, wish: Wish) -> Rules | None:
    """Read the rules once and change those of ours that differ; return what was read if none did.

    Rules are revoked first: they make room, and a new time for an address is a rule in the old one's place.
    """
    seen = read(door)
    wanted = {one.way: one for one in wish(seen.openings)}
    have = {opening for opening in seen.ours.values() if opening is not None}
    wrong = [rule for rule, opening in seen.ours.items() if opening is None or wanted.get(opening.way) != opening]
    missing = [one for way, one in wanted.items() if one not in have and way not in seen.others]
    _revoke(door, wrong)
    _authorize(door, missing)
    return None if wrong or missing else seen


def read(door: Door) -> Rules:
    """Return the rules of a group for coming in, as EC2 tells them now."""
    asked = door.session.client("ec2", door.region).get_paginator("describe_security_group_rules")
    with translated(f"rules of {door.group_id}"):
        pages = asked.paginate(Filters=[{"Name": "group-id", "Values": [door.group_id]}])
        rules = [rule for page in pages for rule in page["SecurityGroupRules"] if not rule["IsEgress"]]
    ours: dict[str, Opening | None] = {}
    others = set()
    for rule in rules:
        way, mark = _way(rule), _MARK.fullmatch(rule.get("Description", ""))
        if mark and mark["cluster"] == door.cluster:
            ours[rule["SecurityGroupRuleId"]] = _opening(mark, way)
        elif way:
            others.add(way)
    return Rules(ours, frozenset(others))


def _way(rule: "SecurityGroupRuleTypeDef") -> tuple[int, str] | None:
    """Return the one TCP port and the addresses of a rule; None for a rule of another kind."""
    block = rule.get("CidrIpv4") or rule.get("CidrIpv6")
    first, last = rule.get("FromPort", -1), rule.get("ToPort", -1)
    if not block or rule.get("IpProtocol") != "tcp" or first != last:
        return None
    return first, str(ipaddress.ip_network(block, strict=False))


def _opening(mark: re.Match[str], way: tuple[int, str] | None) -> Opening | None:
    """Return what a rule of ours opens; None where somebody made something else of it: then it goes."""
    if way is None:
        return None
    try:
        until = datetime.strptime(mark["until"], _MOMENT).replace(tzinfo=UTC) if mark["until"] else None
    except ValueError:
        return None
    return Opening(service=Service(mark["service"]), port=way[0], address=way[1], until=until)


def _described(cluster: str, opening: Opening) -> str:
    until = f" until {opening.until.strftime(_MOMENT)}" if opening.until else ""
    return f"groundwork:{opening.service.value} cluster {cluster}{until}"


def permission(cluster: str, opening: Opening) -> "IpPermissionTypeDef":
    """Return the rule of an opening that belongs to a cluster, as EC2 takes it."""
    described = _described(cluster, opening)
    told: IpPermissionTypeDef = {"IpProtocol": "tcp", "FromPort": opening.port, "ToPort": opening.port}
    if ":" in opening.address:
        told["Ipv6Ranges"] = [{"CidrIpv6": opening.address, "Description": described}]
    else:
        told["IpRanges"] = [{"CidrIp": opening.address, "Description": described}]
    return told


def _authorize(door: Door, missing: Sequence[Opening]) -> None:
    ec2 = door.session.client("ec2", door.region)

    def open_all(some: Sequence[Opening]) -> None:
        told = [permission(door.cluster, one) for one in some]
        ec2.authorize_security_group_ingress(GroupId=door.group_id, IpPermissions=told)

    _all_or_each(door, missing, open_all, _THERE)


def _revoke(door: Door, wrong: Sequence[str]) -> None:
    ec2 = door.session.client("ec2", door.region)

    def close_all(some: Sequence[str]) -> None:
        ec2.revoke_security_group_ingress(GroupId=door.group_id, SecurityGroupRuleIds=list(some))

    _all_or_each(door, wrong, close_all, _GONE)


def _all_or_each(door: Door, some: Sequence[T], change: Callable[[Sequence[T]], None], done: set[str]) -> None:
    """Change all in one call; where a part is done already, of which a stale read did not tell, each by itself.

    Args:
        door: Whose group.
        some: What to open, or to close.
        change: The call; AWS does all of it or nothing.
        done: AWS's codes for what is done already.
    """
    if some and _refused(door, some, change, done):
        for one in some:
            _refused(door, [one], change, done)


def _refused(door: Door, some: Sequence[T], change: Callable[[Sequence[T]], None], done: set[str]) -> str:
    """Return the code among ``done`` that AWS refused a change with, or an empty text; a new group is waited for."""

    def ask() -> str:
        try:
            change(some)
        except ClientError as error:
            if code_of(error) in done | _NOT_YET:
                return code_of(error)
            raise
        return ""

    what = f"rules of {door.group_id}"
    return wait_for(what, ask, lambda code: code not in _NOT_YET, limit_s=_NEW_GROUP_S, first_s=0, every_s=1)
