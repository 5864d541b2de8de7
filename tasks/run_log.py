"""A program's output in the run's log: in batches, and never more than the log can bear.

100 000 log lines cost Prefect 52 s and 57 MB; one batch of lines is one log entry.
"""

from collections.abc import Mapping

from tasks.stores.base import JobStore
from tasks.telling import note

MOST_BYTES = 512_000
TAIL_BYTES = 8_000


class RunLog:
    """Keeps a job's output in its store as it comes, and shows its first half megabyte in the run's log.

    Args:
        store: The job's.
        names: What each stream is called there; they are appended to.
        most_bytes: What the run's log shows at most, in bytes.
    """

    def __init__(self, store: JobStore, names: Mapping[str, str], *, most_bytes: int = MOST_BYTES) -> None:
        self._store, self._names = store, names
        self._left = most_bytes
        self._hidden = 0

    def offset(self, stream: str) -> int:
        """How many bytes of a stream are kept already."""
        return self._store.size(self._names[stream])

    def take(self, stream: str, data: bytes) -> None:
        """Keep a piece of output, and show it while there is room."""
        self._store.append(self._names[stream], data)
        shown = data[: self._left]
        self._left -= len(shown)
        self._hidden += len(data) - len(shown)
        text = _readable(shown).rstrip("\n")
        if text:
            note(text)

    def flush(self) -> None:
        """Let others see what is kept."""
        self._store.flush()

    def close(self) -> None:
        """Keep what waits, and show the end of what the log did not show, with the number of bytes left out."""
        if self._hidden:
            name = self._names["stdout"]
            tail = self._store.read_from(name, max(self._store.size(name) - TAIL_BYTES, 0), TAIL_BYTES)
            where = self._store.link(name)
            note(f"[{self._hidden} bytes are not shown here; all of it is in {where}] ...\n{_readable(tail)}")
            self._hidden = 0
        self._store.close()


def _readable(data: bytes) -> str:
    return data.decode(errors="replace").replace("\x00", "\N{SYMBOL FOR NULL}")
