"""The world's time: it stands, runs quicker than ours, or is pushed on by a test. Nobody sleeps for it."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass
class Clock:
    """Seconds since the epoch, as the world tells them.

    ``speed`` is how many of the world's seconds pass in one of ours: with 0 only ``advance`` moves it.
    """

    speed: float = 1.0
    _base_s: float = field(default_factory=time.time)
    _since: float = field(default_factory=time.monotonic)

    def now_s(self) -> float:
        """Return the world's time."""
        return self._base_s + (time.monotonic() - self._since) * self.speed

    def now(self) -> datetime:
        """Return the world's time as AWS tells it, in UTC and whole seconds."""
        return datetime.fromtimestamp(int(self.now_s()), UTC)

    def advance(self, seconds: float) -> None:
        """Push the time on."""
        self._base_s += seconds

    def run(self, speed: float) -> None:
        """Let time pass at another speed from now on."""
        self._base_s, self._since, self.speed = self.now_s(), time.monotonic(), speed
