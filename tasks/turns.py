"""Taking turns: strict limits on Prefect's server, held with a lease: a killed holder blocks nobody for long."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists, PrefectHTTPStatusError

from blocks.errors import TimedOut

_LEASE_S = 60
_PATIENCE_S = 900


@contextmanager
def turn(limit: str, *, at_once: int = 1) -> Iterator[None]:
    """Hold one of a limit's slots. Others wait; the slot of a killed holder lapses after a minute.

    Args:
        limit: Its name. It is made where there is none.
        at_once: How many slots it is made with. One that is there keeps its number, which an admin may have changed.

    Raises:
        TimedOut: Others held all slots for a quarter of an hour.
    """
    with ExitStack() as held:
        try:
            _take(held, limit, at_once)
        except TimeoutError as error:
            advice = "See `prefect gcl ls`."
            raise TimedOut(f"others held it for {_PATIENCE_S} s", where=limit, advice=advice) from error
        yield


def _take(held: ExitStack, limit: str, at_once: int) -> None:
    slot = partial(concurrency, limit, strict=True, lease_duration=_LEASE_S, timeout_seconds=_PATIENCE_S)
    try:
        held.enter_context(slot())
    except ConcurrencySlotAcquisitionError:  # nobody took a turn at it before
        _ensure_limit(limit, at_once)
        held.enter_context(slot())


def _ensure_limit(limit: str, at_once: int) -> None:
    # Two first askers race; the loser's 409 says that the limit is there.
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        try:
            client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=limit, limit=at_once))
        except PrefectHTTPStatusError as error:
            if error.response.status_code != 409:
                raise
