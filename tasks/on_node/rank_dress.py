"""Gives a rank's program its words and variables byte for byte, and becomes it.

``python -I -S rank_dress.py JOB_FOLDER`` reads them from the job's folder: values may be secrets and are for no command
line, and what the interpreter and the loader read at their start must be there by then. The file ``program`` holds
fields ended by NUL, which no text holds: the number of words, the words, ``NAME=VALUE`` for each variable.
"""

import os
import sys


def read_program(folder: str) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Return the words and the variables."""
    with open(folder + "/program", "rb") as file:  # noqa: PTH123 - pathlib would cost every rank 10 ms
        count, *fields = file.read().split(b"\0")[:-1]
    variables = (field.partition(b"=") for field in fields[int(count) :])
    return fields[: int(count)], {name: value for name, _, value in variables}


def main(folder: str) -> int:
    """Become the program; the return is for one that cannot be started."""
    words, variables = read_program(folder)
    try:
        os.execvpe(words[0], words, {**os.environb, **variables})  # noqa: S606
    except OSError as error:
        print(f"{os.fsdecode(words[0])}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
