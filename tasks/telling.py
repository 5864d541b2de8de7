"""What a run tells people: log lines, and artifacts in its tab."""

from collections.abc import Sequence

from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger

from blocks.cluster import Cluster
from tasks.verification import Check


def note(line: str) -> None:
    """Write one line into the run's log."""
    get_run_logger().info(line)


def show_checks(cluster: Cluster, checks: Sequence[Check]) -> None:
    """Show the checks of a cluster as a table: by node, expected against got."""
    rows = [{**line.model_dump(), "good": "yes" if line.is_good else "NO"} for line in checks]
    create_table_artifact(rows, key=f"checks-{cluster.name}", description=f"Checks of cluster {cluster.name}")
    good = sum(line.is_good for line in checks)
    note(f"{good} of {len(checks)} checks are good")


def show_nodes(cluster: Cluster) -> None:
    """Show the nodes of a cluster as a table."""
    rows = [
        {"node": node.name, "address": node.address, "slots": node.slots, "up": "yes" if node.is_up else "no"}
        for node in cluster.nodes
    ]
    title = f"Cluster {cluster.name}: {cluster.state.value}, {len(rows)} nodes, {cluster.slots} slots"
    create_table_artifact(rows, key=f"nodes-{cluster.name}", description=title)
    note(title)
