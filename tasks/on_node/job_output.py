"""Where mpiexec's output goes: straight into the job's files, or through this process where there is a limit to it."""

import os
import threading
from typing import Any

from tasks.on_node.job_folder import STREAMS, Job

PIECE = 262_144
CLOSING_LIMIT_S = 5  # mpiexec is gone by then: whoever still holds its output is none of the job's


class Output:
    """Both streams of one mpiexec.

    Args:
        job: Whose files they fill.
        most: How many bytes of each stream are kept; 0: all of them.
    """

    def __init__(self, job: Job, most: int) -> None:
        self._streams = [Stream(job, name, most) for name in STREAMS]

    def files(self) -> list[tuple[Any, ...]]:
        """Return what ``posix_spawn`` has to do for them."""
        return [action for number, stream in enumerate(self._streams, 1) for action in stream.files(number)]

    def close(self) -> int:
        """Take the rest in after mpiexec's end; return how many bytes were not kept."""
        return sum(stream.close() for stream in self._streams)


class Stream:
    """One stream."""

    def __init__(self, job: Job, name: str, most: int) -> None:
        self._path, self._name, self._most = job.log(name), name, most
        self._cut = 0
        self._file = self._theirs = -1
        self._reader: threading.Thread | None = None

    def files(self, number: int) -> list[tuple[Any, ...]]:
        """Return what ``posix_spawn`` has to do for this one, as descriptor ``number``."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        if not self._most:
            return [(os.POSIX_SPAWN_OPEN, number, str(self._path), flags, 0o600)]
        self._file = os.open(self._path, flags, 0o600)
        ours, self._theirs = os.pipe()
        self._reader = threading.Thread(target=self._keep, args=(ours,), daemon=True)
        self._reader.start()
        return [(os.POSIX_SPAWN_DUP2, self._theirs, number)]

    def close(self) -> int:
        """Take in the rest; return how many bytes were cut, after a mark that says so."""
        if self._reader is None:
            return 0
        os.close(self._theirs)
        self._reader.join(CLOSING_LIMIT_S)
        if self._cut:
            self._write(f"\n[{self._cut} bytes of {self._name} were cut here: its limit is {self._most}]\n".encode())
        return self._cut

    def _keep(self, source: int) -> None:
        left = self._most
        while data := os.read(source, PIECE):
            kept = self._write(data[:left])
            left -= kept
            self._cut += len(data) - kept

    def _write(self, data: bytes) -> int:
        try:
            return os.write(self._file, data)
        except OSError:
            return 0  # the disk is full: the program shall not wait for it
