"""The shared folder on every node: where nodes mount it by themselves, it comes some time after they let us in."""

import shlex
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from blocks.errors import TimedOut
from blocks.ground import Ground
from tasks.ssh import Session

MOUNT_LIMIT_S = 600
"""Mount targets of a new file system take minutes, and nodes may be up before."""

_AT_ONCE = 32
_LOG = "/var/log/cloud-init-output.log"
"""What a node's own set-up wrote ("Where are the logs?" in cloud-init's documentation); root's on most systems."""


def wait_until_shared(ground: Ground, sessions: Sequence[Session], *, limit_s: float = MOUNT_LIMIT_S) -> None:
    """Wait until the shared folder is mounted, and ours to write, on all nodes; one short command a node and round.

    Returns at once where nodes have it from their start.

    Raises:
        TimedOut: With the names of the nodes that lack it, and the last line of what the first one's set-up said.
        NodeUnreachable: A node was lost meanwhile.
    """
    if not ground.is_mounted_later:
        return
    end, pause_s, lacking = time.monotonic() + limit_s, 0.2, list(sessions)
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, max(len(lacking), 1))) as pool:
        while lacking := _lacking(pool, ground.shared, lacking):
            if time.monotonic() + pause_s > end:
                raise _not_shared(ground.shared, lacking, limit_s)
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 3.0)


def empty(ground: Ground, session: Session, *, limit_s: float = 300) -> None:
    """Remove all that is in the shared folder. A second call does nothing.

    Raises:
        CommandFailed: Something of it could not be removed.
        TimedOut, NodeUnreachable: As `Session.run`.
    """
    place = shlex.quote(ground.shared)
    session.run(["sh", "-c", f"! mountpoint -q {place} || find {place} -mindepth 1 -delete"], timeout_s=limit_s)


def _lacking(pool: ThreadPoolExecutor, shared: str, sessions: Sequence[Session]) -> list[Session]:
    has_it = pool.map(lambda session: _has_it(session, shared), sessions)
    return [session for session, is_there in zip(sessions, has_it, strict=True) if not is_there]


def _has_it(session: Session, shared: str) -> bool:
    place = shlex.quote(shared)
    try:
        return (
            session.run(["sh", "-c", f"mountpoint -q {place} && test -w {place}"], timeout_s=15, check=False).code == 0
        )
    except TimedOut:
        return False  # A file system that does not answer holds on to who asks it.


def _not_shared(shared: str, lacking: Sequence[Session], limit_s: float) -> TimedOut:
    told = ""
    try:
        read = f"tail -n 1 {_LOG} 2>/dev/null || sudo -n tail -n 1 {_LOG}"
        told = lacking[0].run(["sh", "-c", read], timeout_s=15, check=False).text[:300]
    except TimedOut:
        told = "its set-up log cannot be read either"
    return TimedOut(
        f"{shared} is not mounted, or not ours to write, after {limit_s:g} s" + (f" ({told})" if told else ""),
        where=", ".join(session.node.name for session in lacking),
        advice="Is the file system there, and does its security group let these nodes in on port 2049?",
    )
