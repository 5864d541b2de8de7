"""The steps in which a region gets what all its clusters share: a graph, in which what can be is made side by side."""

from dataclasses import dataclass
from typing import Any, TypeVar

from prefect import Task
from prefect.futures import PrefectFuture, wait
from prefect.runtime import task_run

from blocks.aws_account import AwsAccount, Variant
from blocks.errors import BadInput
from tasks import aws_region_notes as notes
from tasks.installation import installation
from tasks.providers.aws.naming import Owner
from tasks.providers.aws.region import files, finding, keeping, network, node_role, routes
from tasks.providers.aws.region.finding import Subnets
from tasks.providers.aws.region.ground import RegionGround
from tasks.providers.aws.region.network import Network
from tasks.providers.aws.region.site import Site
from tasks.providers.aws.session import shared_session_of
from tasks.steps import step
from tasks.telling import note

R = TypeVar("R")


@dataclass(frozen=True)
class Place:
    """A region of an account, and which laying of it this is (see ``Site``)."""

    account: AwsAccount
    region: str
    installation: str
    attempt: str = ""
    was_begun: bool = True

    @property
    def owner(self) -> Owner:
        """Whose everything is that all clusters share."""
        return Owner(self.installation)

    @property
    def site(self) -> Site:
        """The same, with the way in."""
        return Site(
            session=shared_session_of(self.account),
            region=self.region,
            owner=self.owner,
            account_id=self.account.account_id,
            attempt=self.attempt,
            # A step that is tried again has been begun, too.
            was_begun=self.was_begun or task_run.run_count > 1,
        )


def lay_region(
    account: AwsAccount, region: str, *, again: bool = False, seen: RegionGround | None = None
) -> RegionGround:
    """Let there be what all clusters of a region share; return it as soon as nodes can be launched there.

    NAT gateway and mount targets are still on their way then: ``finish_region`` waits for them. One run at a time lays
    a region, so many of them make one ground. A second call finds it, and finishes what the first began.

    Args:
        account: The account, which must be connected.
        region: As ``us-east-1``.
        again: Look at every single thing, also where all was finished before.
        seen: What stood there a moment ago: a region that is finished, and not being cleaned, is not looked at again.

    Raises:
        BadInput: The account's network is its owner's: we make nothing in it.
        GroundworkError: What AWS refused.
    """
    if account.variant is Variant.RESTRICTED:
        raise BadInput(
            "its network was made by its owner, and we make none there",
            where="account",
            advice="Choose network, subnet and group of the cluster instead.",
        )
    known = notes.read(account.account_id, region)
    if known and known.is_finished and not again:
        ground = seen or find_ground(Place(account, region, installation()))
        if ground is not None:
            return ground
    with notes.one_at_work_in(account.account_id, region):
        was_begun = notes.read(account.account_id, region) is not None
        begun = notes.begin(account.account_id, region)
        return _lay(Place(account, region, installation(), begun.attempt, was_begun))


def finish_region(account: AwsAccount, ground: RegionGround) -> None:
    """Wait until a region that was laid is whole: mount targets, NAT gateway, and the private subnets' way out.

    A region that was finished before is not looked at.
    """
    known = notes.read(account.account_id, ground.region)
    if known is None or known.is_finished:
        return
    place = Place(account, ground.region, installation(), known.attempt)
    begun = _Begun()
    begun.start(open_files, place, ground)
    begun.start(open_way_out, place, ground)
    begun.wait_ended()
    notes.finish(account.account_id, ground.region)
    note(f"region {ground.region} of account {account.name} is whole")


def _lay(place: Place) -> RegionGround:
    begun = _Begun()
    start = begun.start
    zones, vpc = start(find_zones, place), start(ensure_network, place)
    key, bucket, profile = start(ensure_key, place), start(ensure_bucket, place), start(ensure_node_profile, place)
    address, shared = start(ensure_address, place), start(ensure_files, place, key)
    gateway = start(ensure_internet_gateway, place, vpc)
    public = start(ensure_public_subnets, place, vpc, zones)
    private = start(ensure_private_subnets, place, vpc, zones)
    group = start(ensure_files_group, place, vpc)
    start(ensure_nat_gateway, place, vpc, public, address, gateway)
    start(ensure_mount_targets, place, vpc, private, shared, group)
    inward = start(ensure_private_routes, place, vpc, private)
    outward = start(ensure_public_routes, place, vpc, public, gateway)
    start(ensure_s3_endpoint, place, vpc, inward, outward)
    start(allow_nodes, place, profile, bucket, key)
    begun.wait_ended()
    return RegionGround(
        region=place.region,
        vpc_id=vpc.result().vpc_id,
        cidr=vpc.result().cidr,
        public_subnets=public.result(),
        private_subnets=private.result(),
        file_system_id=shared.result(),
        files_group_id=group.result(),
        key_arn=key.result(),
        bucket=bucket.result(),
        instance_profile=profile.result(),
    )


class _Begun:
    """Steps that were begun side by side."""

    def __init__(self) -> None:
        self._all: list[PrefectFuture[Any]] = []

    def start(self, task: Task[..., R], *told: object) -> PrefectFuture[R]:
        """Begin a step; a future among what it is told is waited for first. What a step needs is begun before it."""
        # Prefect cannot end a step in a thread when its time is over; each has limits of its own for what it waits for.
        begun = task.submit(*told, return_state=False)
        self._all.append(begun)
        return begun

    def wait_ended(self) -> None:
        """Wait until all ended; raise the error of the first that failed: it says why others were not begun."""
        wait(self._all)
        for begun in self._all:
            begun.result()


