"""A rank's bad end: noted by whoever sees it first (``note``, or rank_guard.sh), then spread to all ranks.

``rank_failed.py CODE`` has mpiexec end all ranks, and ends with that code itself.
"""

import os
import sys


def note(folder: str, code: int) -> None:
    """Add a line for this rank: rank, code and node."""
    line = f"{os.environ.get('PMI_RANK', '-1')} {code} {os.environ.get('PMI_HOSTNAME') or os.uname().nodename}\n"
    try:
        with open(folder + "/failed", "a") as file:  # noqa: PTH123
            file.write(line)
    except OSError:
        return  # the disk is full: the end is told without it


def end_job(code: int) -> None:
    """Have mpiexec end all ranks, in the words of the PMI protocol."""
    try:
        os.write(int(os.environ["PMI_FD"]), b"cmd=abort exitcode=%d\n" % code)
    except (KeyError, OSError):
        return  # mpiexec speaks otherwise, or is ending them already


if __name__ == "__main__":
    end_job(int(sys.argv[1]))
    sys.exit(int(sys.argv[1]))
