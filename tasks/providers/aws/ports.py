"""Ports of a cluster that are open to the outside: the declared set is the set, ssh goes to addresses.

What is ours in a group, and how it is changed: ``tasks.providers.aws.group_rules``.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blocks.aws_account import AwsAccount, Feature, Variant
from blocks.aws_cluster import AwsClusterSpec, Service
from blocks.errors import AccessDenied, BadInput, NotFound
from blocks.exposure import EVERYONE, Opening, normalised
from tasks.providers.aws.group_rules import Door, bring, permission, read, settle
from tasks.providers.aws.naming import Owner
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionTypeDef

PORTS: dict[Service, tuple[int, ...]] = {
    Service.UI: (443,),
    Service.CERTIFICATE: (80,),
    Service.SSH: (22,),
    Service.FEATURE_STORE: (8020, 30010, 9083, 9085),
    Service.ONLINE_FEATURE_STORE: (3306,),
    Service.KAFKA: (9092,),
    Service.ARROW_FLIGHT: (5005,),
    Service.SEARCH: (9200,),
}
"""The TCP ports of each service, as Hopsworks' documentation of its services names them."""

[SSH] = PORTS[Service.SSH]

# ------------------------------------------------------------------------------------------- what may be asked for


def may_change(account: AwsAccount, spec: AwsClusterSpec) -> bool:
    """Tell whether the account lets us open and close ports of a cluster.

    In an automated account the policy knows our own groups only; in a restricted one, all groups of its network.
    """
    is_own = not spec.security_group_id
    return Feature.PORTS in account.features and (is_own or account.variant is Variant.RESTRICTED)


def require_may_change(account: AwsAccount, spec: AwsClusterSpec) -> None:
    """Refuse to open or close ports where the account does not let us.

    Raises:
        AccessDenied: With what would let us.
    """
    if may_change(account, spec):
        return
    if Feature.PORTS in account.features:
        raise AccessDenied(
            f"the security group {spec.security_group_id} is yours, and an automated account lets us change ours only",
            where=f"cluster {spec.name}",
            advice="Open and close its ports in AWS's console.",
        )
    raise AccessDenied(
        f"the account {account.name} was connected without the feature ports",
        where=f"cluster {spec.name}",
        advice="Open and close ports in AWS's console; or run show-aws-onboarding with ports among the features, add "
        "its policy in IAM, and verify-account.",
    )


def door_of(session: AwsSession, spec: AwsClusterSpec, owner: Owner) -> Door:
    """Return the door of a cluster: the user's security group where one was given, or else the cluster's own.

    Raises:
        NotFound: The cluster has no group yet, or no longer.
    """
    if spec.security_group_id:
        return Door(session, spec.region, spec.security_group_id, owner.cluster)
    with translated(f"security group of cluster {spec.name}"):
        told = session.client("ec2", spec.region).describe_security_groups(Filters=owner.filters("group"))
    if not told["SecurityGroups"]:
        raise NotFound(
            "it has no security group",
            where=f"cluster {spec.name}",
            advice="Run create-aws-cluster again: it goes on where it ended.",
        )
    return Door(session, spec.region, told["SecurityGroups"][0]["GroupId"], owner.cluster)


def ssh_from(addresses: Iterable[str], until: datetime | None, *, field: str = "addresses") -> list[Opening]:
    """Return the openings of ssh to addresses until a moment, which is cut to whole seconds.

    Raises:
        BadInput: One is no block of addresses.
    """
    end = until.astimezone(UTC).replace(microsecond=0) if until else None
    blocks = dict.fromkeys(normalised(address, field=field) for address in addresses)
    return [Opening(service=Service.SSH, port=SSH, address=block, until=end) for block in blocks]


# ------------------------------------------------------------------------------------------------ what is changed


