"""A rank's bad end: noted by whoever sees it first (``note``, or rank_guard.sh), then spread to all ranks.

``note_words`` keeps the traceback too, in a file for each rank: among all ranks' output it would be hard to find.

``rank_failed.py CODE`` has mpiexec end all ranks, and ends with that code itself.
"""

import os
import sys

MOST = 8192


def note(folder: str, code: int) -> None:
    """Add a line for this rank: rank, code and node."""
    line = f"{os.environ.get('PMI_RANK', '-1')} {code} {os.environ.get('PMI_HOSTNAME') or os.uname().nodename}\n"
    try:
        with open(folder + "/failed", "a") as file:  # noqa: PTH123
            file.write(line)
    except OSError:
        return  # the disk is full: the end is told without it


def note_words(folder: str, error: BaseException) -> None:
    """Keep what Python says of an error, without the values of secret variables."""
    import traceback

    if isinstance(error, SystemExit):
        text = error.code if isinstance(error.code, str) else ""
    else:
        text = "".join(traceback.format_exception(error))
    for name in os.environ.get("GROUNDWORK_HIDDEN", "").split():
        text = text.replace(os.environ.get(name) or "\0", "***")
    try:
        with open(f"{folder}/failed-{os.environ.get('PMI_RANK', '-1')}", "w") as file:  # noqa: PTH123
            file.write(text[-MOST:])
    except OSError:
        return  # the disk is full


def end_job(code: int) -> None:
    """Have mpiexec end all ranks, in the words of the PMI protocol."""
    try:
        os.write(int(os.environ["PMI_FD"]), b"cmd=abort exitcode=%d\n" % code)
    except (KeyError, OSError):
        return  # mpiexec speaks otherwise, or is ending them already


if __name__ == "__main__":
    end_job(int(sys.argv[1]))
    sys.exit(int(sys.argv[1]))
