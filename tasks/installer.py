"""uv, run where the flow runs: it finds and unpacks wheels, and says in one line why it cannot.

Which index it asks, and who we are there, is the user's own setting of uv (``UV_DEFAULT_INDEX``, ``UV_INDEX``, its
configuration, ``~/.netrc``); nothing of a program's source is.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence

from uv import find_uv_bin

from blocks.errors import IndexUnreachable, RequirementsRefused

_SAYS_LITTLE = ("--quiet", "--no-progress", "--color", "never", "--system-certs", "--no-python-downloads")
# A folder that only the system's owner writes to: uv reads settings of the folder that it is started in, and of all
# above it, and temporary folders are everybody's.
_NEUTRAL = "/"
_MOST = 400
_NO_WHEEL = re.compile(r"Wheels are required for `([^`]+)`")
_FORBIDDEN = re.compile(r"\((401|403)|(?:401|403) (?:Unauthorized|Forbidden)")
_NO_ANSWER = re.compile(
    r"client error \(Connect\)|dns error|error sending request|operation timed out|connection (?:reset|refused)"
    r"|HTTP status server error|\(429|request or response body error",
    re.IGNORECASE,
)


def uv(arguments: Sequence[str], *, where: str, limit_s: float, about: str = "") -> str:
    """Run uv to its end and return what it wrote.

    Args:
        arguments: uv's own.
        where: The file that is at fault when uv refuses.
        limit_s: Time limit.
        about: For whom packages are looked for, in words.

    Raises:
        RequirementsRefused: What was asked for cannot be had.
        IndexUnreachable: The index does not answer, or the time limit is over.
    """
    argv = [find_uv_bin(), *arguments, *_SAYS_LITTLE]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        argv, cwd=_NEUTRAL, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            raise IndexUnreachable(
                f"its packages were not here after {limit_s:g} s", where=where, advice="Try again; what came is kept."
            ) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        raise refusal(stderr.decode(errors="replace"), where=where, about=about)
    return stdout.decode(errors="replace")


def python() -> list[str]:
    """Return the arguments that name an interpreter for uv to work with: ours, and no other that it may find."""
    return ["--python", sys.executable]


def refusal(said: str, *, where: str, about: str = "") -> RequirementsRefused:
    """Return what uv's words mean."""
    said = re.sub(r"//[^/@\s]*@", "//", said)
    last = _last(said)
    if wanted := _NO_WHEEL.search(said):
        fitting = f" for {about}" if about else ""
        return RequirementsRefused(
            f"{wanted[1]} has no wheel{fitting}, and building one would run its code where the flow runs",
            where=where,
            advice="Take a version that has one, or put a wheel of it onto your index.",
        )
    if _FORBIDDEN.search(said):
        return RequirementsRefused(
            f"the package index refuses us ({last})", where=where, advice="Check uv's settings where the flow runs."
        )
    if _NO_ANSWER.search(said):
        return IndexUnreachable(
            f"the package index does not answer ({last})",
            where=where,
            advice="Try again later; UV_DEFAULT_INDEX, where the flow runs, names another.",
        )
    return RequirementsRefused(last, where=where, advice="Change it there, or take versions that fit each other.")


def _last(said: str) -> str:
    """Return the line that tells most: the innermost cause."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith(("error: ", "cause: "))] or lines or ["uv does not say why"]
    text = causes[-1].removeprefix("error: ").removeprefix("cause: ").rstrip(".")
    return text if len(text) <= _MOST else text[:_MOST] + " ..."
