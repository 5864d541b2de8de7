"""Clusters in an AWS account: launched, stopped, started and ended by EC2, found again by their tags alone."""

import time
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from blocks.aws_account import AwsAccount
from blocks.aws_cluster import AwsClusterSpec, AwsGround
from blocks.cluster import Cluster, Node
from blocks.cluster_key import ClusterKey
from blocks.cluster_spec import ClusterSpec
from blocks.errors import BadInput, NotFound, TimedOut, WrongState
from blocks.ground import Ground
from tasks.providers.aws import cluster_things, ending, launching, node_types, own_ground, ports, quotas
from tasks.providers.aws.grounding import Network, ground_of, image_for, network_of
from tasks.providers.aws.launch_requests import HEAD, WORKERS, Order
from tasks.providers.aws.naming import Owner
from tasks.providers.aws.node_listing import UP, Listed, listed, one_each, settled
from tasks.providers.aws.node_types import NodeType
from tasks.providers.aws.quotas import Quota, quota_of
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.region.finding import find
from tasks.providers.aws.region.ground import RegionGround
from tasks.providers.aws.session import AwsSession
from tasks.providers.aws.standing import Standing, spec_of_aws, standing_of
from tasks.providers.aws.waiting import wait_for
from tasks.providers.base import KeyStore

_LAID_WITHIN_S = 30.0
_SEEN_FOR_S = 10.0


