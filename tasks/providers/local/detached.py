"""Processes that outlive the one that started them, and know nothing of it. Standard library only."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tasks.providers.local import layout
from tasks.providers.local.layout import Place

_ROOT = Path(__file__).parents[3]
_START = "import sys; sys.path[:0] = {paths!r}; from {module} import main; main(*sys.argv[1:])"
_READY = "ready"
_LOCK = "CLUSTER_LOCK"
_LIMIT_S = 60


class DidNotStart(Exception):
    """The process ended before it was ready; the message is its last word."""


def start_detached(module: str, arguments: Sequence[str], *, place: Place, lock: int, bare: bool = True) -> None:
    """Run ``module.main(*arguments)`` in a Python of its own, and return when it said that it is ready.

    Args:
        module: The module; its ``main`` calls ``leave_caller`` and ``say_ready``.
        arguments: Texts.
        place: The cluster: its output goes to the log there.
        lock: The cluster's lock: held until the process is ready, even when we die meanwhile, so that whoever
            comes next finds all of it.
        bare: Whether the standard library is enough for it.

    Raises:
        DidNotStart: With the reason.
    """
    # A Python of ours may have found its packages in ways that a bare one does not know.
    found_at = [str(_ROOT), *([] if bare else filter(os.path.isabs, sys.path))]
    argv = [sys.executable, "-I", "-S", "-c", _START.format(paths=found_at, module=module), *arguments]
    environment = {
        "PATH": layout.SESSION_PATH,
        "LANG": "C.UTF-8",
        "HOME": str(place.home),
        "LOCAL_NODE": f"{place.uuid}/keeper",
        _LOCK: str(lock),
    }
    with (
        place.log.open("ab") as output,
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=environment,
            cwd="/",
            start_new_session=True,
            pass_fds=(lock,),
        ) as started,
    ):
        try:
            said, _ = started.communicate(timeout=_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            os.killpg(started.pid, signal.SIGKILL)  # It holds the cluster's lock: it must not stay.
            raise DidNotStart(f"not ready after {_LIMIT_S} s") from error
    if said.decode().strip() != _READY:
        raise DidNotStart(layout.last_line(place.log))


def leave_caller() -> None:
    """Go on as a child of nobody: the process that was started ends, a fork of it remains."""
    if os.fork():
        os._exit(0)
    os.umask(0o022)


def raise_file_limit() -> None:
    """Allow as many open files as may be: there are up to four for each connection to each node."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def say_ready() -> None:
    """Tell the caller that all is well, and let go of it and of the cluster's lock."""
    with suppress(BrokenPipeError):  # The caller died meanwhile; whoever comes next finds us.
        os.write(1, f"{_READY}\n".encode())
    os.dup2(2, 1)
    os.close(int(os.environ.pop(_LOCK)))