def apply(
    session: AwsSession,
    region: str,
    group_id: str,
    owner: Owner,
    services: Collection[Service],
    allowed: Iterable[str],
) -> None:
    """Open a new cluster's ports: its services to everyone, ssh to the allowed addresses, and nothing else of ours.

    A second call changes nothing. The group may be a few seconds old. Whether the account lets us, ``may_change`` says
    before; whether the addresses are too many, whoever checks the form.

    Args:
        session: How we come into the account.
        region: Where the group is.
        group_id: The cluster's group, or the user's.
        owner: The cluster's.
        services: What is opened; ssh alone opens nothing.
        allowed: Blocks of addresses that ssh is opened to, for good.

    Raises:
        BadInput: An address is none, before anything is changed.
    """
    wanted = _at_first(services, allowed)
    bring(Door(session, region, group_id, owner.cluster), lambda _: wanted)


def rules_at_first(
    owner: Owner, services: Collection[Service], allowed: Iterable[str], *, jump_from: str = ""
) -> "list[IpPermissionTypeDef]":
    """Return what ``apply`` would open in a group that is made just now, as EC2 takes it.

    Args:
        owner: The cluster's.
        services: As in ``apply``.
        allowed: As in ``apply``.
        jump_from: From which addresses ssh is open anyhow: EC2 takes no rule twice.

    Raises:
        BadInput: An address is none.
    """
    wanted = {one.way: one for one in _at_first(services, allowed)}
    wanted.pop((SSH, jump_from), None)
    return [permission(owner.cluster, one) for one in wanted.values()]


def _at_first(services: Collection[Service], allowed: Iterable[str]) -> list[Opening]:
    return [*_to_everyone(services), *ssh_from(allowed, None, field="allowed_addresses")]


def expose(door: Door, services: Collection[Service], *, now: datetime) -> list[Opening]:
    """Make these services the ones that are open, and return what is open then.

    Services are opened to everyone; ssh stays open to whom ``allow`` opened it, or is closed where it is not chosen.
    What is over is closed.

    Raises:
        BadInput: ssh is chosen and open to nobody.
    """
    if Service.SSH in services and not any(_is_ssh(one) and not one.is_over(now) for one in openings(door)):
        raise BadInput(
            "ssh is opened to addresses, and to none yet", where="services", advice="Name them with allow-ssh."
        )
    wanted = _to_everyone(services)

    def wish(there: Sequence[Opening]) -> list[Opening]:
        return [*wanted, *(one for one in _lasting(there, now) if _is_ssh(one) and Service.SSH in services)]

    return settle(door, wish)


def allow(door: Door, added: Sequence[Opening], *, only_these: bool, now: datetime) -> list[Opening]:
    """Open ssh as told, and return what is open then.

    An address that is open already gets its new time. What is over is closed; what else is open stays.

    Args:
        door: The cluster's.
        added: From ``ssh_from``.
        only_these: Close ssh to all others that we opened it to.
        now: What ended by then is over.
    """

    def wish(there: Sequence[Opening]) -> list[Opening]:
        return [*(one for one in _lasting(there, now) if not (only_these and _is_ssh(one))), *added]

    return settle(door, wish)


def drop_expired(door: Door, *, now: datetime) -> list[Opening]:
    """Close what is over, and return what is open then."""
    return settle(door, lambda there: _lasting(there, now))


def withdraw(door: Door) -> None:
    """Close all that we opened for the cluster: a user's group is left as it was. A second call changes nothing."""
    bring(door, lambda _: [])


def openings(door: Door) -> list[Opening]:
    """Return what we opened for the cluster, by port and address; what is over and not closed yet, too."""
    return read(door).openings


def opened_by_others(door: Door, services: Collection[Service]) -> list[tuple[int, str]]:
    """Return the ports of services that a rule of somebody else opens to everyone: closing them is not ours."""
    others = read(door).others
    return sorted(one.way for one in _to_everyone(services) if one.way in others)


def _to_everyone(services: Iterable[Service]) -> list[Opening]:
    return [
        Opening(service=service, port=port, address=EVERYONE)
        for service in dict.fromkeys(services)
        if service is not Service.SSH
        for port in PORTS[service]
    ]


def _is_ssh(opening: Opening) -> bool:
    return opening.service is Service.SSH


def _lasting(there: Iterable[Opening], now: datetime) -> list[Opening]:
    return [one for one in there if not one.is_over(now)]