class AwsProvider:
    """A place for clusters in an AWS account; see ``tasks.providers.base`` for the promises.

    Args:
        session: How we come into the account.
        account: The account's record.
        installation: The Groundwork that everything belongs to.
        keys: Where the key pairs of the account's clusters are.
    """

    def __init__(self, session: AwsSession, account: AwsAccount, installation: str, keys: KeyStore) -> None:
        self._session, self._account, self._installation, self._keys = session, account, installation, keys
        self._known_types: dict[str, dict[str, NodeType]] = {}
        self._laid: dict[str, RegionGround] = {}
        self._seen: dict[str, tuple[float, list[Listed]]] = {}

    def check(self, spec: ClusterSpec) -> None:
        """Refuse nodes that the region does not have, or the account's quotas do not hold. Makes nothing.

        Nodes of a cluster of this name, which stand already, are not needed again.

        Raises:
            BadInput, QuotaExceeded: With the field, or the quota, and the numbers.
        """
        aws = self._mine(spec)
        types = self._types(aws)
        for name in (aws.type_of_head, aws.node_type):
            if aws.efa and not types[name].efa:
                raise BadInput(f"{name} has no Elastic Fabric Adapter", where="efa", advice="Take another type.")
        need: Counter[Quota] = Counter()
        for name, count in Counter(_types_of_nodes(aws)).items():
            quota = quota_of(name, spot=aws.spot)
            if quota is not None:
                need[quota] += count * types[name].vcpus
        for name, count in self._up_now(aws).items():
            quota = quota_of(name, spot=aws.spot)
            if quota is not None and name in types:
                need[quota] -= count * types[name].vcpus
        quotas.check(self._session, aws.region, {quota: count for quota, count in need.items() if count > 0})

    def stand_on(self, cluster: Cluster, ground: RegionGround) -> None:
        """Take what was just laid or found for a cluster: the next ``prepare`` of it does not look for that again."""
        self._laid[cluster.uuid] = ground

    def prepare(self, cluster: Cluster) -> Ground:
        """Make the cluster's key, security group, key pair and placement group. The region's things must be there.

        A second call returns the same, also when there is a newer image by then. Meanwhile it looks for nodes that an
        earlier run made: a ``launch`` that follows at once does not look again.

        Raises:
            WrongState: The region is not laid.
        """
        standing = self._standing(cluster)
        spec = standing.spec
        with ThreadPoolExecutor(max_workers=5) as side:
            nodes = side.submit(settled, standing)
            types = side.submit(self._types, spec)
            pair = side.submit(self._key_pair, cluster, standing)
            region = self._region(standing)
            network = network_of(spec, region)
            group = side.submit(self._group, standing, network)
            node_type = types.result()[spec.node_type]
            gathers = node_type.gathers and (spec.node_count > 1 or spec.efa)
            gathered = side.submit(cluster_things.ensure_placement_group, standing) if gathers else None
            image = image_for(self._session, spec, node_type)
            ground = ground_of(
                spec,
                region,
                network,
                image,
                group_id=group.result(),
                key_name=pair.result(),
                placement_group=gathered.result() if gathered else "",
                folder=f"/clusters/{cluster.uuid}",
            )
        self._seen[cluster.uuid] = time.monotonic(), nodes.result()
        before = cluster.ground
        if isinstance(before, AwsGround):
            return ground.model_copy(update={name: getattr(before, name) for name in _STAYS})
        return ground

    def _key_pair(self, cluster: Cluster, standing: Standing) -> str:
        return cluster_things.ensure_key_pair(standing, self._keys.ensure(cluster).public_key)

    def _group(self, standing: Standing, network: Network) -> str:
        """Return the security group of a cluster's nodes, with the ports open that were asked for."""
        spec, owner, may_change = standing.spec, standing.owner, ports.may_change(self._account, standing.spec)
        group_id, is_new = spec.security_group_id, False
        if not group_id:
            jump_from = network.cidr if spec.jump_host else ""
            also = ports.rules_at_first(owner, spec.services, spec.allowed_addresses, jump_from=jump_from)
            group_id, is_new = cluster_things.ensure_group(
                standing, network.vpc_id, jump_from=jump_from, also=also if may_change else ()
            )
        if may_change and not is_new:
            ports.apply(self._session, spec.region, group_id, owner, spec.services, spec.allowed_addresses)
        return group_id

    def launch(self, cluster: Cluster, ground: Ground, indexes: Collection[int], *, public_key: str) -> None:  # noqa: ARG002 # the key pair has it
        """Make the nodes with these indexes where they are missing, all in one zone; returns when they run.

        Nodes of a cluster that never ran may be made anew in another zone, when this one has no room for the rest.

        Raises:
            NoCapacity: No zone has room; with all that was tried.
            QuotaExceeded: After one call for each launch. Nothing of this call is left, unless the spec wants it kept.
            WrongState: The cluster was never prepared.
        """
        standing = self._standing(cluster)
        if not isinstance(ground, AwsGround):
            raise WrongState("it was never prepared in AWS", where=standing.where, advice="Create it again.")
        order = self._order(standing, ground, self._key(cluster))
        launching.launch(order, self._nodes_now(cluster, standing), indexes, may_move=cluster.first_ran_at is None)

    def _nodes_now(self, cluster: Cluster, standing: Standing) -> list[Listed]:
        seen = self._seen.pop(cluster.uuid, None)
        return seen[1] if seen and time.monotonic() - seen[0] < _SEEN_FOR_S else settled(standing)

    def nodes(self, cluster: Cluster) -> list[Node]:
        """Return the nodes that exist, sorted by index, by one describe. Speaks to no node and waits for nobody."""
        standing = self._standing(cluster)
        found, _ = one_each(listed(standing))
        return [found[index].told(by_public_address=standing.spec.public_addresses) for index in sorted(found)]

    def stop(self, cluster: Cluster) -> None:
        """Stop the head and end the workers: what a stopped one keeps is billed, and the shared folder is EFS's.

        Raises:
            WrongState: Its nodes are at the spot price: AWS does not stop those.
        """
        standing = self._changing(cluster)
        if standing.spec.spot:
            raise WrongState(
                "nodes at the spot price cannot be stopped", where=standing.where, advice="Delete it; its results stay."
            )
        ending.stop(standing, lambda node: node.index == 1)

    def start(self, cluster: Cluster) -> None:
        """Start all nodes that are stopped: the head. ``launch`` brings the workers back."""
        ending.start(self._changing(cluster))

    def terminate(self, cluster: Cluster, indexes: Collection[int]) -> None:
        """End these nodes for good; indexes that do not exist are passed over."""
        wanted = set(indexes)
        if wanted:
            ending.terminate(self._changing(cluster), lambda node: node.index in wanted)

    def release(self, cluster: Cluster) -> None:
        """End all nodes, and remove security group, key pair and placement group. What all clusters share stays.

        Raises:
            GroundworkError: What could not be removed, or could not be seen: nothing is taken for gone.
        """
        standing = self._changing(cluster)
        if standing.spec.security_group_id and ports.may_change(self._account, standing.spec):
            self._give_back(standing)
        ending.release(standing, _expected(cluster, standing.spec))

    def _give_back(self, standing: Standing) -> None:
        try:
            ports.withdraw(ports.door_of(self._session, standing.spec, standing.owner))
        except NotFound:
            return  # the user removed the group

    def _standing(self, cluster: Cluster) -> Standing:
        self._mine(cluster.spec)
        return standing_of(self._session, self._installation, cluster)

    def _changing(self, cluster: Cluster) -> Standing:
        """Return where a cluster stands whose nodes are about to change: what was seen of them counts no more."""
        self._seen.pop(cluster.uuid, None)
        return self._standing(cluster)

    def _mine(self, spec: ClusterSpec) -> AwsClusterSpec:
        """Return a spec of this account: what another account has is not here, and would look as if it were gone.

        Raises:
            BadInput: It is another account's. AWS is not asked.
        """
        mine = f"{AwsAccount.get_block_type_slug()}/{self._account.name}"
        if spec.account != mine:
            raise BadInput(f"the cluster {spec.name} is in {spec.account}, not in {mine}", where="account")
        return spec_of_aws(spec)

    def _key(self, cluster: Cluster) -> ClusterKey:
        key = self._keys.find(cluster)
        if key is None:
            raise WrongState("it has no key", where=f"cluster {cluster.name}", advice="Create it again.")
        return key

    def _region(self, standing: Standing) -> RegionGround:
        """Return the region's ground, or that in the user's network; what was made just now may not be told of yet."""
        region, spec, owner = standing.spec.region, standing.spec, Owner(self._installation)
        laid = self._laid.pop(standing.owner.cluster, None)
        if laid is not None:
            return laid

        def look() -> RegionGround | None:
            if spec.vpc_id:
                return own_ground.find(self._session, self._account, spec, owner)
            return find(self._session, region, owner)

        try:
            found = wait_for(
                f"ground of {region}",
                look,
                lambda ground: ground is not None,
                limit_s=_LAID_WITHIN_S,
                first_s=0,
                every_s=2,
            )
        except TimedOut as error:
            raise WrongState(
                "what all clusters of it share is not there", where=f"region {region}", advice="Create it again."
            ) from error
        assert found is not None  # noqa: S101 # what is None is waited for
        return found

    def _types(self, spec: AwsClusterSpec) -> dict[str, NodeType]:
        asked = {spec.type_of_head: "head_type", spec.node_type: "node_type"}
        known = self._known_types.setdefault(spec.region, {})
        if not asked.keys() <= known.keys():
            known |= node_types.described(self._session, spec.region, asked)
        for name, where in asked.items():
            if name not in known:
                raise BadInput(f"{spec.region} knows no type {name}", where=where, advice="Take another type.")
        return {name: known[name] for name in asked}

    def _order(self, standing: Standing, ground: AwsGround, key: ClusterKey) -> Order:
        spec = standing.spec
        types = self._types(spec) if spec.efa or ground.placement_group else {}
        adapters = {name: one.adapters for name, one in types.items() if spec.efa}
        return Order(standing, ground, key, adapters, frozenset(name for name, one in types.items() if one.gathers))

    def _up_now(self, spec: AwsClusterSpec) -> Counter[str]:
        """Return how many nodes of a type stand already in a cluster of this name."""
        names = [Standing(self._session, spec, Owner("")).node_name(part) for part in (HEAD, WORKERS)]
        filters = [
            *Owner(self._installation).filters(),
            {"Name": "tag:Name", "Values": names},
            {"Name": "instance-state-name", "Values": sorted(UP)},
        ]
        with translated(f"nodes of cluster {spec.name}"):
            pages = (
                self._session.client("ec2", spec.region).get_paginator("describe_instances").paginate(Filters=filters)
            )
            reservations = [reservation for page in pages for reservation in page["Reservations"]]
        return Counter(str(one["InstanceType"]) for reservation in reservations for one in reservation["Instances"])


_STAYS = ("image_id", "root_device", "user", "subnets", "placement_group")
"""What nodes that are launched later must have as the first ones have it."""


def _expected(cluster: Cluster, spec: AwsClusterSpec) -> set[str]:
    """Return what a cluster should own, as far as we remember: its ground is written when all but the nodes is made."""
    ground = cluster.ground
    gathered = not isinstance(ground, AwsGround) or bool(ground.placement_group)
    return {
        cluster_things.KEY_PAIR,
        *[ending.NODES] * (ground is not None),
        *[cluster_things.GROUP] * (not spec.security_group_id),
        *[cluster_things.PLACEMENT_GROUP] * gathered,
    }


def _types_of_nodes(spec: AwsClusterSpec) -> list[str]:
    return [spec.type_of_head, *[spec.node_type] * (spec.node_count - 1)]
