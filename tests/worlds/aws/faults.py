"""What goes wrong on purpose: errors, throttling, lost and damaged replies, closed connections, latency, stale answers,
deaths."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.worlds.aws import models
from tests.worlds.aws.call import Call, NoReply, Refused
from tests.worlds.aws.clock import Clock

Kind = Literal["error", "drop", "lose_reply", "delay", "stale", "hang", "damage"]

_LONGEST_HANG_S = 600


@dataclass
class Fault:
    """One thing that goes wrong.

    ``error`` refuses before anything is done; ``drop`` closes the connection before anything is done; ``lose_reply``
    does what was asked and closes the connection; ``delay`` answers ``delay_s`` of our seconds later; ``stale`` answers
    a describing request as it was answered ``ago`` times earlier, or as if nothing were there yet; ``hang`` holds the
    request until somebody lets it go (``Faults.let_go``): before anything is done, or with ``applied`` after it;
    ``damage`` answers with another last byte than there is.

    Args:
        kind: See above.
        name: ``service:Operation``; ``service:*`` and ``*`` stand for more.
        nth: The first request that it hits, counted from 1 over those that it fits.
        times: How many requests in a row it hits; -1 for all that follow. botocore's own repetitions count as requests.
        where: Parameters that the request must have, by name. A value that is a list fits when it holds the wanted one.
        principal: Part of the ARN of who must be calling.
        code: AWS's error code, of an ``error``.
        message: AWS's words.
        status: HTTP status.
        delay_s: Of a ``delay``.
        ago: Of a ``stale`` answer.
        applied: Of a ``hang``.
    """

    kind: Kind
    name: str
    nth: int = 1
    times: int = 1
    where: dict[str, Any] = field(default_factory=dict)
    principal: str = ""
    code: str = "InternalError"
    message: str = "a fault of the test world"
    status: int = 400
    delay_s: float = 0
    ago: int = 1
    applied: bool = False
    seen: int = 0
    reached: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    freed: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    answers: bool = field(default=False, init=False)

    def hits(self, call: Call) -> bool:
        """Count a request that it fits, and tell whether this one is hit."""
        if not self._fits(call):
            return False
        self.seen += 1
        return self.nth <= self.seen and (self.times < 0 or self.seen < self.nth + self.times)

    def wait_delay(self) -> None:
        """Let the delay pass."""
        time.sleep(self.delay_s)

    def wait_freed(self) -> None:
        """Hold a request until it is let go.

        Raises:
            NoReply: It was let go without an answer.
        """
        self.reached.set()
        self.freed.wait(_LONGEST_HANG_S)
        if not self.answers:
            raise NoReply

    def _fits(self, call: Call) -> bool:
        service = call.service
        return (
            self.name in ("*", f"{service}:*", call.name)
            and self.principal in call.principal.arn
            and all(_holds(call.params.get(name), value) for name, value in self.where.items())
        )


def _holds(found: Any, wanted: Any) -> bool:
    return found == wanted or (isinstance(found, list) and wanted in found)


@dataclass
class Bucket:
    """A token bucket of one operation, for each account and region, as EC2 throttles."""

    tokens: float
    refill_per_s: float
    _left: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def take(self, call: Call, clock: Clock) -> bool:
        """Take one token; false when there is none."""
        now, key = clock.now_s(), (call.account, call.region)
        left, at = self._left.get(key, (self.tokens, now))
        left = min(self.tokens, left + (now - at) * self.refill_per_s)
        self._left[key] = (left - 1 if left >= 1 else left, now)
        return left >= 1


_THROTTLED = ("ThrottledException", "TooManyRequestsException")
"""What some services say instead of ThrottlingException, where the operation's model lists it."""


class Faults:
    """All that goes wrong in a world at present."""

    def __init__(self) -> None:
        self.all: list[Fault] = []
        self.buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def mend(self) -> None:
        """Take all faults away."""
        self.let_go()
        self.all.clear()
        self.buckets.clear()

    def let_go(self, *, answers: bool = False) -> None:
        """Let all requests go that hang; with ``answers`` they are done and answered as if nothing had been."""
        for fault in self.all:
            if fault.kind == "hang":
                fault.answers = answers
                fault.freed.set()

    def wait_hung(self, limit_s: float) -> bool:
        """Wait until a request hangs; false when none did in time."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if any(fault.reached.is_set() and not fault.freed.is_set() for fault in self.all):
                return True
            time.sleep(0.005)
        return False

    def hit(self, call: Call) -> list[Fault]:
        """Return the faults that hit this request."""
        with self._lock:
            return [fault for fault in self.all if fault.hits(call)]

    def throttle(self, call: Call, clock: Clock) -> None:
        """Refuse a request whose bucket is empty, in the words of its service."""
        bucket = self.buckets.get(call.name)
        if bucket is None:
            return
        with self._lock:
            has_token = bucket.take(call, clock)
        if not has_token:
            raise throttled(call)


def throttled(call: Call) -> Refused:
    """Return a service's refusal of one call too many."""
    if call.service == "ec2":
        return Refused("RequestLimitExceeded", "Request limit exceeded.", 503)
    if call.service == "s3":
        return Refused("SlowDown", "Please reduce your request rate.", 503)
    if models.service_model(call.service).protocol == "query":
        return Refused("Throttling", "Rate exceeded", 400)
    known = models.known_codes(call.service, call.operation)
    return Refused(next((code for code in _THROTTLED if code in known), "ThrottlingException"), "Rate exceeded", 400)
