"""Lanes side by side, each in a process of its own, because a process lives in one house only."""

import multiprocessing
import queue
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.drill.lane import Lane, lane
from tests.drill.lives import LIVES, Life
from tests.drill.points import disturbed, undisturbed
from tests.drill.storms import STORMS, weathered

SPAWN = multiprocessing.get_context("spawn")


class LaneClosed(Exception):
    """A lane's process is gone."""


class LaneFailed(Exception):
    """A job failed in a lane, and not by what it drills; with all that the lane's process says of it."""


def work(jobs: Any, answers: Any) -> None:
    """Do jobs in a lane of this process's own until there is a None among them."""
    with lane() as opened:
        for number, (kind, name, *about) in iter(jobs.get, None):
            try:
                answers.put((number, _done(opened, kind, LIVES[name], about)))
            except Exception:  # noqa: BLE001 (told to the one who asked, in words: not every error can be sent)
                answers.put((number, LaneFailed(traceback.format_exc())))


def _done(opened: Lane, kind: str, life: Life, about: list[Any]) -> Any:
    if kind == "undisturbed":
        return undisturbed(opened, life)
    if kind == "storm":
        return [weathered(opened, STORMS[about[0]], about[1])]
    return disturbed(opened, life, *about)


class Lanes:
    """Lanes side by side, each a process."""

    def __init__(self, count: int) -> None:
        self.jobs, self.answers = SPAWN.Queue(), SPAWN.Queue()
        self.processes = [SPAWN.Process(target=work, args=(self.jobs, self.answers)) for _ in range(count)]

    def do(self, jobs: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Do jobs, in any order; each one's number and what came of it."""
        for job in enumerate(jobs):
            self.jobs.put(job)
        for _ in jobs:
            number, answer = self._answer()
            if isinstance(answer, Exception):
                raise answer
            yield number, answer

    def _answer(self) -> tuple[int, Any]:
        while True:
            try:
                found: tuple[int, Any] = self.answers.get(timeout=5)
            except queue.Empty:
                if not all(process.is_alive() for process in self.processes):
                    raise LaneClosed("a lane ended by itself; what it said is above") from None
            else:
                return found


@contextmanager
def lanes(count: int) -> Iterator[Lanes]:
    """Open lanes; they close with the block."""
    opened = Lanes(count)
    for process in opened.processes:
        process.start()
    try:
        yield opened
    finally:
        while not opened.jobs.empty():
            opened.jobs.get()
        for _ in opened.processes:
            opened.jobs.put(None)
        for process in opened.processes:
            process.join(60)
