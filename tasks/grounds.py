"""The steps in which an AWS cluster gets what it stands on: the region's ground, or ours beside the user's network."""

from blocks.aws_account import AwsAccount
from blocks.aws_cluster import AwsClusterSpec
from blocks.cluster import Cluster
from tasks.aws_region_notes import one_at_work_in
from tasks.aws_regions import Place, finish_region, lay_region
from tasks.installation import installation
from tasks.providers.accounts import aws_provider_for
from tasks.providers.aws import own_ground
from tasks.providers.aws.region.ground import RegionGround
from tasks.providers.aws.standing import spec_of_aws
from tasks.steps import step


def lay_ground(account: AwsAccount, cluster: Cluster, seen: RegionGround | None = None) -> RegionGround:
    """Let there be what nodes need beside the cluster's own things; return it as soon as they can start.

    In a network of the user's that is shared files in it, and of the region what is no network; else the region's
    ground. ``finish_ground`` waits for the rest. A second call finds it.

    Args:
        account: The cluster's.
        cluster: Whose nodes shall stand.
        seen: What its plan saw of the region a moment ago.

    Raises:
        BadInput: A restricted account, and no network or group was named.
        GroundworkError: What AWS refused.
    """
    spec = spec_of_aws(cluster.spec)
    ground = _laid(account, spec, seen)
    aws_provider_for(spec.account).stand_on(cluster, ground)
    return ground


def _laid(account: AwsAccount, spec: AwsClusterSpec, seen: RegionGround | None) -> RegionGround:
    if not spec.vpc_id:
        return lay_region(account, spec.region, seen=seen)
    with one_at_work_in(account.account_id, spec.region):
        return ensure_own_ground(Place(account, spec.region, installation()), spec)


def finish_ground(account: AwsAccount, cluster: Cluster, ground: RegionGround) -> None:
    """Wait until what was laid is whole: the shared files can be mounted, the region's way out is open."""
    spec = spec_of_aws(cluster.spec)
    if spec.vpc_id:
        open_own_files(Place(account, spec.region, installation()), ground)
    else:
        finish_region(account, ground)


@step("ensure what {spec.name} needs in {spec.vpc_id}", limit_s=None)
def ensure_own_ground(place: Place, spec: AwsClusterSpec) -> RegionGround:
    """Let there be shared files in the user's network, and of the region what is no network."""
    return own_ground.lay(place.site, place.account, spec)


@step("wait for the shared files in {ground.vpc_id}", limit_s=None)
def open_own_files(place: Place, ground: RegionGround) -> None:
    """Wait until the shared files can be mounted in the user's subnet."""
    own_ground.wait_files(place.site, ground)
