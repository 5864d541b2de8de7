"""What we remember of laying a region: that it was begun, before anything is made, and that it was finished.

A note, not a record: what stands is read from the cloud. Without the note, nobody would know that something may be
there that AWS does not show yet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from pydantic import BaseModel

from tasks.turns import turn


class Note(BaseModel):
    """A laying. ``attempt`` stays the same until it is finished, however often it is begun."""

    attempt: str
    is_finished: bool = False


@contextmanager
def one_at_work_in(account_id: str, region: str) -> Iterator[None]:
    """Hold a region's turn, in which it is laid or cleaned, never both.

    Raises:
        TimedOut: Others held the turn for a quarter of an hour.
    """
    with turn(f"aws-region-{account_id}-{region}"):
        yield


def read(account_id: str, region: str) -> Note | None:
    """Return the note of a region; None: nothing was ever begun there."""
    with get_client(sync_client=True) as client:
        known = client.read_variable_by_name(_name(account_id, region))
    return Note.model_validate(known.value) if known else None


def begin(account_id: str, region: str) -> Note:
    """Write that a laying begins, and return its note: the same for one that was begun and not finished.

    Call it while holding the region's turn.
    """
    found = read(account_id, region)
    if found is not None and not found.is_finished:
        return found
    begun = Note(attempt=uuid4().hex[:12])
    _write(_name(account_id, region), begun, is_new=found is None)
    return begun


def finish(account_id: str, region: str) -> None:
    """Write that a laying is finished."""
    found = read(account_id, region)
    if found is not None and not found.is_finished:
        _write(_name(account_id, region), found.model_copy(update={"is_finished": True}), is_new=False)


def forget(account_id: str, region: str) -> None:
    """Remove the note of a region in which nothing of ours is left. Removing what is gone does nothing."""
    with get_client(sync_client=True) as client:
        if client.read_variable_by_name(_name(account_id, region)) is not None:
            client.delete_variable_by_name(_name(account_id, region))


def _write(name: str, note: Note, *, is_new: bool) -> None:
    with get_client(sync_client=True) as client:
        if is_new:
            client.create_variable(VariableCreate(name=name, value=note.model_dump()))
        else:
            client.update_variable(VariableUpdate(name=name, value=note.model_dump()))


def _name(account_id: str, region: str) -> str:
    return f"groundwork_region_{account_id}_{region}".replace("-", "_")
