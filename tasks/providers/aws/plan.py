"""The plan of a cluster: what would be made, what it costs, what it needs, and what stands in its way.

Nothing here changes anything in AWS.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from blocks.aws_account import AwsAccount, Feature, Finding, Variant
from blocks.aws_cluster import AwsClusterSpec, Doubt
from blocks.errors import AccessDenied, NotFound, QuotaExceeded
from tasks.providers.aws import (
    bucket_choice,
    form_rules,
    node_types,
    offers,
    own_ground,
    own_network,
    prices,
    quotas,
    self_test,
)
from tasks.providers.aws.findings import PlanFinding, error, note, require_none, warning, without
from tasks.providers.aws.image_catalogue import Image
from tasks.providers.aws.naming import Owner
from tasks.providers.aws.node_types import NodeType
from tasks.providers.aws.policies import needs
from tasks.providers.aws.quotas import Quota
from tasks.providers.aws.region.finding import find
from tasks.providers.aws.region.ground import RegionGround
from tasks.providers.aws.session import AwsSession

VERIFIED_WITHIN = timedelta(hours=30)
"""How old a verification of the account may be whose findings count: every night there is one."""

SUBNETS = 2
"""Zones in which a network of ours has subnets: the first ones by name."""

_AT_ONCE = 8


@dataclass(frozen=True)
class Part:
    """Things of one kind that the plan makes.

    Args:
        what: Of which kind, in words.
        count: How many.
        of: Whose they are: the cluster's, or the region's, which all clusters of it share and which are made once.
        is_there: They are the region's and stand there already.
        usd: What all of them cost an hour, in USD; None: not known, or not by the hour.
    """

    what: str
    count: int
    of: str
    usd: float | None = None
    is_there: bool = False


@dataclass(frozen=True)
class Plan:
    """What would be made for a cluster.

    Args:
        spec: What was asked for.
        parts: What would be made.
        ranks: How many ranks the cluster takes: one for each core.
        hourly_usd: What its nodes cost an hour, in USD, at the full price; None where a price is not known.
        image: What its nodes start from.
        quotas: What is needed of each quota, and what is free, in words.
        permissions: The actions that are needed.
        findings: What stands in its way, what is doubtful, what is good to know.
        ground: What all clusters of the region share, where it stands already.
    """

    spec: AwsClusterSpec
    parts: tuple[Part, ...] = ()
    ranks: int = 0
    hourly_usd: float | None = None
    image: Image | None = None
    quotas: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    findings: tuple[PlanFinding, ...] = ()
    ground: RegionGround | None = None

    def require_feasible(self) -> None:
        """Refuse a plan that something stands in the way of.

        Raises:
            BadInput, QuotaExceeded, AccessDenied: The first thing, with its field.
        """
        require_none(self.findings)


@dataclass(frozen=True)
class Asker:
    """Whom we ask as, about what.

    Args:
        session: Our session in the account.
        account: The account's record.
        owner: The AWS account that our images belong to.
        installation: Which Groundwork we are.
        is_begun: An earlier run began with the same cluster: what it made counts already, and is not needed again.
    """

    session: AwsSession
    account: AwsAccount
    owner: str
    installation: str
    is_begun: bool = False


def make(asker: Asker, spec: AwsClusterSpec) -> Plan:
    """Return the plan of a cluster. Fields that do not go together are found before AWS is asked anything.

    Raises:
        CredentialsInvalid: AWS does not know us: nothing was seen.
    """
    found = form_rules.findings(spec, asker.account)
    if any(one.severity == "error" for one in found):
        return _plan(spec, found)
    if not _is_known(asker.account, spec.region):
        told = offers.regions(asker.session)
        found += offers.region_findings(told, spec.region)
        if any(one.severity == "error" for one in found):
            return _plan(spec, found)
    return _asked(asker, spec, found)


def features_of(spec: AwsClusterSpec, account: AwsAccount) -> list[Feature]:
    """Return what a cluster needs of its account's features."""
    wanted = {Feature.CLUSTERS, Feature.EFS}
    if not spec.vpc_id:
        wanted.add(Feature.NETWORKS)
    if spec.spot:
        wanted.add(Feature.SPOT)
    if (spec.services or spec.allowed_addresses) and Feature.PORTS in account.features:
        wanted.add(Feature.PORTS)
    return [feature for feature in Feature if feature in wanted]


def _plan(spec: AwsClusterSpec, found: Iterable[PlanFinding], **told: object) -> Plan:
    return Plan(spec=spec, findings=without(found, spec.ignore_warnings), **told)  # type: ignore[arg-type]


