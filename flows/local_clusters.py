"""Making a cluster on a machine."""

from blocks.cluster import Cluster, State
from blocks.cluster_spec import InitScript, InitScriptMinutes, InitScriptRuns, LocalClusterSpec
from blocks.local_machine import LocalMachine
from blocks.names import Name, NodeCount, SlotCount
from tasks.clusters import (
    check_spec,
    claim_name,
    enter_nodes,
    launch_nodes,
    make_ready,
    mark,
    prepare_ground,
    verify_nodes,
)
from tasks.entry import entered
from tasks.protection import counting_failures
from tasks.providers.accounts import account_of
from tasks.records import one_writer
from tasks.steps import sentence
from tasks.telling import note
from tasks.undoing import undoing


@sentence(name="create-local-cluster", run_name="create-{name}")
def create_local_cluster(
    name: Name,
    node_count: NodeCount = 4,
    slots_per_node: SlotCount = 0,
    account: LocalMachine | None = None,
    *,
    init_script: InitScript = "",
    init_script_runs: InitScriptRuns = InitScriptRuns.LAST,
    init_script_minutes: InitScriptMinutes = 10,
) -> None:
    """Make an MPI cluster of real SSH nodes on the machine of the Prefect worker.

    Run it again after a crash: it goes on where it ended. If it fails or is cancelled, what it made is removed.

    Args:
        name: The cluster's name: small letters, digits and dashes, 32 at most.
        node_count: How many nodes.
        slots_per_node: How many ranks a node takes; 0 means one for each of its cores.
        account: The machine, if it is not the default one (this machine).
        init_script: A script that runs once on each node as the user of all nodes. Its first
            line names its interpreter, as #!/usr/bin/env bash. No secrets: it is stored with the cluster.
        init_script_runs: Before what we put on nodes for MPI (first), or after that (last).
        init_script_minutes: Its time limit.
    """
    spec = LocalClusterSpec(
        name=name,
        node_count=node_count,
        slots_per_node=slots_per_node,
        account=account_of(account),
        init_script=init_script,
        init_script_runs=init_script_runs,
        init_script_minutes=init_script_minutes,
    )
    check_spec(spec)
    with one_writer(name):
        cluster = claim_name(spec)
        if cluster.state is State.RUNNING:
            note(f"cluster {name} is there already and runs")
        else:
            _build(cluster)


def _build(cluster: Cluster) -> None:
    with entered(cluster), undoing(cluster):
        cluster = prepare_ground(cluster)
        launch_nodes(cluster)
        with counting_failures(cluster):
            cluster = enter_nodes(cluster, State.BOOTSTRAPPING)
            make_ready(cluster)
            cluster = mark(cluster, State.VERIFYING)
            verify_nodes(cluster)
        mark(cluster, State.RUNNING)
