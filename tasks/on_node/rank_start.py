"""What mpiexec starts for every rank: the program, with its words, folder and variables byte for byte, and its guard.

``python rank_start.py JOB_FOLDER`` runs a Python program in a child, as ``python -m mpi4py`` does.
``python -I -S rank_start.py JOB_FOLDER dress`` starts any program in a child, or a Python program that brings
variables: the interpreter and the loader must see those from their start.

The guard waits for the child, and whatever way it ends but well (exception, code, signal), notes the rank and has
mpiexec end all others. hydra itself does so for signals only; after a code the others would wait for ever.

Nothing is imported that Python has not loaded by itself: every rank pays for it at every start.
"""

import _signal  # type: ignore[import-not-found]
import os
import sys

PYTHON = [b"python", b"-m", b"mpi4py"]


def read_program(folder: str) -> tuple[bytes, list[bytes], dict[bytes, bytes]]:
    """Return the working folder, the words and the variables: fields ended by NUL, which no text holds."""
    with open(folder + "/program", "rb") as file:  # noqa: PTH123 - pathlib would cost every rank 10 ms
        workdir, count, *fields = file.read().split(b"\0")[:-1]
    variables = (field.partition(b"=") for field in fields[int(count) :])
    return workdir, fields[: int(count)], {name: value for name, _, value in variables}


def guard(folder: str, program: int) -> None:
    """Wait for the program, passing signals on to it; note a bad end and end all ranks. Does not return."""
    for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGUSR1, _signal.SIGUSR2):
        _signal.signal(number, lambda number, _: os.kill(program, number))
    code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    shown = code if code >= 0 else 128 - code
    if code:
        note_failure(folder, code)
        end_job(shown)
    os._exit(shown)


def note_failure(folder: str, code: int) -> None:
    """Keep rank, code (below 0: a signal's number) and node of the first rank that fails."""
    rank = os.environ.get("PMI_RANK", "-1")
    part = f"{folder}/failed-{rank}-{os.getpid()}"
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


def become(folder: str, words: list[bytes], variables: dict[bytes, bytes]) -> None:
    """Replace this process by the program."""
    environment = {**os.environb, **variables}
    try:
        if words[:3] == PYTHON:
            os.execve(sys.executable, [sys.executable, __file__, folder, "dressed"], environment)  # noqa: S606
        os.execvpe(words[0], words, environment)  # noqa: S606
    except OSError as error:
        print(f"{os.fsdecode(words[0])}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


def run(folder: str, words: list[bytes], variables: dict[bytes, bytes]) -> None:
    """Run a Python program here, as ``python -m mpi4py WORDS`` does."""
    os.environb.update(variables)
    # Whole lines: hydra forwards chunks as they come, and would tear lines of different ranks apart.
    sys.stdout.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]
    sys.path[0] = os.getcwd()  # noqa: PTH109
    from mpi4py.run import run_command_line, set_abort_status

    try:
        run_command_line([os.fsdecode(word) for word in words[len(PYTHON) :]])
    except BaseException as error:
        code = _code(error)
        if code:
            # After MPI_Init the interpreter's end would wait for the other ranks: mpi4py aborts them there, and us.
            note_failure(folder, code)
            set_abort_status(code)
        raise


def _code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    if not isinstance(error, SystemExit):
        return 1
    return error.code if isinstance(error.code, int) else int(error.code is not None)


def main(folder: str, how: str = "") -> None:
    """Start the rank."""
    if how != "dressed":
        program = os.fork()
        if program:
            guard(folder, program)
    workdir, words, variables = read_program(folder)
    # hydra gives standard input to rank 0 only; any other rank that reads it would wait for ever.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(workdir)
    (become if how == "dress" else run)(folder, words, variables)


if __name__ == "__main__":
    main(*sys.argv[1:])
