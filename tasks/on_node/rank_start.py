"""Runs a Python program in this rank: ``rank_start.py JOB_FOLDER WORDS...`` is ``python -m mpi4py WORDS...``, and more.

More: whole lines, and a note in the job's folder on each rank that fails, with the last lines of its traceback.

Nothing is imported that Python has not loaded by itself: every rank pays for it at every start.
"""

import os
import sys


def main(folder: str, *words: str) -> None:
    """Run the program."""
    # hydra forwards chunks as they come, and would tear lines of different ranks apart.
    sys.stdout.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]
    sys.path[0] = os.getcwd()  # noqa: PTH109
    from mpi4py.run import run_command_line, set_abort_status

    try:
        run_command_line([*words])
    except BaseException as error:
        code = _code(error)
        if code:
            from runpy import run_path

            # After MPI_Init the interpreter's end would wait for the other ranks: mpi4py aborts them there, and with
            # them the guard, before it can note anything.
            failed = run_path(__file__.replace("rank_start", "rank_failed"))
            # The words first: once one rank is noted another may end them all.
            failed["note_words"](folder, error)
            failed["note"](folder, code)
            set_abort_status(code)
        raise


def _code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    if not isinstance(error, SystemExit):
        return 1
    return error.code if isinstance(error.code, int) else int(error.code is not None)


if __name__ == "__main__":
    main(*sys.argv[1:])
