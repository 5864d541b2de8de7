"""Taking turns: strict limits on Prefect's server, held with a lease: a killed holder blocks nobody for long."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists, PrefectHTTPStatusError

from blocks.errors import TimedOut

_LEASE_S = 60
_PATIENCE_S = 900


@contextmanager
def turn(limit: str, *, at_once: int = 1) -> Iterator[None]:
    """Hold one of a limit's slots. Others wait; the slot of a killed holder lapses after a minute.

    Raises:
        TimedOut: Others held all slots for a quarter of an hour.
    """
    with get_client(sync_client=True) as client:
        _ensure_limit(client, limit, at_once)
    try:
        with concurrency(limit, strict=True, lease_duration=_LEASE_S, timeout_seconds=_PATIENCE_S):
            yield
    except TimeoutError as error:
        raise TimedOut(f"others held it for {_PATIENCE_S} s", where=limit, advice="See `prefect gcl ls`.") from error


def _ensure_limit(client: SyncPrefectClient, limit: str, at_once: int) -> None:
    # Two first askers race between Prefect's look and its create; the loser's 409 says that the limit is there.
    with suppress(ObjectAlreadyExists):
        try:
            client.upsert_global_concurrency_limit_by_name(limit, at_once)
        except PrefectHTTPStatusError as error:
            if error.response.status_code != 409:
                raise
