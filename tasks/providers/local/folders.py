"""A cluster's folder: locked while something in it is changed, deleted to the last file."""

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def make(folder: Path) -> None:
    """Make a cluster's folder, with its lock, for its owner alone. Twice is fine."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "lock").touch(mode=0o600)


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Hold a cluster's lock, and hand out its descriptor: one process at a time changes something of the cluster.

    Raises:
        FileNotFoundError: The cluster has no folder, or lost it while we waited.
    """
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink == 0:
            raise FileNotFoundError(folder)
        yield handle
    finally:
        os.close(handle)


def delete(folder: Path) -> None:
    """Delete a folder with all that is in it, also where a job took its own right to do so. Twice is fine."""
    for place, folders, _ in os.walk(folder):
        for name in folders:
            inner = Path(place, name)
            if not inner.is_symlink():
                inner.chmod(stat.S_IRWXU)
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
