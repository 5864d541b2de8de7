"""How much a job's source may be, and how long it may take."""

import time
from typing import NamedTuple

from blocks.errors import SourceRefused, TimedOut

_LESS = "Put what the program needs into a folder of its own, and let it read large data from where they are."


class Limits(NamedTuple):
    """What a source may be at most: so many files and folders, so many bytes, so many seconds to read.

    An archive counts packed and unpacked.
    """

    things: int = 100_000
    size: int = 4 << 30
    time_s: float = 540


LIMITS = Limits()
"""What every job's source may be. The time leaves some of its step's for sending it to the nodes."""


class Allowance:
    """What is left of a source's limits. Threads may ask for time."""

    def __init__(self, where: str, limits: Limits) -> None:
        self.where = where
        self._limits = limits
        self._things = self._size = 0
        self._ends_s = time.monotonic() + limits.time_s

    def thing(self, size: int = 0) -> None:
        """Count one more thing of a size.

        Raises:
            SourceRefused: It is too much.
        """
        self._things += 1
        if self._things > self._limits.things:
            raise SourceRefused(f"it is more than {self._limits.things} things", where=self.where, advice=_LESS)
        self.spend(size)

    def spend(self, size: int) -> None:
        """Count some more bytes.

        Raises:
            SourceRefused: They are too many.
            TimedOut: The time is over.
        """
        self._size += size
        if self._size > self._limits.size:
            raise SourceRefused(f"it is more than {self._limits.size} bytes", where=self.where, advice=_LESS)
        self.require_time()

    def require_time(self) -> None:
        """Go on only while there is time.

        Raises:
            TimedOut: It is over.
        """
        if time.monotonic() > self._ends_s:
            raise TimedOut(f"it was not read within {self._limits.time_s:g} s", where=self.where, advice=_LESS)

    def stop(self) -> None:
        """End the time of whoever still reads."""
        self._ends_s = 0
