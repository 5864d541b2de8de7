"""Changes of the block key that are killed between two steps, and what comes after them.

A step is what the process does to the world: a file of the house opened, renamed or removed (Python's audit events), a
transaction begun or ended, a statement sent (SQLAlchemy's events). Run as ``python -m tests.worlds.sudden_death`` it
reads tasks, one in a line, does each in a child process of its own, and answers with one line of JSON::

    change        change the key                               -> [exit code, [the steps done]]
    change 7      and be killed (kill -9) at the seventh step
    change UPDATE and be killed at the first step of that name
    settle        what our server does before it serves
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployments.settings import ROOT, house, server_environment
from tests.worlds.prefect_server import PrefectServer


class Changes:
    """The process that changes keys and dies of it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, task: str) -> tuple[int, list[str]]:
        """Do a task; how it ended (-9 if it was killed) and its steps."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(task + "\n")
        self._process.stdin.flush()
        code, steps = json.loads(self._process.stdout.readline())
        return code, steps


@contextmanager
def changes(server: PrefectServer) -> Iterator[Changes]:
    """A process that changes the key of a closed house."""
    environment = server.environment | _server_environment(server)
    argv = [sys.executable, "-m", "tests.worlds.sudden_death"]
    with subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Changes(process)
        assert process.stdin is not None
        process.stdin.close()


def _server_environment(server: PrefectServer) -> dict[str, str]:
    mine = {name: value for name, value in server.extra.items() if name.startswith("PREFECT_SERVER_DATABASE")}
    return server_environment(server.house) | mine


def _watch(folder: Path, on_step: Callable[[str], None]) -> None:
    import sqlalchemy as sa

    def file_event(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(f"{folder}/encryption"):
            on_step(f"{event} {Path(arguments[0]).name}")

    def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        on_step(text.split(maxsplit=1)[0])

    def transaction(what: str) -> Callable[..., None]:
        return lambda *_: on_step(what)

    sys.addaudithook(file_event)
    sa.event.listen(sa.Engine, "before_cursor_execute", statement)
    for what in ("begin", "commit", "rollback"):
        sa.event.listen(sa.Engine, what, transaction(what))


def _child(task: str, death: str, told: int) -> None:
    from deployments.key_change import change_key, settled_key
    from deployments.key_file import only_user

    place = house()
    count = 0

    def on_step(name: str) -> None:
        nonlocal count
        count += 1
        os.write(told, (name + "\n").encode())
        if death in (str(count), name):
            os.kill(os.getpid(), signal.SIGKILL)

    _watch(place.folder, on_step)
    if task == "change":
        change_key(place)
    else:
        with only_user(place):
            settled_key(place)


def _in_a_child(task: str, death: str) -> tuple[int, list[str]]:
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(heard)
            _child(task, death, told)
            code = 0
        except Exception:  # noqa: BLE001 (it shall not go on as a second parent)
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(told)
    with os.fdopen(heard) as steps:
        done = steps.read().split("\n")[:-1]
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), done


def main() -> None:
    from prefect.server.database import provide_database_interface

    # Most of what a child would import, once for all of them.
    provide_database_interface()
    for line in sys.stdin:
        task, _, death = line.strip().partition(" ")
        print(json.dumps(_in_a_child(task, death)), flush=True)


if __name__ == "__main__":
    main()
