"""What a job store must do. Each of them keeps these promises, and one suite asks all of them for it.

A store is keyed by a job's id, and by names inside the job: ``job.json``, ``attempt-1/stdout.log``,
``attempt-1/ranks/stderr.3.log``, ``attempt-1/output/a/b.png``.

* Every call may be repeated; the second one finishes what the first began.
* What is written whole is seen whole: a reader gets the old or the new.
* A log grows while its job runs, and is read while it grows. What ``size`` counts is never lost and never doubled:
  after a crash of whoever appended, a new process asks ``size`` and goes on there.
* An ``append`` that raised took nothing of what it was given.
* A name has one writer at a time; there may be any number of readers. No name is also the folder of another.
* What escapes is one of the errors in ``blocks.errors``; a missing name is none: ``read`` tells None, ``size`` 0.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from blocks.errors import BadInput

RESERVED = ".part"
"""What a name may not begin with, as its first folder: where a store has what is not whole yet."""

_MOST_BYTES_IN_PART, _MOST_BYTES = 255, 900
_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class JobStore(Protocol):
    """What is kept of one job."""

    def read(self, name: str) -> bytes | None:
        """Return what was written, kept or finished under a name; None where there is nothing.

        A log that still grows is read with ``read_from``.
        """

    def write(self, name: str, data: bytes) -> None:
        """Put data under a name in one step, instead of what was there."""

    def keep_file(self, name: str, path: Path) -> None:
        """Put a file of this machine under a name in one step, however large it is.

        Raises:
            NotFound: There is no such file.
        """

    def append(self, name: str, data: bytes) -> None:
        """Add to a log. It is seen by others some seconds later at most, if ``flush`` is called meanwhile.

        What could not be kept of earlier calls is told here, and tried again at the next one.
        """

    def flush(self) -> None:
        """Let others see what was appended. Called at each look at a job: it costs a call every few seconds only."""

    def size(self, name: str) -> int:
        """Return how many bytes of a log there are, counting all that was appended through this object."""

    def read_from(self, name: str, offset: int, most: int) -> bytes:
        """Return at most so many bytes of a log from an offset on; none where it ends there, or is not there."""

    def finish(self, name: str) -> None:
        """Say that a log has come to its end: it becomes one whole thing, an empty one where nothing was appended.

        What is appended later all the same follows what is there.
        """

    def close(self) -> None:
        """Keep all that was appended, and let go what is open. The store may be used again."""

    def names(self) -> Sequence[str]:
        """Return all names of the job, in order."""

    def link(self, name: str) -> str:
        """Return the address of what is under a name, as people click or copy it. An empty name: all of the job."""


class JobStores(Protocol):
    """Where all jobs are kept."""

    def of(self, job_id: str) -> JobStore:
        """Return the store of a job. Nothing is made.

        Raises:
            BadInput: No job is called so.
        """

    def jobs(self) -> Sequence[str]:
        """Return the ids of all jobs of which something is kept, in order."""


def is_job(text: str) -> bool:
    """Tell whether a text has the shape of a job's id."""
    return _JOB.fullmatch(text) is not None


def checked_job(job_id: str) -> str:
    """Return a job's id.

    Raises:
        BadInput: It has another shape: it could lead out of the store.
    """
    if not is_job(job_id):
        raise BadInput("it is no job's id", where=f"job {job_id!r}", advice="An id has letters, digits and dashes.")
    return job_id


def checked(name: str) -> str:
    """Return a name inside a job.

    Raises:
        BadInput: It is none that every store can keep, or it could lead out of the job.
    """
    parts = name.split("/")
    if not all(parts) or {".", ".."} & set(parts) or "\0" in name or parts[0] == RESERVED:
        raise BadInput("it is no name inside a job", where=repr(name), advice="Names are relative, without `..`.")
    try:
        sizes = [len(part.encode(errors="surrogateescape")) for part in parts]
    except UnicodeEncodeError as error:
        raise BadInput("it is no text", where=repr(name)) from error
    if max(sizes) > _MOST_BYTES_IN_PART or sum(sizes) + len(parts) > _MOST_BYTES:
        raise BadInput(
            f"it is longer than {_MOST_BYTES} bytes, or a part of it than {_MOST_BYTES_IN_PART}",
            where=repr(name[:80]),
            advice="Give it a shorter name.",
        )
    return name