def _asked(asker: Asker, spec: AwsClusterSpec, found: list[PlanFinding]) -> Plan:
    session, names = asker.session, {spec.node_type, spec.type_of_head}
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        typed = threads.submit(node_types.described, session, spec.region, names)
        sold = threads.submit(offers.selling, session, spec.region, names)
        priced = threads.submit(prices.hourly_usd, session, spec.region, names)
        allowed = threads.submit(permission_findings, asker, spec)
        emptied = threads.submit(_bucket, asker, spec)
        dressed = threads.submit(_profile, asker, spec)
        lived_in = threads.submit(_own_network, asker, spec)
        standing = threads.submit(_ground, asker, spec)
        known = typed.result()
        is_known = known.keys() >= names
        vcpus = threads.submit(_quotas_of_nodes, asker, spec, known) if is_known else None
        image: Future[tuple[Image | None, list[PlanFinding]]] | None = None
        if is_known:
            image = threads.submit(offers.image_of, session, asker.owner, spec, known[spec.node_type])
        ground, places = standing.result()
        is_laid = ground is not None
        found += offers.type_findings(spec, known, sold.result(), places)
        counted = [*vcpus.result(), *_quotas_of_region(asker, spec, is_laid=is_laid)] if vcpus else []
        start, why = image.result() if image else (None, [])
        found += [*why, *lived_in.result(), *dressed.result(), *emptied.result(), *_short(counted), *allowed.result()]
        cost = priced.result()
    found += _unpriced(names, cost)
    return _plan(
        spec,
        found,
        parts=(*_of_cluster(spec, known, cost), *_of_region(asker.account, spec, is_there=is_laid)),
        ranks=_ranks(spec, known),
        hourly_usd=_cost(spec, cost),
        image=start,
        quotas=tuple(one.text for one in counted),
        permissions=_actions(spec, asker.account),
        ground=ground,
    )


def _ground(asker: Asker, spec: AwsClusterSpec) -> tuple[RegionGround | None, tuple[str, ...]]:
    """Return what clusters share where it stands already, and the zones of its subnets; none where not known."""
    session, owner = asker.session, Owner(asker.installation)
    if spec.vpc_id:
        try:
            ground = own_ground.find(session, asker.account, spec, owner)
        except NotFound:
            # The network's own findings say so, with the field.
            return None, ()
    else:
        ground = find(session, spec.region, owner)
    if ground is None:
        return None, () if spec.vpc_id else tuple(offers.zones(session, spec.region)[:SUBNETS])
    return ground, tuple(zone for zone, _ in ground.private_subnets)


def _own_network(asker: Asker, spec: AwsClusterSpec) -> list[PlanFinding]:
    return own_network.check(asker.session, spec, is_begun=asker.is_begun) if spec.vpc_id else []


def _profile(asker: Asker, spec: AwsClusterSpec) -> list[PlanFinding]:
    return list(offers.profile_findings(asker.session, spec.instance_profile)) if spec.instance_profile else []


def _bucket(asker: Asker, spec: AwsClusterSpec) -> list[PlanFinding]:
    if not spec.bucket or asker.is_begun:
        return []
    return list(bucket_choice.findings(asker.session, spec.region, spec.bucket))


def permission_findings(asker: Asker, spec: AwsClusterSpec) -> list[PlanFinding]:
    """Say which actions the plan needs that the account does not allow; the simulator may be wrong about them.

    What every night's verification found is not asked again: that takes as many calls as all else of a cluster.

    Raises:
        CredentialsInvalid: AWS does not know us.
    """
    wanted = set(features_of(spec, asker.account))
    known = [found for found in asker.account.findings if found.subject in wanted]
    if _is_fresh(asker.account) and {found.subject for found in known} == wanted:
        return [_permission(found) for found in known if found.state != "good"]
    about = asker.account.model_copy(
        update={"features": features_of(spec, asker.account), "default_region": spec.region}
    )
    return [_permission(found) for found in self_test.missing(asker.session, about) if found.state != "good"]


def _is_known(account: AwsAccount, region: str) -> bool:
    """Tell whether a region is one that the account may use, as its last verification saw: that asks there."""
    return _is_fresh(account) and region == account.default_region


def _is_fresh(account: AwsAccount) -> bool:
    return account.verified_at is not None and datetime.now(UTC) - account.verified_at < VERIFIED_WITHIN


def _permission(found: Finding) -> PlanFinding:
    if found.state == "bad":
        advice = "Give the role the policies that show-aws-onboarding shows."
        return warning(Doubt.PERMISSIONS, "account", found.text, advice, kind=AccessDenied)
    return note("account", found.text)


