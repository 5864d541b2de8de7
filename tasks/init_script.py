"""A cluster's init script on its nodes: once on each, side by side, and what came of it."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, ConfigDict

from blocks.cluster import Cluster
from blocks.errors import CommandFailed, NodeUnreachable, TimedOut
from tasks.bootstrap import ON_NODE, Furniture
from tasks.ssh import Session, Sessions

MOST_SHOWN = 3
"""Of how many nodes the end of the output is shown: most often all fail alike."""

_SLACK_S = 60
_LAST_WORDS = 3


class Ended(BaseModel):
    """How the init script ended on a node. ``says`` is empty where it ended well; ``tail`` is what it wrote last."""

    model_config = ConfigDict(frozen=True)

    node: str
    code: int | None
    says: str
    is_over: bool = False
    ran_before: bool = False
    tail: tuple[str, ...] = ()


def run(cluster: Cluster, sessions: Sessions) -> list[Ended]:
    """Run the init script on all nodes on which it has not ended well yet, and return how it ended, node by node.

    It runs as the cluster's user, in a session of its own: when the connection goes away it runs on, and a second call
    waits for it. A node that was made anew runs it again. What it writes is kept in ``output_of`` each node.

    Raises:
        NodeUnreachable: With the names of the nodes that went away, where it failed on no other.
    """
    return _ask_all(cluster, sessions, is_run=True)


def endings(cluster: Cluster, sessions: Sessions) -> list[Ended]:
    """Return how the init script ended on each node, and run nothing.

    Raises:
        NodeUnreachable: With the names of the nodes that do not answer.
    """
    return _ask_all(cluster, sessions, is_run=False)


def output_of(cluster: Cluster, node: str) -> str:
    """Return the file with what the last run of the script wrote on a node, as nodes see it."""
    return f"{Furniture(cluster.require_ground().shared).base}/init-script/{node}.log"


def require_good(cluster: Cluster, ended: Sequence[Ended]) -> None:
    """Refuse a cluster on which the script did not end well everywhere.

    Raises:
        CommandFailed: With the nodes; how it ended on the first one, and what it wrote last there.
        TimedOut: The first one's was over its time.
    """
    bad = [one for one in ended if one.says]
    if not bad:
        return
    words = " | ".join(line[:120] for line in bad[0].tail[-_LAST_WORDS:])
    what = f"the init script {bad[0].says}" + (f" ({words})" if words else "")
    advice = f"The end of what it wrote is in this run's log, all of it in {output_of(cluster, bad[0].node)}."
    kind = TimedOut if bad[0].is_over else CommandFailed
    raise kind(what, where=", ".join(one.node for one in bad), advice=advice)


def told(cluster: Cluster, ended: Sequence[Ended]) -> list[str]:
    """Return what a run's log says of it: line by line, the ends of the outputs of the first nodes that failed."""
    bad = [one for one in ended if one.says]
    fresh = sum(not one.ran_before for one in ended)
    lines = [f"init script: ended well on {len(ended) - len(bad)} of {len(ended)} nodes, {fresh} of them ran it now"]
    for one in bad[:MOST_SHOWN]:
        lines.append(f"{one.node}: the init script {one.says}; the end of {output_of(cluster, one.node)}:")
        lines += [f"{one.node}: {line}" for line in one.tail or ("(it wrote nothing)",)]
    if len(bad) > MOST_SHOWN:
        lines.append("and on: " + ", ".join(one.node for one in bad[MOST_SHOWN:]))
    return lines


def _ask_all(cluster: Cluster, sessions: Sessions, *, is_run: bool) -> list[Ended]:
    everyone = sessions.to_all(cluster.nodes)
    pool = ThreadPoolExecutor(max_workers=max(len(everyone), 1))
    try:
        asked = [pool.submit(_ask, cluster, session, is_run=is_run) for session in everyone]
        found = [question.exception() or question.result() for question in asked]
    finally:
        # Not waited for: who cancels a run closes the sessions next, and that ends them.
        pool.shutdown(wait=False, cancel_futures=True)
    ended = [answer for answer in found if isinstance(answer, Ended)]
    errors = [error for error in found if isinstance(error, BaseException)]
    lost = [
        session.node.name
        for session, answer in zip(everyone, found, strict=True)
        if isinstance(answer, NodeUnreachable)
    ]
    if len(lost) < len(errors):
        raise next(error for error in errors if not isinstance(error, NodeUnreachable))
    if lost and not any(one.says for one in ended):
        raise NodeUnreachable("lost while the init script ran", where=", ".join(lost)) from errors[0]
    return ended


def _ask(cluster: Cluster, session: Session, *, is_run: bool) -> Ended:
    spec, ground, node = cluster.spec, cluster.require_ground(), session.node
    limit_s = spec.init_script_minutes * 60
    asked = {
        # A node that is made anew has another host key, wherever its user's home folder is.
        "mark": hashlib.sha256(f"{node.host_key}\0{spec.init_script}".encode()).hexdigest()[:32],
        "script": spec.init_script,
        "limit_s": limit_s,
        "output": output_of(cluster, node.name),
        "environment": {
            "GROUNDWORK_CLUSTER": spec.name,
            "GROUNDWORK_NODE": node.name,
            "GROUNDWORK_NODE_INDEX": str(node.index),
            "GROUNDWORK_SHARED": ground.shared,
        },
        "is_run": is_run,
    }
    program = (ON_NODE / "init_script.py").read_bytes() + f"\n\nmain({asked!a})\n".encode()
    answer = session.run([ground.python, "-I", "-S", "-"], stdin=program, timeout_s=limit_s + _SLACK_S)
    return Ended(node=node.name, **json.loads(answer.text))
