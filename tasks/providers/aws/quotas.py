"""What an account may have at most in a region, against what it has and what is needed.

Codes of quotas: Service Quotas, services "ec2", "vpc" and "elasticfilesystem". A node counts with all vCPUs of its
type, on demand and while it is pending or running (Amazon EC2 User Guide, "On-Demand Instance quotas").
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import ClientError

from blocks.aws_account import Feature, Finding, Variant
from blocks.errors import AccessDenied, QuotaExceeded
from tasks.providers.aws import node_types
from tasks.providers.aws.policies import TAG
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.session import AwsSession


class Quota(StrEnum):
    """A limit that AWS sets to an account in a region."""

    STANDARD_VCPUS = "vCPUs of standard types"
    G_VCPUS = "vCPUs of G and VT types"
    P_VCPUS = "vCPUs of P types"
    HPC_VCPUS = "vCPUs of HPC types"
    SPOT_STANDARD_VCPUS = "spot vCPUs of standard types"
    SPOT_G_VCPUS = "spot vCPUs of G and VT types"
    SPOT_P_VCPUS = "spot vCPUs of P types"
    NETWORKS = "VPCs"
    ADDRESSES = "elastic IPs"
    FILE_SYSTEMS = "EFS file systems"


_CODES = {
    Quota.STANDARD_VCPUS: ("ec2", "L-1216C47A"),
    Quota.G_VCPUS: ("ec2", "L-DB2E81BA"),
    Quota.P_VCPUS: ("ec2", "L-417A185B"),
    Quota.HPC_VCPUS: ("ec2", "L-F7808C92"),
    Quota.SPOT_STANDARD_VCPUS: ("ec2", "L-34B43A08"),
    Quota.SPOT_G_VCPUS: ("ec2", "L-3819A6DF"),
    Quota.SPOT_P_VCPUS: ("ec2", "L-7212CCBC"),
    Quota.NETWORKS: ("vpc", "L-F678F1CE"),
    Quota.ADDRESSES: ("ec2", "L-0263D0A3"),
    Quota.FILE_SYSTEMS: ("elasticfilesystem", "L-848C634D"),
}
_FAMILIES = {
    **dict.fromkeys(("g", "gr", "vt"), Quota.G_VCPUS),
    "p": Quota.P_VCPUS,
    "hpc": Quota.HPC_VCPUS,
    **dict.fromkeys(("a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"), Quota.STANDARD_VCPUS),
}
"""By the letters that a type's name begins with."""

_AT_SPOT_PRICE = {
    Quota.STANDARD_VCPUS: Quota.SPOT_STANDARD_VCPUS,
    Quota.G_VCPUS: Quota.SPOT_G_VCPUS,
    Quota.P_VCPUS: Quota.SPOT_P_VCPUS,
}
_AT_ONCE = 4


@dataclass(frozen=True)
class Use:
    """How much of a quota is used, and how much of that is ours."""

    used: int
    ours: int = 0


def quota_of(node_type: str, *, spot: bool = False) -> Quota | None:
    """Return the quota that a node's type counts for; None for the few families that have one of their own.

    Nodes at the spot price have quotas of their own (Amazon EC2 User Guide, "Spot Instance quotas").
    """
    family = re.match("[a-z]+", node_type)
    found = _FAMILIES.get(family[0]) if family else None
    return _AT_SPOT_PRICE.get(found) if spot and found else found


def findings(
    session: AwsSession, region: str, variant: Variant = Variant.AUTOMATED, features: Iterable[Feature] = (Feature.EFS,)
) -> list[Finding]:
    """Say for each quota whether it has room for a first small cluster, and else where to ask for more.

    What all clusters share, as the network, is not needed again where one of ours is there.

    Args:
        session: Our session in the account.
        region: Which region's quotas.
        variant: Whether we make the network.
        features: What the account is used for.

    Raises:
        CredentialsInvalid: AWS does not know us.
    """
    shared = {Quota.NETWORKS: 1, Quota.ADDRESSES: 1} if variant is Variant.AUTOMATED else {}
    need = {Quota.STANDARD_VCPUS: 4, **shared, **({Quota.FILE_SYSTEMS: 1} if Feature.EFS in features else {})}
    return [_finding(session, region, quota, count, is_shared=True) for quota, count in need.items()]


