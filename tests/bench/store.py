"""What keeping a job's output costs: 200 MB appended to the folder store, beside the same written to a plain file.

Run as ``python -m tests.bench.store``; the last line is the verdict.
"""

import random
import sys
import tempfile
from itertools import count
from pathlib import Path

from tasks.stores.folder import FolderStores
from tests.bench.report import Goal, Row, show

OUTPUT = 200_000_000
PIECE = 1 << 15
"""What an SSH channel gives at once."""

PLAIN, STORE = "a plain file", "the folder store"
LEAST_SHARE = 0.8
"""Of a plain file's throughput, what the store must reach."""


def measure(rounds: int, output: int = OUTPUT) -> Row:
    """Write the same pieces in both ways, in turns."""
    pieces = [random.Random(7).randbytes(PIECE)] * (output // PIECE)
    row, numbers = Row("keeping output", 1), count(1)
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        stores = FolderStores(Path(folder) / "jobs")

        def plain() -> None:
            path = Path(folder) / "plain"
            with path.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
            path.unlink()

        def store() -> None:
            name = f"job-{next(numbers)}"
            job = stores.of(name)
            for piece in pieces:
                job.append("stdout.log", piece)
                job.flush()
            job.finish("stdout.log")
            Path(folder, "jobs", name, "stdout.log").unlink()

        row.take_turns(rounds, {PLAIN: plain, STORE: store})
    return row


def goal(row: Row) -> Goal:
    """How much longer the store may take."""
    return Goal("keeping output, beside a plain file", row.median_s(STORE) / row.median_s(PLAIN), 1 / LEAST_SHARE)


def main() -> int:
    """Measure and show."""
    row = measure(5)
    print(f"{OUTPUT / row.median_s(STORE) / 1e6:.0f} MB/s kept, {OUTPUT / row.median_s(PLAIN) / 1e6:.0f} MB/s plain")
    return show([row], [goal(row)])


if __name__ == "__main__":
    sys.exit(main())
