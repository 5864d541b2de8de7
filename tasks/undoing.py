"""What a failed creation leaves behind: nothing but a record that says why."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from blocks.aws_cluster import AwsClusterSpec, OnFailure
from blocks.cluster import Cluster, State
from blocks.errors import GroundworkError
from tasks import cluster_keys, protection, records
from tasks.entry import leave
from tasks.providers.accounts import provider_for
from tasks.telling import note


@contextmanager
def undoing(cluster: Cluster) -> Iterator[None]:
    """Remove all that was made for a cluster when its creation fails or is cancelled.

    Cancellation arrives as a ``BaseException``. Whoever is killed outright undoes nothing: then the same flow, run
    again, goes on where this one ended. A cluster that has run before is left as it is: it may hold people's files;
    and so is one whose definition says to keep it for a look.
    """
    try:
        yield
    except BaseException as error:
        reason = str(error) if isinstance(error, GroundworkError) else f"{type(error).__name__}: {error}"
        gone: dict[str, Any] = {}
        if cluster.first_ran_at is None and not _is_kept(cluster):
            note("undoing what was made")
            leave(cluster)
            provider_for(cluster.spec.account).release(cluster)
            cluster_keys.destroy(cluster)
            gone = protection.NO_FAILURES  # With the nodes: each try is somebody's own act.
        protection.tell(records.change(records.read(cluster.name), State.FAILED, reason, **gone))
        raise


def _is_kept(cluster: Cluster) -> bool:
    return isinstance(cluster.spec, AwsClusterSpec) and cluster.spec.on_failure is OnFailure.KEEP


@contextmanager
def failing(cluster: Cluster) -> Iterator[None]:
    """Say why a change of a cluster failed; nothing is undone, running the flow again goes on."""
    try:
        yield
    except GroundworkError as error:
        protection.tell(records.change(records.read(cluster.name), State.FAILED, str(error)))
        raise
