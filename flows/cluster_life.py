"""What happens to a cluster after it was made, wherever it stands."""

from blocks.cluster import Cluster, State
from blocks.names import NodeCount
from tasks.clusters import (
    empty_shared_folder,
    enter_nodes,
    forget,
    launch_nodes,
    make_ready,
    mark,
    read_again,
    release,
    require_growth_allowed,
    require_init_script_ended,
    require_start_allowed,
    retire_nodes,
    set_node_count,
    start_nodes,
    stop_nodes,
    verify_nodes,
)
from tasks.entry import entered
from tasks.protection import counting_failures
from tasks.records import one_writer
from tasks.steps import sentence
from tasks.undoing import failing


@sentence(name="verify-cluster", run_name="verify-{cluster.name}")
def verify_cluster(cluster: Cluster) -> None:
    """Check a cluster: its hostfile is there, `hostname` and Python answer over every slot, node by node.

    A cluster that fails a check is marked failed, with the nodes; one that had failed and is good runs again.

    Args:
        cluster: The cluster.
    """
    with one_writer(cluster.name):
        cluster = read_again(cluster, State.RUNNING, State.FAILED, State.VERIFYING)
        with entered(cluster), failing(cluster):
            if cluster.state is not State.RUNNING:
                cluster = enter_nodes(cluster, State.VERIFYING)
                require_init_script_ended(cluster)
            verify_nodes(cluster)
            mark(cluster, State.RUNNING)


@sentence(name="resize-cluster", run_name="resize-{cluster.name}-to-{node_count}")
def resize_cluster(cluster: Cluster, node_count: NodeCount) -> None:
    """Add nodes to a cluster, or remove its last ones. The hostfile follows at once.

    Args:
        cluster: The cluster; it must run.
        node_count: How many nodes it shall have.
    """
    with one_writer(cluster.name):
        cluster = read_again(cluster, State.RUNNING, State.UPDATING, State.FAILED)
        require_growth_allowed(cluster, node_count)
        with entered(cluster), failing(cluster):
            cluster = set_node_count(cluster, node_count)
            cluster = retire_nodes(cluster)
            launch_nodes(cluster)
            with counting_failures(cluster):
                cluster = enter_nodes(cluster, State.UPDATING)
                make_ready(cluster)
                verify_nodes(cluster)
            mark(cluster, State.RUNNING)


@sentence(name="stop-cluster", run_name="stop-{cluster.name}")
def stop_cluster(cluster: Cluster) -> None:
    """Stop a cluster. Its shared folder and its definition stay; start-cluster brings it back.

    In a cloud the head is stopped and keeps its disk, which is billed; the workers end, and their disks with them.

    Args:
        cluster: The cluster.
    """
    with one_writer(cluster.name):
        cluster = read_again(cluster, State.RUNNING, State.STOPPING, State.STOPPED, State.FAILED)
        if cluster.state is not State.STOPPED:
            with failing(cluster):
                mark(stop_nodes(cluster), State.STOPPED)


@sentence(name="start-cluster", run_name="start-{cluster.name}")
def start_cluster(cluster: Cluster, *, reset_protection: bool = False) -> None:
    """Start a cluster that is stopped, or bring back the dead nodes of one that failed; missing ones are made anew.

    After ten nodes in a row that could not be brought up a cluster is protected: no more are launched for it.

    Args:
        cluster: The cluster.
        reset_protection: Let nodes be launched for a protected cluster again, after its trouble was mended.
    """
    with one_writer(cluster.name):
        cluster = read_again(cluster, State.STOPPED, State.STARTING, State.FAILED)
        cluster = require_start_allowed(cluster, is_reset=reset_protection)
        with entered(cluster), failing(cluster):
            cluster = start_nodes(cluster)
            launch_nodes(cluster)
            with counting_failures(cluster):
                cluster = enter_nodes(cluster, State.STARTING)
                make_ready(cluster)
                verify_nodes(cluster)
            mark(cluster, State.RUNNING)


@sentence(name="delete-cluster", run_name="delete-{cluster.name}")
def delete_cluster(cluster: Cluster) -> None:
    """Remove a cluster and everything it owns, its shared folder too. Results that jobs kept stay.

    Args:
        cluster: The cluster.
    """
    with one_writer(cluster.name):
        cluster = read_again(cluster)
        empty_shared_folder(cluster)
        forget(release(cluster))
