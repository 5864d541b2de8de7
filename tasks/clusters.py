"""The steps in a cluster's life. Each writes the state it brings the cluster to before it acts."""

from datetime import UTC, datetime
from typing import Any

from blocks.aws_cluster import AwsClusterSpec
from blocks.cluster import Cluster, State
from blocks.cluster_spec import ClusterSpec, InitScriptRuns, LocalClusterSpec
from blocks.errors import GroundworkError, NodeDown, NotFound, RemoteError, TimedOut, WrongState
from tasks import bring_up, cluster_keys, init_script, protection, records, shared_folder, verification
from tasks.entry import leave, sessions_to
from tasks.providers.accounts import provider_for
from tasks.steps import step
from tasks.telling import note, show_checks, show_nodes


@step("check what was asked for")
def check_spec(spec: ClusterSpec) -> None:
    """Refuse what the account cannot hold, before anything is made."""
    provider_for(spec.account).check(spec)


@step("claim the name {spec.name}")
def claim_name(spec: LocalClusterSpec | AwsClusterSpec) -> Cluster:
    """Write the record, or find the one that the same definition made before."""
    cluster = records.claim(spec)
    protection.require_unprotected(cluster)
    return cluster


def require_growth_allowed(cluster: Cluster, node_count: int) -> None:
    """Refuse to add nodes to a protected cluster, or to try its nodes again. Fewer nodes are a way out.

    Raises:
        WrongState: With what failed last.
    """
    if node_count >= cluster.spec.node_count:
        protection.require_unprotected(cluster)


def require_start_allowed(cluster: Cluster, *, is_reset: bool) -> Cluster:
    """Refuse to start a protected cluster, unless its protection is lifted by this very start.

    Raises:
        WrongState: With what failed last.
    """
    if is_reset:
        return protection.lift(cluster)
    protection.require_unprotected(cluster)
    return cluster


@step("refresh what is known of {cluster.name}")
def read_again(cluster: Cluster, *allowed: State) -> Cluster:
    """Read a cluster's record anew: a run may have waited long for its turn.

    Raises:
        NotFound: It is gone.
        WrongState: It is in none of the allowed states.
    """
    found = records.read(cluster.name)
    if allowed and found.state not in allowed:
        states = ", ".join(allowed)
        raise WrongState(f"the cluster {found.name} is {found.state}, not {states}", where="cluster")
    return found


@step("prepare the ground of {cluster.name}")
def prepare_ground(cluster: Cluster) -> Cluster:
    """Make what all nodes share."""
    cluster = records.change(cluster, State.PROVISIONING)
    ground = provider_for(cluster.spec.account).prepare(cluster)
    note(ground.says)
    return records.change(cluster, State.PROVISIONING, ground=ground)


@step("launch the nodes of {cluster.name}")
def launch_nodes(cluster: Cluster) -> None:
    """Make the nodes that are missing."""
    wanted = range(1, cluster.spec.node_count + 1)
    provider = provider_for(cluster.spec.account)
    with records.changing_account(cluster.spec.account):
        provider.launch(cluster, cluster.require_ground(), wanted, public_key=cluster_keys.ensure(cluster).public_key)


@step("enter the nodes of {cluster.name}")
def enter_nodes(cluster: Cluster, state: State) -> Cluster:
    """Log in to every node and count its slots."""
    cluster = records.change(cluster, state)
    nodes = bring_up.entered_nodes(provider_for(cluster.spec.account), cluster, sessions_to(cluster))
    return records.change(cluster, state, nodes=nodes)


@step("furnish {cluster.name} for MPI")
def furnish_nodes(cluster: Cluster) -> None:
    """Put keys, scripts and hostfiles onto the shared folder."""
    bring_up.furnish(cluster, cluster_keys.ensure(cluster), sessions_to(cluster))


def make_ready(cluster: Cluster) -> None:
    """Furnish the nodes, and run the cluster's init script before or after that, if it has one."""
    spec = cluster.spec
    if spec.init_script and spec.init_script_runs is InitScriptRuns.FIRST:
        run_init_script(cluster)
    furnish_nodes(cluster)
    if spec.init_script and spec.init_script_runs is InitScriptRuns.LAST:
        run_init_script(cluster)


@step("run the init script of {cluster.name}", limit_s=None)
def run_init_script(cluster: Cluster) -> None:
    """Run the init script on the nodes that have not run it to a good end, and tell how it ended."""
    ended = init_script.run(cluster, sessions_to(cluster))
    for line in init_script.told(cluster, ended):
        note(line)
    init_script.require_good(cluster, ended)


