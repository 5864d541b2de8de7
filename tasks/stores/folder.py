"""Jobs in a folder of this machine: ``GROUNDWORK_HOME/jobs/<id>/``, for nobody but us to read."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from blocks import errors
from tasks.stores.base import RESERVED, checked, checked_job, is_job

_MOST_OPEN = 64
"""Logs that are held open at once: a job may have two for each of its ranks."""

_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)

_MEANINGS: dict[int, tuple[type[errors.GroundworkError], str, str]] = {
    errno.ENOSPC: (errors.NoCapacity, "the disk is full", "Make room there, or keep jobs elsewhere (block job-store)."),
    errno.EDQUOT: (errors.QuotaExceeded, "the disk quota is used up", "Make room there, or ask for more."),
    errno.EFBIG: (errors.QuotaExceeded, "the file is larger than it may be here", "Raise the limit on files' sizes."),
    errno.EACCES: (errors.AccessDenied, "not allowed", "Give the Prefect worker's user rights on it."),
    errno.EPERM: (errors.AccessDenied, "not allowed", "Give the Prefect worker's user rights on it."),
    errno.EROFS: (errors.AccessDenied, "the disk is read-only", "Mount it writable, or set GROUNDWORK_HOME."),
    errno.ENOENT: (errors.NotFound, "there is no such file", "Check its name."),
    errno.EISDIR: (errors.Conflict, "a folder of that name is there", "Choose another name."),
    errno.EEXIST: (errors.Conflict, "a file is where a folder has to be", "Choose another name."),
    errno.ENOTDIR: (errors.Conflict, "a file is where a folder has to be", "Choose another name."),
    errno.ENAMETOOLONG: (errors.BadInput, "the name is too long for this disk", "Give it a shorter one."),
    errno.EMFILE: (errors.NoCapacity, "too many files are open", "Raise the limit on open files (ulimit -n)."),
}


class FolderStores:
    """All jobs in one folder.

    Args:
        folder: The folder; it is made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, job_id: str) -> "FolderStore":
        """Return the store of a job."""
        return FolderStore(self._folder / checked_job(job_id))

    def jobs(self) -> list[str]:
        """Return the ids of all jobs."""
        with _translated(self._folder), suppress(FileNotFoundError):
            return sorted(place.name for place in self._folder.iterdir() if is_job(place.name) and place.is_dir())
        return []


class FolderStore:
    """One job in its folder. Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, BinaryIO] = {}

    def read(self, name: str) -> bytes | None:
        """Return what is under a name."""
        path = self._path(name)
        with _translated(path), suppress(*_NOT_THERE):
            return path.read_bytes()
        return None

    def write(self, name: str, data: bytes) -> None:
        """Put data under a name in one step."""
        path = self._path(name)
        with _translated(path), self._beside(path) as part, part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def keep_file(self, name: str, path: Path) -> None:
        """Put a copy of a file under a name in one step."""
        target = self._path(name)
        with _translated(target):
            # A copy that was killed may have left a large piece.
            for left in (self._folder / RESERVED).glob(f"{_digest(target)}*"):
                left.unlink(missing_ok=True)
        with _translated(path), self._beside(target) as part:
            shutil.copyfile(path, part)

    def append(self, name: str, data: bytes) -> None:
        """Add to a log; it is on its way to the disk at once."""
        file = self._open.get(name) or self._opened(name)
        try:
            _write_all(file, data)
        except OSError as error:
            raise _error(error, self._path(name)) from error

    def flush(self) -> None:
        """Do nothing: what was appended is seen at once."""

    def size(self, name: str) -> int:
        """Return how many bytes there are."""
        path = self._path(name)
        with _translated(path), suppress(*_NOT_THERE):
            return path.stat().st_size if path.is_file() else 0
        return 0

    def read_from(self, name: str, offset: int, most: int) -> bytes:
        """Return bytes from an offset on."""
        path = self._path(name)
        with _translated(path), suppress(*_NOT_THERE), path.open("rb") as file:
            file.seek(offset)
            return file.read(most)
        return b""

    def finish(self, name: str) -> None:
        """Close a log."""
        self.append(name, b"")
        self._open.pop(name).close()

    def close(self) -> None:
        """Close all logs."""
        while self._open:
            self._open.popitem()[1].close()

    def names(self) -> list[str]:
        """Return all names of the job."""
        with _translated(self._folder):
            found = [path.relative_to(self._folder) for path in self._folder.rglob("*") if path.is_file()]
        return sorted(str(path) for path in found if path.parts[0] != RESERVED)

    def link(self, name: str) -> str:
        """Return the address of a file, or of the job's folder."""
        return (self._path(name) if name else self._folder).absolute().as_uri()

    def _path(self, name: str) -> Path:
        return self._folder / checked(name)

    def _opened(self, name: str) -> BinaryIO:
        path = self._path(name)
        with _translated(path):
            _make(path.parent)
            if len(self._open) >= _MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
            # Nothing waits in this process's memory: what `size` tells is there even if we are killed now.
            self._open[name] = cast(BinaryIO, open(path, "ab", buffering=0, opener=_private))  # noqa: SIM115
        return self._open[name]

    @contextmanager
    def _beside(self, path: Path) -> Iterator[Path]:
        """Give a new file which takes the place of another when the block ends well."""
        _make(self._folder / RESERVED)
        _make(path.parent)
        handle, part = tempfile.mkstemp(dir=self._folder / RESERVED, prefix=_digest(path))
        os.close(handle)
        try:
            yield Path(part)
            os.replace(part, path)  # noqa: PTH105
        finally:
            with suppress(FileNotFoundError):
                Path(part).unlink()


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _make(folder: Path) -> None:
    """Make a folder with those above it, 0700 each: ``Path.mkdir`` gives its mode to the last one only."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write_all(file: BinaryIO, data: bytes) -> None:
    """Write all or nothing: what a full disk took of it is taken back."""
    written = file.write(data)
    try:
        while written < len(data):
            written += file.write(memoryview(data)[written:])
    except OSError:
        file.truncate(file.seek(0, os.SEEK_END) - written)
        raise


@contextmanager
def _translated(place: Path) -> Iterator[None]:
    """Let what is called inside raise our errors instead of the system's."""
    try:
        yield
    except OSError as error:
        raise _error(error, place) from error


def _error(error: OSError, place: Path) -> errors.GroundworkError:
    unknown = (errors.PlaceFailed, f"the disk failed ({error.strerror})", "Check the disk, then try again.")
    kind, what, advice = _MEANINGS.get(error.errno or 0, unknown)
    return kind(what, where=_said(place), advice=advice)


def _said(place: Path) -> str:
    """Return a path as one line, whatever letters a program gave its files."""
    text = str(place)
    return text if text.isprintable() else ascii(text)
