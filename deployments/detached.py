"""Processes that outlive the command that started them, and are found again by their note.

The note tells a process by its id *and* its start time, so that a recycled id is never taken for ours.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from blocks.errors import GroundworkError, TimedOut

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Note(BaseModel):
    """Which process it is. ``started`` is in clock ticks since the boot; ``about`` is the starter's to use."""

    pid: int
    started: int
    boot: str
    about: str = ""


@dataclass(frozen=True)
class Detached:
    """A process of ours: its name, and the folder that keeps its note and its log."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        """Its standard output and error."""
        return self.folder / f"{self.name}.log"

    def find(self) -> Note | None:
        """Return the note of the process if that process is alive."""
        try:
            note = Note.model_validate_json(self._place.read_bytes())
        except (OSError, ValidationError):
            return None
        alive = note.boot == _BOOT.read_text().strip() and start_time(note.pid) == note.started
        return note if alive else None

    def start(self, argv: Sequence[str], environment: Mapping[str, str], *, cwd: Path, about: str = "") -> None:
        """Start the process in a session of its own, so that a Ctrl-C in the terminal does not reach it."""
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as log:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=0o077,
            )
        note = Note(pid=process.pid, started=start_time(process.pid) or 0, boot=_BOOT.read_text().strip(), about=about)
        draft = self._place.with_suffix(".draft")
        draft.write_text(note.model_dump_json())
        draft.replace(self._place)

    def end(self, *, limit_s: float) -> None:
        """Ask the process to end (TERM); after the limit, kill it with its group. Ending what is gone does nothing."""
        note = self.find()
        if note is not None:
            with suppress(ProcessLookupError):
                os.kill(note.pid, signal.SIGTERM)
            if not wait_until(lambda: self.find() is None, limit_s=limit_s):
                self._kill(note)
        self._place.unlink(missing_ok=True)

    def _kill(self, note: Note) -> None:
        with suppress(ProcessLookupError):
            os.killpg(note.pid, signal.SIGKILL)
        wait_until(lambda: self.find() is None, limit_s=10)

    def last_words(self) -> str:
        """Return the last line of the process's log that names an error, or else its last line."""
        try:
            lines = self.log.read_bytes()[-8192:].decode(errors="replace").split("\n")
        except OSError:
            return ""
        said = [line.strip() for line in lines if line.strip()]
        errors = [line for line in said if re.match(r"[\w.]*(Error|Exception)\b", line)]
        return (errors or said or [""])[-1].rstrip(".")

    @property
    def _place(self) -> Path:
        return self.folder / f"{self.name}.json"


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the boot, or None if there is none or only its remains.

    Source: proc(5), ``/proc/<pid>/stat``: after the name in parentheses, state is field 3, start time field 22.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def wait_until(holds: Callable[[], bool], *, limit_s: float, every_s: float = 0.1) -> bool:
    """Wait until a condition holds. Tells whether it did before the limit."""
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def wait_for(process: Detached, ready: Callable[[], bool], *, limit_s: float) -> None:
    """Wait until a process that was just started is ready.

    Raises:
        GroundworkError: It ended before; its last words are told.
        TimedOut: The limit was reached.
    """
    if not wait_until(lambda: process.find() is None or ready(), limit_s=limit_s):
        raise TimedOut(f"was not ready after {limit_s:.0f} s", where=process.name, advice=f"See {process.log}.")
    if process.find() is None:
        raise GroundworkError(f"ended: {process.last_words()}", where=process.name, advice=f"See {process.log}.")