def _quotas_of_nodes(asker: Asker, spec: AwsClusterSpec, known: Mapping[str, NodeType]) -> list[Finding]:
    return [] if asker.is_begun else quotas.room(asker.session, spec.region, _vcpus(spec, known))


def _quotas_of_region(asker: Asker, spec: AwsClusterSpec, *, is_laid: bool) -> list[Finding]:
    if asker.is_begun or is_laid:
        return []
    shared = [Quota.FILE_SYSTEMS, *([] if spec.vpc_id else [Quota.NETWORKS, Quota.ADDRESSES])]
    return quotas.room(asker.session, spec.region, dict.fromkeys(shared, 1), shared)


def _vcpus(spec: AwsClusterSpec, known: Mapping[str, NodeType]) -> dict[Quota, int]:
    need: dict[Quota, int] = {}
    for name, count in _counts(spec):
        quota = quotas.quota_of(name, spot=spec.spot)
        if quota is not None:
            need[quota] = need.get(quota, 0) + known[name].vcpus * count
    return need


def _counts(spec: AwsClusterSpec) -> tuple[tuple[str, int], ...]:
    return (spec.type_of_head, 1), (spec.node_type, spec.node_count - 1)


def _short(counted: Sequence[Finding]) -> Iterator[PlanFinding]:
    for found in counted:
        field = "node_count" if "vCPUs" in found.subject else "region"
        if found.state == "bad":
            yield error(field, found.text, kind=QuotaExceeded)
        elif found.state == "unverified":
            yield note(field, found.text)


def _unpriced(names: Iterable[str], cost: Mapping[str, float]) -> Iterator[PlanFinding]:
    for name in sorted(set(names) - set(cost)):
        yield note("node_type", f"what {name} costs is not known: the price list does not say, or may not be asked")


def _ranks(spec: AwsClusterSpec, known: Mapping[str, NodeType]) -> int:
    if spec.slots_per_node:
        return spec.slots_per_node * spec.node_count
    return sum(known[name].cores * count for name, count in _counts(spec) if name in known)


def _actions(spec: AwsClusterSpec, account: AwsAccount) -> tuple[str, ...]:
    asked = needs(
        account.variant,
        features_of(spec, account),
        vpc_id=account.vpc_id,
        instance_profile=account.instance_profile,
        region=spec.region,
    )
    return tuple(sorted({need.action for need in asked}))


def _cost(spec: AwsClusterSpec, cost: Mapping[str, float]) -> float | None:
    counts = _counts(spec)
    return sum(cost[name] * count for name, count in counts) if all(name in cost for name, _ in counts) else None


def _of_cluster(spec: AwsClusterSpec, known: Mapping[str, NodeType], cost: Mapping[str, float]) -> Iterator[Part]:
    for what, (name, count) in zip(("head", "workers"), _counts(spec), strict=True):
        if count:
            yield Part(f"{what}: {name}", count, "cluster", count * cost[name] if name in cost else None)
    yield Part(f"root disk of the head: {spec.head_disk_gib} GiB", 1, "cluster")
    if spec.node_count > 1:
        yield Part(f"root disks of the workers: {spec.node_disk_gib} GiB", spec.node_count - 1, "cluster")
    yield Part("network interfaces", spec.node_count, "cluster")
    yield Part("key pair", 1, "cluster")
    yield Part("SSH key in the parameter store", 1, "cluster")
    nodes = known.get(spec.node_type)
    if nodes and nodes.gathers and (spec.node_count > 1 or spec.efa):
        yield Part("placement group", 1, "cluster")
    if not spec.security_group_id:
        yield Part("security group", 1, "cluster")


def _of_region(account: AwsAccount, spec: AwsClusterSpec, *, is_there: bool) -> Iterator[Part]:
    what = {
        **({} if spec.vpc_id else _NETWORK),
        "shared files (EFS)": 1,
        "mount targets": 1 if spec.vpc_id else SUBNETS,
    }
    if account.variant is Variant.AUTOMATED:
        what |= _KEEPING
    yield from (Part(name, count, "region", is_there=is_there) for name, count in what.items())


_NETWORK = {
    "VPC": 1,
    "public subnets": SUBNETS,
    "private subnets": SUBNETS,
    "internet gateway": 1,
    "elastic IP": 1,
    "NAT gateway": 1,
    "route tables": 2,
    "S3 endpoint": 1,
}
_KEEPING = {
    "security group of the shared files": 1,
    "KMS key": 1,
    "bucket": 1,
    "node role": 1,
    "instance profile": 1,
}
