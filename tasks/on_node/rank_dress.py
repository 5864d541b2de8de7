"""Gives a rank's program its words and variables byte for byte, and becomes it.

``python -I -S rank_dress.py JOB_FOLDER`` reads them from the job's folder: values may be secrets and are for no command
line, and what the interpreter and the loader read at their start must be there by then. The file ``program`` holds
fields ended by NUL, which no text holds: the number of words, the words, ``NAME=VALUE`` for each variable.

Variables that are secrets for certain lie in no file: ``GROUNDWORK_SECRETS`` holds them in the same way, in base64.
``GROUNDWORK_HIDDEN`` tells their names. Where ``GROUNDWORK_COPIES`` names a folder, a rank's output is kept there too.
"""

import os
import sys


def read_program(folder: str) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Return the words and the variables."""
    with open(folder + "/program", "rb") as file:  # noqa: PTH123 - pathlib would cost every rank 10 ms
        count, *fields = file.read().split(b"\0")[:-1]
    variables = (field.partition(b"=") for field in fields[int(count) :])
    return fields[: int(count)], {name: value for name, _, value in variables}


def take_secrets() -> dict[bytes, bytes]:
    """Return the variables that are secrets; they leave this process's own."""
    told = os.environb.pop(b"GROUNDWORK_SECRETS", b"")
    if not told:
        return {}
    import base64

    fields = (field.partition(b"=") for field in base64.b64decode(told).split(b"\0")[:-1])
    return {name: value for name, _, value in fields}


def main(folder: str) -> int:
    """Become the program; the return is for one that cannot be started."""
    words, variables = read_program(folder)
    secrets, copies = take_secrets(), os.environ.pop("GROUNDWORK_COPIES", "")
    if secrets:
        variables |= secrets | {b"GROUNDWORK_HIDDEN": b" ".join(secrets)}
    if secrets or copies:
        sys.path.insert(0, __file__.rsplit("/", 3)[0])
        from tasks.on_node.rank_output import stand_between

        stand_between(secrets.values(), copies and f"{copies}/{os.environ['PMI_RANK']}")
    try:
        os.execvpe(words[0], words, {**os.environb, **variables})  # noqa: S606
    except OSError as error:
        print(f"{os.fsdecode(words[0])}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
