"""The one loop in which we wait for AWS."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from blocks.errors import PlaceFailed, PlaceUnreachable, Throttled, TimedOut
from tasks.providers.aws.refusals import translated

T = TypeVar("T")

_PASSED_OVER = (Throttled, PlaceUnreachable, PlaceFailed)
"""What a later call may not meet any more: AWS is busy, or out of reach for a moment."""

_LONGEST_BACKOFF_S = 30.0


def wait_for(
    what: str,
    ask: Callable[[], T],
    is_done: Callable[[T], bool],
    *,
    limit_s: float,
    first_s: float,
    every_s: float,
) -> T:
    """Ask until what is told is what we wait for; return it.

    A call that AWS throttles or fails by itself is passed over, and the next one comes later (doubled each time, up to
    half a minute). Times between calls vary by a quarter, so that many who wait do not ask at once. ``ask`` may
    raise botocore's exceptions: they are translated. What it raises beside those passed over ends the waiting.

    Args:
        what: What is waited for, for messages, as ``NAT gateway nat-0abc``.
        ask: Asks AWS; one describe call for all that is waited for.
        is_done: Tells whether that is it. It may raise what ends the waiting, as for a state without a way out.
        limit_s: The most seconds from now to the last call.
        first_s: Seconds until the first call: near the time it takes when all is well; 0: at once.
        every_s: Seconds between calls after it.

    Raises:
        TimedOut: With what was last told.
        GroundworkError: What ``ask`` or ``is_done`` raised.
    """
    end = time.monotonic() + limit_s
    told: object = "nothing"
    failure: Exception | None = None
    pause, busy = first_s, every_s
    while True:
        wait_somewhat(min(pause, max(0.0, end - time.monotonic())))
        is_last = time.monotonic() >= end
        try:
            with translated(what):
                answer = ask()
        except _PASSED_OVER as error:
            told = failure = error
            busy = min(max(busy, 0.5) * 2, max(_LONGEST_BACKOFF_S, every_s))
            pause = busy
        else:
            if is_done(answer):
                return answer
            told, failure, pause, busy = answer, None, every_s, every_s
        if is_last:
            raise TimedOut(
                f"not there after {limit_s:g} s; last seen: {_short(told)}",
                where=what,
                advice="Run it again: it goes on where this one ended.",
            ) from failure


def wait_somewhat(seconds: float) -> None:
    """Wait at most so long, and a quarter less at the least: many who wait do not ask at once."""
    if seconds > 0:
        time.sleep(seconds * random.uniform(0.75, 1.0))  # noqa: S311 # spreads calls, hides nothing


def _short(told: object) -> str:
    line = " ".join(str(told).split())
    return line if len(line) <= 300 else line[:300] + " ..."
