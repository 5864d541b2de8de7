"""Flows in processes of their own, which may be killed at any moment: forked, so that each begins in no time.

Run as ``python -m tests.drill.forks`` it reads acts, one JSON object ``{"act": name, "told": {...}}`` in a line, does
each in a child and answers with two lines: ``{"pid": ...}`` at once, ``{"code": ..., "words": ...}`` at the end.
The setting ``GROUNDWORK_DRILL_HASTE`` lets children sleep that many times shorter: the world's clock runs that quick.
"""

import gc
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any


def main() -> None:
    """Do what is asked until nobody asks any more."""
    import fastapi.encoders  # noqa: F401 (Prefect imports it when a flow begins)

    from tests.drill import acts  # noqa: F401 (here, that no child has to import it)

    answers, log = (
        os.fdopen(os.dup(1), "w"),
        os.open(os.environ["GROUNDWORK_DRILL_LOG"], os.O_CREAT | os.O_APPEND | os.O_WRONLY),
    )
    # Else each child walks through all that was imported, and copies it: the collector writes into what it visits.
    gc.freeze()
    os.dup2(log, 1)
    os.dup2(log, 2)
    for line in sys.stdin:
        asked = json.loads(line)
        act = _act(asked["act"])
        heard, told = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(heard)
            _child(act, asked["told"], told)
        os.close(told)
        _say(answers, pid=child)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.set_blocking(heard, False)  # a grandchild may still hold the other end
        with os.fdopen(heard) as words:
            _say(answers, code=code, words=words.read() or "")


def _act(name: str) -> Callable[..., None]:
    """An act by its name; ``module:function`` stands for one of another module."""
    module, _, function = name.rpartition(":")
    found: Callable[..., None] = getattr(importlib.import_module(module or "tests.drill.acts"), function)
    return found


def _say(answers: Any, **told: Any) -> None:
    answers.write(json.dumps(told) + "\n")
    answers.flush()


def _child(act: Any, told: dict[str, Any], words: int) -> None:
    code = 1
    try:
        _hasten(float(os.environ.get("GROUNDWORK_DRILL_HASTE", "1")))
        act(**told)
        code = 0
    except BaseException as error:  # noqa: BLE001 (it shall not go on as a second parent)
        traceback.print_exc()
        os.write(words, f"{type(error).__name__}: {error}".encode())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _hasten(haste: float) -> None:
    """Let this process sleep shorter, as much as the world's clock is quicker: polls come as often in its time."""
    pause = time.sleep

    def wait_shorter(seconds: float) -> None:
        pause(seconds / haste)

    time.sleep = wait_shorter  # type: ignore[assignment]


if __name__ == "__main__":
    main()
