"""What is on snapshots of hosts' disks, for the hosts of images that are made of them."""

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.providers.local import folders
from tests.worlds.aws.call import CannotAnswer

MOST_BYTES = 512 * 2**20
MOST_FILES = 50_000

LEFT_OUT = {"dev", "proc", "run", "tmp", "var/log", "var/lib/cloud"}
"""What is another one's at each boot, and what cloud-init does anew for each instance."""


@dataclass(frozen=True)
class Saved:
    """A host's disk as it was. ``user`` is whom its image lets in."""

    disk: Path
    user: str


class Disks:
    """The disks of one world that were saved, by snapshot. ``folder`` is theirs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all: dict[str, Saved] = {}

    def save(self, snapshot_id: str, disk: Path, user: str) -> None:
        """Copy a host's disk. The host may run on; what it changes meanwhile is in the copy or not.

        Raises:
            CannotAnswer: It is too much for a test.
        """
        copy = self._folder / snapshot_id
        self._folder.mkdir(exist_ok=True)
        copied = copy_disk(disk, copy)
        if copied is not None:
            folders.delete(copy)
            raise CannotAnswer(f"snapshots of hosts' disks hold {copied} at most")
        self._all[snapshot_id] = Saved(copy, user)

    def of(self, snapshot_id: str) -> Saved | None:
        """Return what is on a snapshot; None where it is of no host."""
        return self._all.get(snapshot_id)

    def give(self, snapshot_id: str, *, of: str) -> None:
        """Let a snapshot hold what another one holds."""
        if of in self._all:
            self._all[snapshot_id] = self._all[of]

    def forget(self, snapshot_id: str) -> None:
        """Delete what is on a snapshot, unless another one holds it too."""
        saved = self._all.pop(snapshot_id, None)
        if saved is not None and saved not in self._all.values():
            folders.delete(saved.disk)


def copy_disk(disk: Path, copy: Path) -> str | None:
    """Copy what is a host's own on its disk. Return which bound was reached, or None at the end."""
    limits = _Limits()
    try:
        shutil.copytree(
            disk, copy, symlinks=True, dirs_exist_ok=True, ignore=_ignoring(disk), copy_function=limits.copy
        )
    except _TooMuch as reached:
        return str(reached)
    return None


class _TooMuch(Exception):
    pass


class _Limits:
    def __init__(self) -> None:
        self._bytes = self._files = 0

    def copy(self, source: str, target: str) -> str:
        try:
            self._bytes += Path(source).lstat().st_size
            self._files += 1
            if self._bytes > MOST_BYTES or self._files > MOST_FILES:
                raise _TooMuch(f"{MOST_BYTES >> 20} MiB in {MOST_FILES} files")
            shutil.copy2(source, target, follow_symlinks=False)
        except FileNotFoundError:
            pass  # It was deleted meanwhile.
        return target


def _ignoring(disk: Path) -> Callable[[str, list[str]], list[str]]:
    def left_out(folder: str, names: list[str]) -> list[str]:
        here = Path(folder)
        return [name for name in names if str((here / name).relative_to(disk)) in LEFT_OUT or not _is_kept(here / name)]

    return left_out


def _is_kept(path: Path) -> bool:
    """Tell whether a disk keeps it: no sockets, no pipes."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)
