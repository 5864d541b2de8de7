"""A rank's bad end: noted, and all other ranks ended.

``rank_failed.py JOB_FOLDER CODE`` takes a code as a shell tells it: above 128 it was a signal.
"""

import os
import sys


def note(folder: str, code: int) -> None:
    """Keep rank, code (below 0: a signal's number) and node of the first rank that fails."""
    rank = os.environ.get("PMI_RANK", "-1")
    part = f"{folder}/failed-{rank}"
    node = os.environ.get("PMI_HOSTNAME") or os.uname().nodename
    try:
        with open(part, "w") as file:  # noqa: PTH123
            file.write(f"{rank} {code} {node}\n")
        try:
            os.link(part, folder + "/failed")
        finally:
            os.unlink(part)  # noqa: PTH108
    except OSError:
        return  # another rank was first, or the disk is full: the end is told without it


def end_job(code: int) -> None:
    """Have mpiexec end all ranks, in the words of the PMI protocol."""
    try:
        os.write(int(os.environ["PMI_FD"]), b"cmd=abort exitcode=%d\n" % code)
    except (KeyError, OSError):
        return  # mpiexec speaks otherwise, or is ending them already


def main(folder: str, shown: str) -> int:
    """Note the end and spread it."""
    code = int(shown)
    note(folder, 128 - code if 128 < code <= 192 else code)
    end_job(code)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
