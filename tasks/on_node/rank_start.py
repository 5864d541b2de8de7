"""What mpiexec starts for every rank: the program, with its words, folder and variables byte for byte.

``python rank_start.py JOB_FOLDER`` runs a Python program in this process, as ``python -m mpi4py`` does.
``python -I -S rank_start.py JOB_FOLDER dress`` becomes the program, for jobs that bring variables (which the
interpreter and the loader must see from their start) and for programs that are not Python.

Nothing is imported that Python has not loaded by itself: every rank pays for it at every start.
"""

import atexit
import os
import sys

PYTHON = [b"python", b"-m", b"mpi4py"]


def read_program(folder: str) -> tuple[bytes, list[bytes], dict[bytes, bytes]]:
    """Return the working folder, the words and the variables: fields ended by NUL, which no text holds."""
    with open(folder + "/program", "rb") as file:  # noqa: PTH123 - pathlib would cost every rank 10 ms
        workdir, count, *fields = file.read().split(b"\0")[:-1]
    variables = (field.partition(b"=") for field in fields[int(count) :])
    return workdir, fields[: int(count)], {name: value for name, _, value in variables}


def note_failure(folder: str, code: int) -> None:
    """Keep node, rank and code of the first rank that fails: the job's end names them."""
    part = f"{folder}/failed-{_rank()}"
    node = os.environ.get("PMI_HOSTNAME") or os.uname().nodename
    try:
        with open(part, "w") as file:  # noqa: PTH123
            file.write(f"{_rank()} {code} {node}\n")
        try:
            os.link(part, folder + "/failed")
        finally:
            os.unlink(part)  # noqa: PTH108
    except OSError:
        return  # another rank was first, or the disk is full: the end is told without it


def end_job(code: int) -> None:
    """Have mpiexec end all ranks. After MPI_Init mpi4py does it; before, the other ranks would wait for ever."""
    mpi = sys.modules.get("mpi4py.MPI")
    if (mpi and mpi.Is_initialized()) or "PMI_FD" not in os.environ:
        return
    sys.stdout.flush()
    os.write(int(os.environ["PMI_FD"]), b"cmd=abort exitcode=%d\n" % code)


def become(folder: str, words: list[bytes], variables: dict[bytes, bytes]) -> None:
    """Replace this process by the program."""
    environment = {**os.environb, **variables}
    try:
        if words[:3] == PYTHON:
            os.execve(sys.executable, [sys.executable, __file__, folder], environment)  # noqa: S606
        os.execvpe(words[0], words, environment)  # noqa: S606
    except OSError as error:
        note_failure(folder, 127)
        atexit.register(end_job, 127)
        print(f"{os.fsdecode(words[0])}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


def run(folder: str, words: list[str]) -> None:
    """Run a Python program here, as ``python -m mpi4py WORDS`` does."""
    # Whole lines: hydra forwards chunks as they come, and would tear lines of different ranks apart.
    sys.stdout.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]
    sys.path[0] = os.getcwd()  # noqa: PTH109
    from mpi4py.run import run_command_line, set_abort_status

    try:
        run_command_line(words)
    except BaseException as error:
        code = _code(error)
        if code:
            note_failure(folder, code)
            atexit.register(end_job, code)
            set_abort_status(code)
        raise


def _code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    if not isinstance(error, SystemExit):
        return 1
    return error.code if isinstance(error.code, int) else int(error.code is not None)


def _rank() -> str:
    return os.environ.get("PMI_RANK", "-1")


def main(folder: str, *how: str) -> None:
    """Start the rank."""
    workdir, words, variables = read_program(folder)
    # hydra gives standard input to rank 0 only; any other rank that reads it would wait for ever.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(workdir)
    if how:
        become(folder, words, variables)
    else:
        run(folder, [os.fsdecode(word) for word in words[3:]])


if __name__ == "__main__":
    main(*sys.argv[1:])
