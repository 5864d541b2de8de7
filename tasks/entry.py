"""The open SSH sessions of this process to clusters: one set a cluster, shared by all steps of a flow run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from blocks.cluster import Cluster
from blocks.errors import NotFound
from blocks.jump_host import JumpHost
from tasks import cluster_keys, documents
from tasks.bootstrap import Furniture, ensure_scripts
from tasks.runner import Runner
from tasks.ssh import Login, Sessions
from tasks.ssh_jump import Jump

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
    """Return this process's sessions to a cluster, through the jump host that its ground names.

    Raises:
        NotFound: The cluster has no key: it was never provisioned. Or the jump host's block is gone.
    """
    with _opening:
        if cluster.uuid not in _open:
            ground = cluster.require_ground()
            private_key = cluster_keys.read(cluster).private_key.get_secret_value()
            jump = _jump(ground.jump_host) if ground.jump_host else None
            _open[cluster.uuid] = Sessions(Login(ground.user, private_key, jump))
        return _open[cluster.uuid]


def _jump(name: str) -> Jump:
    host = documents.load(JumpHost, name)
    if host is None:
        raise NotFound("there is no such jump host", where=f"jump_host {name}", advice="Make its block again.")
    return Jump(host)


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
