"""From a command as it was typed to the words of a program. No shell ever reads any of it."""

import re
import shlex

from blocks.errors import BadInput

PYTHON = ("python", "-m", "mpi4py")
"""How Python programs are started: with mpi4py's own start, one rank's exception ends all ranks, not only itself."""

_LAUNCHERS = re.compile(r"(mpiexec|mpirun)([.-]\w+)?|srun|orterun|prterun")
_PYTHONS = re.compile(r"python[0-9.]*")


def program(command: str, *, raw: bool) -> list[str]:
    """Return the words that every rank starts with.

    Words are split as in a shell (quotes, backslashes), but nothing else of a shell is meant: ``;``, ``$( )``, ``*``
    and newlines inside quotes are text.

    Args:
        command: A Python program of the source and its arguments, such as ``ex.py 1``, or ``-m module 1``.
        raw: The command is any program with its arguments, such as ``hostname``.

    Raises:
        BadInput: The command cannot be read; it names the launcher or Python itself; its program is not in the source.
    """
    words = _split(command)
    if raw:
        return words
    _refuse_prefix(words)
    if words[0] == "-m":
        _require_module(words)
    else:
        _require_inside(words[0])
    return [*PYTHON, *words]


def _split(command: str) -> list[str]:
    if "\0" in command:
        raise BadInput("has a NUL character", where="command")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise BadInput(
            f"cannot be read ({str(error)[:1].lower()}{str(error)[1:]})", where="command", advice="Close every quote."
        ) from error
    if not words or not words[0]:
        raise BadInput("names no program", where="command", advice="Type a program and its arguments: ex.py 1")
    return words


def _refuse_prefix(words: list[str]) -> None:
    name = words[0].rpartition("/")[2]
    is_launcher, is_python = _LAUNCHERS.fullmatch(name), _PYTHONS.fullmatch(name)
    if not is_launcher and not is_python:
        return
    what = "mpiexec is put in front by itself" if is_launcher else "Python is started by itself"
    instead = _after(words)
    advice = f"Type: {instead}" if instead else "Type the program and its arguments only, or switch on raw."
    raise BadInput(f"starts with `{words[0]}`; {what}", where="command", advice=advice)


def _after(words: list[str]) -> str:
    """Return the part of a command that was meant: from its first Python program on."""
    for position, word in enumerate(words):
        if word.endswith(".py"):
            return shlex.join(words[position:])
    return ""


def _require_module(words: list[str]) -> None:
    if len(words) < 2 or not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", words[1]):
        raise BadInput("-m wants a module's name after it", where="command", advice="Type: -m package.module 1")


def _require_inside(path: str) -> None:
    if path.startswith("-"):
        raise BadInput(f"starts with an option ({path})", where="command", advice="Type the program first: ex.py 1")
    if path.startswith(("/", "~")) or ".." in path.split("/"):
        raise BadInput(
            f"{path} is outside the source", where="command", advice="Give the program's path inside the source."
        )
