"""The folder of a job's attempt on a cluster: all of it lives there. What is called a job here is one attempt at it.

JOBS_FOLDER/JOB_ID holds, where the id is the job's own and the attempt's (``heat-1a2b3c4d/attempt-1``)::

    claim         locked as long as the job's supervisor lives; holds the supervisor's process id
    launch.json   what was asked for
    program       words and variables of the program: see rank_dress.py
    started       mpiexec may have been started: it never will be again
    stdout.log    what the ranks wrote
    stderr.log
    ranks/        a copy of each rank's output, where that was asked for: see rank_output.py
    failed        rank, code and node of the ranks that failed, the first one first: see rank_failed.py
    failed-RANK   what Python said of that rank's end
    ended.json    how it ended (ended.part until then: room kept for it, against a full disk)

Runs on the head, with Linux and Python's standard library only.
"""

import fcntl
import json
import os
import re
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

JOB_ID = re.compile(r"[a-z0-9-]{1,64}(/attempt-[1-9][0-9]{0,3})?")
STREAMS = ("stdout", "stderr")
ROOM = 16_384
LAST_LINES = 20

Launch = dict[str, Any]
Ending = dict[str, Any]


class Job:
    """A job's folder."""

    def __init__(self, jobs: Path, job_id: str) -> None:
        if not JOB_ID.fullmatch(job_id):
            raise ValueError(f"{job_id!r} is no job id")
        self.id = job_id
        self.folder = jobs / job_id
        self.secrets = ""

    @property
    def was_started(self) -> bool:
        """Whether mpiexec may have been started."""
        return (self.folder / "started").exists()

    def lock(self) -> int | None:
        """Become the one who supervises; None when somebody else is. Lasts as long as the descriptor."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        claim = os.open(self.folder / "claim", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.fcntl(claim, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
            sign(claim, 0)
        except OSError as error:
            os.close(claim)
            if isinstance(error, BlockingIOError):
                return None
            raise
        return claim

    @property
    def is_claimed(self) -> bool:
        """Whether somebody holds the lock."""
        with suppress(FileNotFoundError), (self.folder / "claim").open("rb") as claim:
            return self._is_locked(claim.fileno())
        return False

    def supervisor(self) -> int | None:
        """Return a process descriptor of the living supervisor, None where there is none (yet, or any more)."""
        with suppress(FileNotFoundError, ProcessLookupError), (self.folder / "claim").open("rb") as claim:
            number = int(claim.read() or 0)
            if number and self._is_locked(claim.fileno()):
                process = os.pidfd_open(number)
                if self._is_locked(claim.fileno()):
                    return process
                os.close(process)  # it ended meanwhile: this may be another process with its number
        return None

    @staticmethod
    def _is_locked(claim: int) -> bool:
        held = fcntl.fcntl(claim, fcntl.F_OFD_GETLK, _whole_file(fcntl.F_WRLCK))
        return bool(struct.unpack_from("h", held)[0] != fcntl.F_UNLCK)

    def ask(self, launch: Launch) -> None:
        """Keep what was asked for, and room for the end. Secrets are kept in this process alone."""
        words, variables, self.secrets = launch.pop("words"), launch.pop("variables"), launch.pop("secrets")
        fields = [str(len(words)), *words, *(f"{name}={value}" for name, value in variables.items())]
        program = os.open(self.folder / "program", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(program, "wb") as file:
            file.write("".join(f"{field}\0" for field in fields).encode())
        if launch["copies"]:
            Path(launch["copies"]).mkdir(mode=0o700, exist_ok=True)
        (self.folder / "launch.json").write_text(json.dumps(launch))
        (self.folder / "ended.part").write_bytes(b" " * ROOM)

    def asked(self) -> Launch:
        """Return what was asked for."""
        return dict(json.loads((self.folder / "launch.json").read_bytes()))

    def mark_started(self) -> None:
        """From here on the job is never started again, whatever happens to this machine."""
        # A new file's sync keeps its name too on Linux's file systems; a sync of the folder would cost as much again.
        _sync(os.open(self.folder / "started", os.O_WRONLY | os.O_CREAT, 0o600))

    def end(self, ending: Ending) -> None:
        """Keep how the job ended, in one step and in the room kept for it."""
        part = os.open(self.folder / "ended.part", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(part, json.dumps(ending).encode()[:ROOM].ljust(ROOM))
        _sync(part)
        (self.folder / "ended.part").rename(self.folder / "ended.json")

    def ending(self) -> Ending | None:
        """Return how the job ended, with the last lines that the failing rank or all of them wrote; None: not yet."""
        try:
            ending = dict(json.loads((self.folder / "ended.json").read_bytes()))
        except FileNotFoundError:
            return None
        said = self._words_of(ending.get("rank", -1)) or self.tail("stderr")
        lines = said.decode(errors="replace").splitlines()
        return {**ending, "last_lines": "\n".join(lines[-LAST_LINES:])}

    def _words_of(self, rank: int) -> bytes:
        with suppress(FileNotFoundError):
            return (self.folder / f"failed-{rank}").read_bytes()
        return b""

    def log(self, stream: str) -> Path:
        """Return the path of what the ranks wrote."""
        return self.folder / f"{stream}.log"

    def read(self, stream: str, offset: int, most: int) -> bytes:
        """Return what the ranks wrote from ``offset`` on; a negative offset asks for nothing."""
        with suppress(FileNotFoundError), self.log(stream).open("rb") as file:
            file.seek(max(offset, 0))
            return file.read(most if offset >= 0 else 0)
        return b""

    def tail(self, stream: str, most: int = 8192) -> bytes:
        """Return the end of what the ranks wrote."""
        return self.read(stream, max(self.size(stream) - most, 0), most)

    def size(self, stream: str) -> int:
        """Return how many bytes the ranks wrote."""
        with suppress(FileNotFoundError):
            return self.log(stream).stat().st_size
        return 0


def sign(claim: int, number: int) -> None:
    """Write who holds a claim: a process id, 0 for nobody yet. Takes no room on a full disk."""
    os.pwrite(claim, b"%-20d" % number, 0)


def _whole_file(kind: int) -> bytes:
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
