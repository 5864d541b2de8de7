"""Where a region's ground is laid, and how a thing is made once although calls, replies and sight of it are lost."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from blocks.errors import Conflict, NotFound, PlaceFailed, PlaceUnreachable, StillInUse, Throttled, TimedOut
from tasks.providers.aws.naming import Owner
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession
from tasks.providers.aws.waiting import wait_for

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

T = TypeVar("T")

_NOT_KNOWN = (PlaceUnreachable, PlaceFailed)
"""After these nobody knows whether the call was done."""

_MOST_TRIES = 3
_LOOKS = 6
_PATIENCE_S = 10.0
_SETTLED_S = 60.0


@dataclass(frozen=True)
class Site:
    """A region of an account, in which we lay ground.

    Args:
        session: How we come into the account.
        region: As ``us-east-1``.
        owner: Whose everything is.
        account_id: The account's number.
        attempt: Words that are the same until one laying is finished, however often it is begun again: tokens are
            made of them, so that what is removed by hand later can be made anew.
        was_begun: Somebody laid here before, or died of it: what is not seen may still be there.
        pace: How long our own pauses are: 1 where time is AWS's, less in a world whose time runs quicker.
    """

    session: AwsSession
    region: str
    owner: Owner
    account_id: str
    attempt: str = ""
    was_begun: bool = False
    pace: float = 1.0

    @property
    def ec2(self) -> "EC2Client":
        """EC2 in this region."""
        return self.session.client("ec2", self.region)

    def token(self, *words: str) -> str:
        """Return the client token of one effect in this laying."""
        return self.owner.token(self.attempt, *words)

    def patiently(self, what: str, look: Callable[[], T | None]) -> T | None:
        """Look for ten seconds for what may be there although it is not seen; None when it is not.

        EC2 tells of a new thing after some seconds (Amazon EC2 API Reference, "Eventual consistency").
        """
        limit_s = _PATIENCE_S * self.pace
        with suppress(TimedOut):
            return wait_for(
                what, look, lambda found: found is not None, limit_s=limit_s, first_s=0, every_s=limit_s / _LOOKS
            )
        return None

    def wait_for(
        self,
        what: str,
        ask: Callable[[], T],
        is_done: Callable[[T], bool],
        *,
        limit_s: float,
        first_s: float = 0,
        every_s: float,
    ) -> T:
        """Ask until what is told is what we wait for, in this place's pace; see ``tasks.providers.aws.waiting``."""
        pace = self.pace
        return wait_for(what, ask, is_done, limit_s=limit_s, first_s=first_s * pace, every_s=every_s * pace)

    def made_once(
        self, what: str, look: Callable[[], T | None], make: Callable[[], T], *, is_new_place: bool = False
    ) -> tuple[T, bool]:
        """Find a thing, or make it where AWS would make a second one; return it, and whether it was made now.

        A call whose reply was lost may have been done: before it is made again, we look for some seconds.

        Args:
            what: For messages.
            look: Finds it, or says None.
            make: Makes it, in one call that nobody repeats by himself.
            is_new_place: It cannot be there yet: nobody looks for it at first.

        Raises:
            PlaceUnreachable, PlaceFailed: Three calls brought no answer, and nothing is seen.
        """
        found = None
        if not is_new_place:
            with translated(what):
                found = look()
            if found is None and self.was_begun:
                found = self.patiently(what, look)
        tries = 0
        while found is None:
            try:
                with translated(what):
                    return make(), True
            except _NOT_KNOWN:
                tries += 1
                found = self.patiently(what, look)
                if found is None and tries == _MOST_TRIES:
                    raise
        return found, False

    def made_or_found(self, what: str, make: Callable[[], T], look: Callable[[], T | None]) -> T:
        """Make a thing of which AWS refuses a second one by its name, address or token; return it, or the first one.

        Raises:
            Conflict: AWS says that it is there, and nothing of ours is seen: something else has its place.
        """
        try:
            return self.settled(what, make)
        except Conflict:
            found = self.patiently(what, look)
            if found is None:
                raise
            return found

    def settled(self, what: str, step: Callable[[], T]) -> T:
        """Do a step, which may be repeated, on things just made that AWS may not know yet for some seconds.

        Raises:
            TimedOut: AWS does not know them after a minute.
            Throttled, PlaceUnreachable, PlaceFailed: It was so for a minute.
        """

        def ask() -> list[T]:
            with suppress(NotFound), translated(what):
                return [step()]
            return []

        try:
            return self.wait_for(what, ask, bool, limit_s=_SETTLED_S, every_s=1)[0]
        except TimedOut as error:
            if isinstance(error.__cause__, (*_NOT_KNOWN, Throttled)):
                raise error.__cause__ from None
            raise


def one_of(found: Iterable[T], rank: Callable[[T], tuple[int, str]], remove: Callable[[T], object]) -> T | None:
    """Return the one of several that counts, and remove the others, where nothing holds on to them; None of none.

    Two are there when AWS made one, lost its reply and hid it longer than we looked.

    Args:
        found: What was found.
        rank: Sorts them; the first counts.
        remove: Removes one.
    """
    ranked = sorted(found, key=rank)
    for other in ranked[1:]:
        with suppress(NotFound, StillInUse), translated("a double"):
            remove(other)
    return ranked[0] if ranked else None
