"""Our own cluster in AWS: the steps of create-aws-cluster as far as a world without hosts goes, in a flow run."""

import time

from prefect import flow

from blocks.aws_cluster import AwsClusterSpec
from blocks.jump_host import JumpHost
from flows.aws_accounts import verify_account
from tasks import aws_account_records, records
from tasks.aws_cluster_plan import plan_cluster
from tasks.aws_regions import Place, find_ground
from tasks.clusters import claim_name, launch_nodes, prepare_ground
from tasks.grounds import finish_ground, lay_ground
from tasks.installation import installation
from tasks.records import one_writer
from tasks.telling_plans import show_plan
from tests.bench.aws.peers import NODE_TYPE
from tests.drill import acts
from tests.drill.lane import Lane
from tests.worlds.aws.latencies import SSH_OPEN_S, STATES


@flow
def create(name: str, nodes: int) -> None:
    """Plan, record, region, ground, nodes that run: all that create-aws-cluster does before it knocks at nodes."""
    account = aws_account_records.read(acts.ACCOUNT)
    spec = AwsClusterSpec(
        name=name,
        account=f"aws-account/{acts.ACCOUNT}",
        node_count=nodes,
        region=acts.REGION,
        node_type=NODE_TYPE,
        jump_host=acts.JUMP,
    )
    assert JumpHost.load(acts.JUMP, _sync=True)
    plan = plan_cluster(spec, account)
    show_plan(plan)
    plan.require_feasible()
    with one_writer(name):
        cluster = claim_name(spec)
        lay_ground(account, cluster, plan.ground)
        launch_nodes(prepare_ground(cluster))


@flow
def finish(name: str) -> None:
    """Wait for what nodes do not need."""
    account, cluster = aws_account_records.read(acts.ACCOUNT), records.read(name)
    ground = find_ground(Place(account, acts.REGION, installation()))
    assert ground is not None
    finish_ground(account, cluster, ground)


def verify() -> None:
    """Verify the account, as onboarding ends and as every night does."""
    verify_account(account=aws_account_records.read(acts.ACCOUNT))


def ready_s(lane: Lane, name: str, nodes: int) -> float:
    """Create a cluster; seconds until all its nodes are of use: SSH is open, and what is mounted is there.

    Nobody answers on port 22 of a world without hosts, and no node mounts: for both, the clock stands in.
    """
    began = time.time()
    end = lane.do("tests.bench.aws.ours:create", {"name": name, "nodes": nodes})
    assert end.code == 0, end.words
    calls = [call for call in lane.aws.calls() if call["at_s"] >= began and 200 <= call["status"] < 300]
    opens = {
        "RunInstances": STATES["instance_s"]["pending"] + SSH_OPEN_S,
        "CreateMountTarget": STATES["efs_s"]["mount_target"],
    }
    due_s = max(call["at_s"] + opens[call["operation"]] for call in calls if call["operation"] in opens)
    return max(time.time(), due_s) - began