def require_init_script_ended(cluster: Cluster) -> None:
    """Refuse a cluster with a node on which its init script has not ended well.

    Raises:
        CommandFailed, TimedOut: With the nodes, and how it ended.
    """
    if cluster.spec.init_script:
        init_script.require_good(cluster, init_script.endings(cluster, sessions_to(cluster)))


@step("verify {cluster.name} over every slot")
def verify_nodes(cluster: Cluster) -> None:
    """Ask the three questions over every slot, show the answers, and refuse a cluster that fails one."""
    bring_up.nodes_all_up(provider_for(cluster.spec.account), cluster)
    checks = verification.verify(cluster, sessions_to(cluster))
    show_checks(cluster, checks)
    verification.require_good(cluster, checks)


@step("say how {cluster.name} is")
def mark(cluster: Cluster, state: State, reason: str = "") -> Cluster:
    """Write a cluster's state when all work for it is done."""
    known: dict[str, Any] = {}
    if state is State.RUNNING:
        known = {**protection.NO_FAILURES, "first_ran_at": cluster.first_ran_at or datetime.now(UTC)}
    cluster = records.change(cluster, state, reason, **known)
    show_nodes(cluster)
    return cluster


@step("set {cluster.name} to {node_count} nodes")
def set_node_count(cluster: Cluster, node_count: int) -> Cluster:
    """Write the new number of nodes into the definition."""
    spec = cluster.spec.model_copy(update={"node_count": node_count})
    provider_for(spec.account).check(spec)
    return records.change(cluster, State.UPDATING, spec=spec)


@step("take the leaving nodes out of the hostfile of {cluster.name}")
def retire_nodes(cluster: Cluster) -> Cluster:
    """Tell the launcher first that nodes go, then remove them; those of a resize that died, too."""
    provider, last = provider_for(cluster.spec.account), cluster.spec.node_count
    staying = [node for node in cluster.nodes if node.index <= last]
    leaving = {node.index for node in (*cluster.nodes, *provider.nodes(cluster)) if node.index > last}
    cluster = records.change(cluster, State.UPDATING, nodes=staying)
    provider.terminate(cluster, sorted(leaving))
    return cluster


@step("stop the nodes of {cluster.name}")
def stop_nodes(cluster: Cluster) -> Cluster:
    """Stop the cluster; the shared folder stays. Which nodes are stopped, and which end, is the place's to say."""
    cluster = records.change(cluster, State.STOPPING)
    leave(cluster)
    provider = provider_for(cluster.spec.account)
    provider.stop(cluster)
    slots = {node.index: node.slots for node in cluster.nodes}
    nodes = [node.model_copy(update={"slots": slots.get(node.index, 0)}) for node in provider.nodes(cluster)]
    return records.change(cluster, State.STOPPING, nodes=nodes)


@step("start the nodes of {cluster.name}")
def start_nodes(cluster: Cluster) -> Cluster:
    """Start the nodes that are stopped or dead."""
    cluster = records.change(cluster, State.STARTING)
    provider_for(cluster.spec.account).start(cluster)
    return cluster


@step("empty the shared folder of {cluster.name}")
def empty_shared_folder(cluster: Cluster) -> None:
    """Remove a cluster's files where they lie on a file system that outlives it: one of its nodes has to do it.

    Where none is up they stay until cleanup-region, and the run says so: nothing that is deleted waits for that.
    """
    ground = cluster.ground
    if ground is None or not ground.is_mounted_later:
        return
    up = [node for node in provider_for(cluster.spec.account).nodes(cluster) if node.is_up]
    try:
        if not up:
            raise NodeDown("no node of it is up", where=f"cluster {cluster.name}")
        shared_folder.empty(ground, sessions_to(cluster).to(up[0]))
    except (RemoteError, TimedOut, NotFound) as error:
        note(f"files of {cluster.name} stay on the region's file system until cleanup-region: {error}")


@step("remove everything of {cluster.name}")
def release(cluster: Cluster) -> Cluster:
    """Remove nodes, keys, network and files, to zero. Where that fails, the record says why, and stays."""
    cluster = records.change(cluster, State.DELETING)
    leave(cluster)
    try:
        provider_for(cluster.spec.account).release(cluster)
    except GroundworkError as error:
        records.change(cluster, State.DELETING, f"delete failed: {error}")
        raise
    return cluster


@step("forget {cluster.name}")
def forget(cluster: Cluster) -> None:
    """Remove the key, and the record when nothing is left that it could point to."""
    cluster_keys.destroy(cluster)
    records.change(cluster, State.DELETED)
    records.forget(cluster)