@step("look for the ground of {place.region}", limit_s=None)
def find_ground(place: Place) -> RegionGround | None:
    """Look for all that nodes need."""
    return finding.find(place.site.session, place.region, place.owner)


@step("look for zones of {place.region}", limit_s=None)
def find_zones(place: Place) -> tuple[str, ...]:
    """Look for zones that are open to everybody."""
    return network.two_zones(place.site)


@step("ensure the network of {place.region}", limit_s=None)
def ensure_network(place: Place) -> Network:
    """Let there be the VPC."""
    return network.ensure_network(place.site)


@step("ensure the public subnets of {place.region}", limit_s=None)
def ensure_public_subnets(place: Place, vpc: Network, zones: tuple[str, ...]) -> Subnets:
    """Let there be the subnets that can be reached from outside."""
    return network.ensure_public_subnets(place.site, vpc, zones)


@step("ensure the private subnets of {place.region}", limit_s=None)
def ensure_private_subnets(place: Place, vpc: Network, zones: tuple[str, ...]) -> Subnets:
    """Let there be the subnets of nodes."""
    return network.ensure_private_subnets(place.site, vpc, zones)


@step("ensure the internet gateway of {place.region}", limit_s=None)
def ensure_internet_gateway(place: Place, vpc: Network) -> str:
    """Let there be the internet gateway."""
    return network.ensure_internet_gateway(place.site, vpc)


@step("ensure the elastic IP of {place.region}", limit_s=None)
def ensure_address(place: Place) -> str:
    """Let there be the NAT gateway's address."""
    return network.ensure_address(place.site)


@step("ensure the public routes of {place.region}", limit_s=None)
def ensure_public_routes(place: Place, vpc: Network, subnets: Subnets, gateway: str) -> str:
    """Let the public subnets reach the internet."""
    return routes.ensure_public_routes(place.site, vpc, subnets, gateway)


@step("ensure the private routes of {place.region}", limit_s=None)
def ensure_private_routes(place: Place, vpc: Network, subnets: Subnets) -> str:
    """Let the private subnets have routes of their own."""
    return routes.ensure_private_routes(place.site, vpc, subnets)


@step("ensure the S3 endpoint of {place.region}", limit_s=None)
def ensure_s3_endpoint(place: Place, vpc: Network, *tables: str) -> None:
    """Let S3 be reached from all subnets."""
    routes.ensure_s3_endpoint(place.site, vpc, tables)


@step("ensure the NAT gateway of {place.region}", limit_s=None)
def ensure_nat_gateway(place: Place, vpc: Network, subnets: Subnets, address: str, _gateway: str) -> str:
    """Let there be the NAT gateway; it needs the internet gateway to be attached."""
    return routes.ensure_nat_gateway(place.site, vpc, subnets, address)


@step("ensure the key of {place.region}", limit_s=None)
def ensure_key(place: Place) -> str:
    """Let there be the KMS key."""
    return keeping.ensure_key(place.site)


@step("ensure the state bucket of {place.region}", limit_s=None)
def ensure_bucket(place: Place) -> str:
    """Let there be the state bucket."""
    return keeping.ensure_bucket(place.site)


@step("ensure the node role of {place.region}", limit_s=None)
def ensure_node_profile(place: Place) -> str:
    """Let there be the nodes' role in its instance profile."""
    return node_role.ensure_node_profile(place.site)


@step("allow the nodes of {place.region} what they need", limit_s=None)
def allow_nodes(place: Place, profile: str, bucket: str, key: str) -> None:
    """Let nodes use their part of the bucket, their parameters and logs."""
    node_role.allow_nodes(place.site, profile, bucket, key)


@step("ensure the shared files of {place.region}", limit_s=None)
def ensure_files(place: Place, key: str) -> str:
    """Let there be the file system."""
    return files.ensure_files(place.site, key)


@step("ensure the group of the shared files of {place.region}", limit_s=None)
def ensure_files_group(place: Place, vpc: Network) -> str:
    """Let there be the mount targets' security group."""
    return files.ensure_files_group(place.site, vpc)


@step("ensure the mount targets of {place.region}", limit_s=None)
def ensure_mount_targets(place: Place, vpc: Network, subnets: Subnets, shared: str, group: str) -> None:
    """Let there be a mount target in each private subnet."""
    files.ensure_mount_targets(place.site, vpc, subnets, shared, group)


@step("wait for the mount targets of {place.region}", limit_s=None)
def open_files(place: Place, ground: RegionGround) -> None:
    """Wait until the shared files can be mounted."""
    files.wait_mount_targets(place.site, ground.private_subnets, ground.file_system_id)


@step("wait for the NAT gateway of {place.region}", limit_s=None)
def open_way_out(place: Place, ground: RegionGround) -> None:
    """Wait until the private subnets reach the internet."""
    site = place.site
    routes.ensure_way_out(site, ground.vpc_id, routes.wait_nat_gateway(site, ground.vpc_id))
