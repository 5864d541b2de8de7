"""Jobs in the bucket of a region, under ``jobs/<id>/``.

S3 has no append. A log that grows is a row of parts, ``jobs/<id>/.part/<name>/<offset>``, each named by the offset in
the log at which it begins. A part is written again as it grows, every few seconds at most, until it is full; full ones
go out side by side behind the caller's back. ``finish`` lets AWS put the parts together as ``jobs/<id>/<name>`` and
removes them. So at any time a log is what is there under its name, and the parts that follow it without a gap: a part
that ends before that was put in already, and one behind a gap was never counted.
"""

import re
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from urllib.parse import unquote_to_bytes

from blocks.errors import NotFound, PlaceFailed, QuotaExceeded
from tasks.providers.aws.bucket_objects import MOST_PARTS, BucketObjects, Piece
from tasks.stores.base import RESERVED, checked, checked_job, is_job

JOBS_PREFIX = "jobs"
"""The part of the bucket that is for jobs, without a slash at its end."""

PART_BYTES = 8 << 20
EVERY_S = 5.0
"""How often a part that is not full is written again, at most."""

MOST_IN_FLIGHT = 4
"""Parts that wait in memory to be written, beside the one that grows."""

_TRIES = 5
_PART = re.compile(r"(.+)/([0-9]{15})", re.DOTALL)
_ODD = re.compile("[\x00-\x1f\x7f%\udc80-\udcff]")


class S3Stores:
    """All jobs in one bucket.

    Args:
        objects: The bucket.
        every_s: How often a part that is not full is written again, at most.
    """

    def __init__(self, objects: BucketObjects, *, every_s: float = EVERY_S) -> None:
        self._objects, self._every_s = objects, every_s

    def of(self, job_id: str) -> "S3Store":
        """Return the store of a job."""
        return S3Store(self._objects, f"{JOBS_PREFIX}/{checked_job(job_id)}", every_s=self._every_s)

    def jobs(self) -> list[str]:
        """Return the ids of all jobs."""
        return list(filter(is_job, self._objects.folders(f"{JOBS_PREFIX}/")))


@dataclass
class _Part:
    """A part of a log which this process writes."""

    key: str
    start: int
    data: bytearray = field(default_factory=bytearray)
    kept: int = 0
    sent_at: float = 0
    writing: "Future[None] | None" = None
    lock: Lock = field(default_factory=Lock)

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    @property
    def is_full(self) -> bool:
        return len(self.data) >= PART_BYTES

    @property
    def is_kept(self) -> bool:
        return self.kept == len(self.data)

    @property
    def is_writing(self) -> bool:
        return self.writing is not None and not self.writing.done()

    def write(self, objects: BucketObjects) -> None:
        """Write what there is now. Two writers of one part would leave the older one's."""
        with self.lock:
            data = bytes(self.data)
            if len(data) > self.kept:
                objects.put(self.key, data)
                self.kept = len(data)


class _Log:
    """A log which this process appends to. The last part grows; those before it are full, and on their way."""

    def __init__(self, objects: BucketObjects, folder: str, end: int, pool: ThreadPoolExecutor) -> None:
        self._objects, self._folder, self._pool = objects, folder, pool
        self._parts = [self._new_part(end)]

    @property
    def end(self) -> int:
        """How long the log is, with what waits in memory."""
        return self._parts[-1].end

    def append(self, data: bytes) -> None:
        """Take data, after what could not be written before was told."""
        self._settle()
        left = memoryview(data)
        while left:
            part = self._parts[-1]
            taken = PART_BYTES - len(part.data)
            part.data += left[:taken]
            left = left[taken:]
            if part.is_full:
                self._send(part)
                self._parts.append(self._new_part(part.end, sent_at=part.sent_at))

    def save_some(self, every_s: float) -> None:
        """Let the last part be written if it grew, and was not written lately."""
        part = self._parts[-1]
        if not part.is_kept and not part.is_writing and time.monotonic() - part.sent_at >= every_s:
            self._send(part)

    def save(self) -> None:
        """Write all that there is, and come back when it is written."""
        # Once more where the last part had grown while it was written.
        while not all(part.is_kept for part in self._parts):
            for part in self._parts:
                if not part.is_kept and not part.is_writing:
                    self._send(part)
            wait([part.writing for part in self._parts if part.writing is not None])
            self.tell()

    def tell(self) -> None:
        """Raise what went wrong behind the caller's back, and try that again."""
        errors = []
        for part in self._parts:
            if part.writing is not None and part.writing.done():
                error, part.writing = part.writing.exception(), None
                errors += [error] if error is not None else []
                if error is not None and part.is_full:
                    self._send(part)
        self._parts = [part for part in self._parts if not (part.is_full and part.is_kept)]
        if errors:
            raise errors[0]

    def _settle(self) -> None:
        self.tell()
        while len(writing := [part.writing for part in self._parts[:-1] if part.writing]) >= MOST_IN_FLIGHT:
            wait(writing[:1])
            self.tell()

    def _send(self, part: _Part) -> None:
        part.sent_at = time.monotonic()
        part.writing = self._pool.submit(part.write, self._objects)

    def _new_part(self, start: int, *, sent_at: float = 0) -> _Part:
        return _Part(f"{self._folder}{start:015}", start, sent_at=sent_at)


