"""Bringing home what a program left in its output folder."""

import stat
from pathlib import Path, PurePosixPath

import paramiko

from tasks.ssh import Session

MOST_FILES = 10_000


def bring_home(session: Session, folder: str, into: Path) -> list[Path]:
    """Copy a folder of a node, files and folders only, and return the files. A second call copies it again.

    Links are passed over: they could point anywhere on the node, and the copy must not.

    Args:
        session: The node.
        folder: The folder on it; a missing one is an empty one.
        into: The folder here; it is made.
    """
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    brought: list[Path] = []
    waiting = [PurePosixPath(folder)]
    while waiting:
        here = waiting.pop()
        for entry in _entries(session, here):
            kind = entry.st_mode or 0
            path = here / entry.filename
            target = into / path.relative_to(folder)
            if stat.S_ISDIR(kind):
                target.mkdir(mode=0o700, exist_ok=True)
                waiting.append(path)
            elif stat.S_ISREG(kind) and len(brought) < MOST_FILES:
                target.write_bytes(session.read(str(path)))
                brought.append(target)
    return sorted(brought)


def _entries(session: Session, folder: PurePosixPath) -> list[paramiko.SFTPAttributes]:
    try:
        return session.sftp().listdir_attr(str(folder))
    except FileNotFoundError:
        return []
