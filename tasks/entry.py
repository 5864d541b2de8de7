"""The open SSH sessions of this process to clusters: one set a cluster, shared by all steps of a flow run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from blocks.cluster import Cluster
from blocks.errors import NotFound
from tasks import records
from tasks.bootstrap import Furniture, ensure_scripts
from tasks.runner import Runner
from tasks.ssh import Login, Sessions

_open: dict[str, Sessions] = {}
_runners: dict[str, Runner] = {}
_opening = threading.RLock()


@contextmanager
def entered(cluster: Cluster) -> Iterator[None]:
    """Let the steps inside share their sessions to a cluster; they are closed at the end, whatever happens."""
    try:
        yield
    finally:
        leave(cluster)


def leave(cluster: Cluster) -> None:
    """Close the sessions to a cluster. Closing what is closed does nothing."""
    runner = _runners.pop(cluster.uuid, None)
    if runner is not None:
        runner.close()
    sessions = _open.pop(cluster.uuid, None)
    if sessions is not None:
        sessions.close()


def sessions_to(cluster: Cluster) -> Sessions:
    """Return this process's sessions to a cluster.

    Raises:
        NotFound: The cluster has no key: it was never provisioned.
    """
    with _opening:
        if cluster.uuid not in _open:
            key = records.key_of(cluster)
            if key is None:
                raise NotFound("it has no key", where=f"cluster {cluster.name}", advice="Create it again.")
            login = Login(cluster.require_ground().user, key.private_key.get_secret_value())
            _open[cluster.uuid] = Sessions(login)
        return _open[cluster.uuid]


def runner_to(cluster: Cluster) -> Runner:
    """Return this process's job runner on a cluster's head, opened when first asked for."""
    with _opening:
        if cluster.uuid not in _runners:
            head = sessions_to(cluster).to(cluster.head)
            ensure_scripts(head, Furniture(cluster.require_ground().shared))
            runner = Runner(head, cluster)
            runner.open()
            _runners[cluster.uuid] = runner
        return _runners[cluster.uuid]
