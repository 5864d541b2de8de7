"""The open SSH sessions of this process to clusters: one set a cluster, shared by all steps of a flow run."""

from collections.abc import Iterator
from contextlib import contextmanager

from blocks.cluster import Cluster
from blocks.errors import NotFound
from tasks import records
from tasks.ssh import Login, Sessions

_open: dict[str, Sessions] = {}


@contextmanager
def entered(cluster: Cluster) -> Iterator[None]:
    """Let the steps inside share their sessions to a cluster; they are closed at the end, whatever happens."""
    try:
        yield
    finally:
        leave(cluster)


def leave(cluster: Cluster) -> None:
    """Close the sessions to a cluster. Closing what is closed does nothing."""
    sessions = _open.pop(cluster.uuid, None)
    if sessions is not None:
        sessions.close()


def sessions_to(cluster: Cluster) -> Sessions:
    """Return this process's sessions to a cluster.

    Raises:
        NotFound: The cluster has no key: it was never provisioned.
    """
    if cluster.uuid not in _open:
        key = records.key_of(cluster)
        if key is None:
            raise NotFound("it has no key", where=f"cluster {cluster.name}", advice="Create it again.")
        login = Login(cluster.require_ground().user, key.private_key.get_secret_value())
        _open[cluster.uuid] = Sessions(login)
    return _open[cluster.uuid]
