"""What the drill does: flows, as functions of plain words, called in a process of their own."""

from prefect_aws import AwsCredentials

from blocks.aws_account import AwsAccount
from blocks.jump_host import JumpHost
from flows.aws_accounts import create_aws_role, onboard_aws_account, show_aws_onboarding
from flows.aws_cleanup import cleanup_region
from flows.aws_clusters import create_aws_cluster
from flows.aws_regions import prepare_aws_region
from flows.cluster_life import delete_cluster, resize_cluster
from tasks import aws_account_records, records
from tests.worlds.aws_accounts import blocks_of_keys, keep
from tests.worlds.aws_world import CUSTOMER

ACCOUNT = "drill"
CLUSTER = "lab"
JUMP = "world"
KEYS = "once"
REGION = "us-east-1"
NODES, MORE_NODES = 2, 3


def make_role(key: dict[str, str]) -> None:
    """create-aws-role, with keys in a block as somebody keeps them."""
    show_aws_onboarding(name=ACCOUNT)
    kept = AwsCredentials.load(KEYS, _sync=True) if KEYS in blocks_of_keys() else keep(KEYS, key)
    create_aws_role(account=_account(), one_time_keys=kept)


def onboard() -> None:
    """onboard-aws-account, by the role."""
    arn = f"arn:aws:iam::{CUSTOMER}:role/groundwork-access"
    onboard_aws_account(account=_account(), account_id=CUSTOMER, role_arn=arn)


def prepare() -> None:
    """prepare-aws-region."""
    prepare_aws_region(account=_account(), region=REGION)


def create() -> None:
    """create-aws-cluster, in a region where nothing of ours is yet."""
    jump = JumpHost.load(JUMP, _sync=True)
    create_aws_cluster(name=CLUSTER, account=_account(), node_count=NODES, jump_host=jump)


def resize() -> None:
    """resize-cluster, to more nodes."""
    resize_cluster(cluster=records.read(CLUSTER), node_count=MORE_NODES)


def delete() -> None:
    """delete-cluster; whoever finds no record any more has nothing to delete."""
    cluster = records.find(CLUSTER)
    if cluster is not None:
        delete_cluster(cluster=cluster)


def cleanup() -> None:
    """cleanup-region, the bucket too."""
    cleanup_region(account=_account(), region=REGION, delete_bucket=True)


def _account() -> AwsAccount:
    return aws_account_records.read(ACCOUNT)
