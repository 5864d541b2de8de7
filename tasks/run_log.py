"""A program's output in the run's log: in batches, and never more than the log can bear.

100 000 log lines cost Prefect 52 s and 57 MB; one batch of lines is one log entry.
"""

from pathlib import Path
from typing import BinaryIO

from tasks.telling import note

MOST_BYTES = 512_000
TAIL_BYTES = 8_000


class RunLog:
    """Keeps a job's output in files as it comes, and shows its first half megabyte in the run's log.

    Args:
        files: Where each stream is kept; they are appended to.
        most_bytes: What the run's log shows at most, in bytes.
    """

    def __init__(self, files: dict[str, Path], *, most_bytes: int = MOST_BYTES) -> None:
        self._files: dict[str, BinaryIO] = {stream: path.open("ab") for stream, path in files.items()}
        self._paths = files
        self._left = most_bytes
        self._hidden = 0

    def offset(self, stream: str) -> int:
        """How many bytes of a stream are kept already."""
        return self._files[stream].tell()

    def take(self, stream: str, data: bytes) -> None:
        """Keep a piece of output, and show it while there is room."""
        self._files[stream].write(data)
        self._files[stream].flush()
        shown = data[: self._left]
        self._left -= len(shown)
        self._hidden += len(data) - len(shown)
        text = shown.decode(errors="replace").replace("\x00", "\N{SYMBOL FOR NULL}").rstrip("\n")
        if text:
            note(text)

    def close(self) -> None:
        """Close the files and show the end of what the log did not show, with the number of bytes left out."""
        for file in self._files.values():
            file.close()
        if self._hidden:
            path = self._paths["stdout"]
            with path.open("rb") as kept:
                kept.seek(max(path.stat().st_size - TAIL_BYTES, 0))
                tail = kept.read().decode(errors="replace").replace("\x00", "\N{SYMBOL FOR NULL}")
            note(f"[{self._hidden} bytes are not shown here; all of it is in {path}] ...\n{tail}")
            self._hidden = 0