def room(session: AwsSession, region: str, need: Mapping[Quota, int], shared: Collection[Quota] = ()) -> list[Finding]:
    """Say for each quota that is needed whether it has room, and else where to ask for more.

    Args:
        session: Our session in the account.
        region: Which region's quotas.
        need: How much more of each is needed.
        shared: Those of them that are not needed again where something of ours is there already.

    Raises:
        CredentialsInvalid: AWS does not know us.
    """

    def ask(quota: Quota) -> Finding:
        return _finding(session, region, quota, need[quota], is_shared=quota in shared)

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(ask, need))


def check(session: AwsSession, region: str, need: Mapping[Quota, int]) -> None:
    """Refuse what would go over a quota, before anything is made. What cannot be asked refuses nothing.

    Args:
        session: Our session in the account.
        region: Which region's quotas.
        need: How much more of each is needed.

    Raises:
        QuotaExceeded: With each quota that is too small: what is needed, what there is, where to ask for more.
        CredentialsInvalid: AWS does not know us.
    """
    asked = room(session, region, need)
    short = [found.text for found in asked if found.state == "bad"]
    if short:
        raise QuotaExceeded("; ".join(short), where=f"quotas in {region}")


def _finding(session: AwsSession, region: str, quota: Quota, count: int, *, is_shared: bool) -> Finding:
    subject = f"quota {quota}"
    try:
        with translated(subject), ThreadPoolExecutor(max_workers=1) as side:
            told = side.submit(_limit, session, region, quota)
            use = _USES[quota](session, region)
            limit = told.result()
    except AccessDenied as error:
        return Finding(subject=subject, state="unverified", text=str(error))
    need = 0 if is_shared and use.ours else count
    free = max(limit - use.used, 0)
    text = f"{quota}: {need} needed, {free} free ({use.used} of {limit} in use)"
    if need <= free:
        return Finding(subject=subject, state="good", text=text)
    return Finding(subject=subject, state="bad", text=f"{text}. Ask for more at {_page(region, quota)}")


def _page(region: str, quota: Quota) -> str:
    service, code = _CODES[quota]
    return f"https://{region}.console.aws.amazon.com/servicequotas/home/services/{service}/quotas/{code}"


def _limit(session: AwsSession, region: str, quota: Quota) -> int:
    service, code = _CODES[quota]
    client = session.client("service-quotas", region)
    try:
        return int(client.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
    except ClientError as error:
        if code_of(error) != "NoSuchResourceException":
            raise
    # A quota that was never changed may have no value of the account's own.
    return int(client.get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])


def _vcpus(quota: Quota) -> Callable[[AwsSession, str], Use]:
    spot = quota in _AT_SPOT_PRICE.values()

    def use(session: AwsSession, region: str) -> Use:
        running = _running(session, region, spot=spot)
        types = Counter(node_type for node_type in running if quota_of(node_type, spot=spot) is quota)
        sizes = node_types.described(session, region, types)
        return Use(sum(sizes[node_type].vcpus * count for node_type, count in types.items()))

    return use


def _running(session: AwsSession, region: str, *, spot: bool) -> Iterator[str]:
    pages = session.client("ec2", region).get_paginator("describe_instances")
    states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    for page in pages.paginate(Filters=states):  # type: ignore[arg-type]
        for node in (node for reservation in page["Reservations"] for node in reservation["Instances"]):
            if (node.get("InstanceLifecycle") == "spot") is spot:
                yield node["InstanceType"]


def _networks(session: AwsSession, region: str) -> Use:
    pages = session.client("ec2", region).get_paginator("describe_vpcs").paginate()
    found = [vpc for page in pages for vpc in page["Vpcs"]]
    return Use(len(found), sum(_is_ours(vpc.get("Tags", [])) for vpc in found))


def _addresses(session: AwsSession, region: str) -> Use:
    found = session.client("ec2", region).describe_addresses()["Addresses"]
    return Use(len(found), sum(_is_ours(address.get("Tags", [])) for address in found))


def _file_systems(session: AwsSession, region: str) -> Use:
    pages = session.client("efs", region).get_paginator("describe_file_systems").paginate()
    found = [system for page in pages for system in page["FileSystems"]]
    return Use(len(found), sum(_is_ours(system.get("Tags", [])) for system in found))


def _is_ours(tags: Iterable[Mapping[str, object]]) -> bool:
    return any(tag.get("Key") == TAG for tag in tags)


_USES: dict[Quota, Callable[[AwsSession, str], Use]] = {
    **{quota: _vcpus(quota) for quota in (*_FAMILIES.values(), *_AT_SPOT_PRICE.values())},
    Quota.NETWORKS: _networks,
    Quota.ADDRESSES: _addresses,
    Quota.FILE_SYSTEMS: _file_systems,
}