class S3Store:
    """One job in the bucket. Used by one thread at a time.

    Args:
        objects: The bucket.
        place: What the keys of the job begin with, without a slash at its end.
        every_s: How often a part that is not full is written again, at most.
    """

    def __init__(self, objects: BucketObjects, place: str, *, every_s: float = EVERY_S) -> None:
        self._objects, self._place, self._every_s = objects, place, every_s
        self._logs: dict[str, _Log] = {}
        self._threads: ThreadPoolExecutor | None = None

    def read(self, name: str) -> bytes | None:
        """Return what is under a name."""
        return self._objects.get(self._key(name))

    def write(self, name: str, data: bytes) -> None:
        """Put data under a name in one step."""
        self._objects.put(self._key(name), data)

    def keep_file(self, name: str, path: Path) -> None:
        """Put a file under a name in one step, in parts where it is large."""
        key = self._key(name)
        try:
            self._objects.put_file(key, path)
        except FileNotFoundError as error:
            raise NotFound("there is no such file", where=ascii(str(path)), advice="Check its name.") from error
        except OSError as error:
            raise PlaceFailed(f"it cannot be read ({error.strerror})", where=ascii(str(path))) from error

    def append(self, name: str, data: bytes) -> None:
        """Add to a log; it goes out behind the caller's back."""
        log = self._log(name)
        log.append(data)
        log.save_some(self._every_s)

    def flush(self) -> None:
        """Write what waits, where that was not done in the last seconds."""
        for log in self._logs.values():
            log.tell()
            log.save_some(self._every_s)

    def size(self, name: str) -> int:
        """Return how many bytes there are, with what waits in memory."""
        key = self._key(name)
        return self._logs[name].end if name in self._logs else _end(self._pieces(name, key)[0])

    def read_from(self, name: str, offset: int, most: int) -> bytes:
        """Return bytes from an offset on; what waits in memory is written first."""
        key = self._key(name)
        if name in self._logs:
            self._logs[name].save()
        for _ in range(_TRIES):
            wanted = _between(self._pieces(name, key)[0], offset, offset + most)
            found = [self._objects.get_piece(piece) for piece in wanted]
            if None not in found:
                return b"".join(filter(None, found))
        # Parts go once only for each log: whoever looks again finds the whole.
        raise PlaceFailed("it changes all the time", where=self.link(name), advice="Try again.")

    def finish(self, name: str) -> None:
        """Let AWS put the parts together, and remove them."""
        key = self._key(name)
        if name in self._logs:
            self._logs[name].save()
        pieces, parts = self._pieces(name, key)
        if [piece.key for piece in pieces] != [key]:
            if len(pieces) > MOST_PARTS:
                raise QuotaExceeded(
                    f"{len(pieces)} parts are more than S3 puts together",
                    where=self.link(name),
                    advice="It stays in parts.",
                )
            self._objects.compose(key, pieces)
        self._objects.delete(parts)
        self._logs.pop(name, None)

    def close(self) -> None:
        """Write all that waits."""
        while self._logs:
            name, log = next(iter(self._logs.items()))
            log.save()
            del self._logs[name]
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def names(self) -> list[str]:
        """Return all names of the job."""
        found = set()
        for key in self._objects.sizes(f"{self._place}/"):
            name = _name(key.removeprefix(f"{self._place}/"))
            part = _PART.fullmatch(name.removeprefix(f"{RESERVED}/")) if name.startswith(f"{RESERVED}/") else None
            found.add(part[1] if part else name)
        return sorted(found)

    def link(self, name: str) -> str:
        """Return the address of an object, or of all of the job."""
        return self._objects.link(self._key(name) if name else f"{self._place}/")

    def _key(self, name: str) -> str:
        return f"{self._place}/{_quoted(checked(name))}"

    def _folder(self, name: str) -> str:
        return f"{self._place}/{RESERVED}/{_quoted(name)}/"

    def _log(self, name: str) -> _Log:
        if name not in self._logs:
            pieces, parts = self._pieces(name, self._key(name))
            end = _end(pieces)
            # Behind a gap, which the crash of a writer left: they would follow what is written now.
            self._objects.delete([key for key in parts if _start(key) >= end])
            self._threads = self._threads or ThreadPoolExecutor(MOST_IN_FLIGHT, thread_name_prefix="job-store")
            self._logs[name] = _Log(self._objects, self._folder(name), end, self._threads)
        return self._logs[name]

    def _pieces(self, name: str, key: str) -> tuple[list[Piece], list[str]]:
        """Return what a log is made of now, and the keys of all its parts.

        The parts are looked for first: they go when the whole is there.
        """
        folder = self._folder(name)
        found = self._objects.sizes(folder)
        parts = {part: size for part, size in found.items() if re.fullmatch("[0-9]{15}", part.removeprefix(folder))}
        whole = self._objects.size(key)
        pieces = [] if whole is None else [Piece(key, 0, whole, whole)]
        for part, size in sorted(parts.items()):
            start, end = _start(part), _end(pieces)
            if start <= end < start + size:
                pieces.append(Piece(part, end - start, size, size))
        return pieces, list(parts)


def _start(key: str) -> int:
    return int(key.rpartition("/")[2])


def _end(pieces: Sequence[Piece]) -> int:
    return sum(piece.length for piece in pieces)


def _between(pieces: Sequence[Piece], begin: int, end: int) -> list[Piece]:
    """Return what of some pieces lies between two offsets of all of them together."""
    found, at = [], 0
    for piece in pieces:
        first, last = max(begin - at, 0), min(end - at, piece.length)
        if first < last:
            found.append(piece._replace(start=piece.start + first, end=piece.start + last))
        at += piece.length
    return found


def _quoted(name: str) -> str:
    """Return a name as a key: what S3's lists cannot tell (control characters, bytes that are no text) as ``%0A``."""
    return _ODD.sub(lambda found: f"%{ord(found[0]) & 0xFF:02X}", name)


def _name(key: str) -> str:
    return unquote_to_bytes(key).decode(errors="surrogateescape")
