"""Protection against nodes that fail one after the other: each costs money, and the next will fail as they did.

A cluster is protected after ``PROTECTED_AT`` nodes in a row that were launched and could not be brought up: nobody
could enter them, their init script failed, MPI did not run over them. As in AWS ParallelCluster ("Slurm cluster
protected mode"), a good end sets the count to zero, and only a person's word lifts the protection. No room in the
place, and what the account refuses, are no such failures: there nothing was launched.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from blocks.cluster import PROTECTED_AT, Cluster
from blocks.errors import RemoteError, TimedOut, WrongState
from tasks import records
from tasks.telling import note

NO_FAILURES: dict[str, Any] = {"failures_in_a_row": 0, "last_failure": ""}
"""What the record of a cluster says that is not protected, and not on its way there."""


@contextmanager
def counting_failures(cluster: Cluster) -> Iterator[None]:
    """Count the nodes that cannot be brought up in what is done inside. A cluster that runs counts from zero."""
    try:
        yield
    except (RemoteError, TimedOut) as error:
        found = records.read(cluster.name)
        failures = found.failures_in_a_row + len(error.where.split(", "))
        records.change(found, found.state, found.reason, failures_in_a_row=failures, last_failure=str(error))
        raise


def lift(cluster: Cluster) -> Cluster:
    """Let nodes be launched again: the count begins anew."""
    return records.change(cluster, cluster.state, cluster.reason, **NO_FAILURES)


def tell(cluster: Cluster) -> None:
    """Say in the run's log that a cluster is protected, if it is."""
    if cluster.is_protected:
        failures = cluster.failures_in_a_row
        note(f"cluster {cluster.name} is protected: {failures} nodes in a row could not be brought up")


def require_unprotected(cluster: Cluster) -> None:
    """Refuse to launch nodes for a cluster that is protected.

    Raises:
        WrongState: It is; with what failed last, and how to go on.
    """
    if cluster.is_protected:
        raise WrongState(
            f"cluster {cluster.name} is protected: {cluster.failures_in_a_row} nodes in a row could not be brought up "
            f"(limit {PROTECTED_AT}); the last: {cluster.last_failure.rstrip('.')}",
            where="cluster",
            advice="Mend that, then run start-cluster with reset_protection.",
        )
