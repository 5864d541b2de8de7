"""Records of AWS accounts: written when an account is invited, read again by name, changed by one writer at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.events import emit_event

from blocks.aws_account import AwsAccount
from blocks.cluster import Cluster
from blocks.errors import NameTaken, NotFound
from tasks import documents
from tasks.turns import turn


@contextmanager
def one_writer_of(name: str) -> Iterator[None]:
    """Hold the right to change an account's record. Others wait; a killed holder's right lapses after a minute.

    Raises:
        TimedOut: Somebody else held it for a quarter of an hour.
    """
    with turn(f"aws-account-{name}"):
        yield


def claim(account: AwsAccount, name: str) -> AwsAccount:
    """Write the record of an account under a name that no account has. Call it while holding ``one_writer_of``.

    Raises:
        NameTaken: Another account has the name.
        BadInput: Access keys that are in no block document of their own.
    """
    if find(name) is not None:
        raise NameTaken(f"there is an account {name} already", where="name", advice="Choose another name.")
    documents.require_saved_inside(account)
    account.save(name)
    _tell(account)
    return account


def find(name: str) -> AwsAccount | None:
    """Return an account's record as it is now, or None."""
    return documents.load(AwsAccount, name)


def read(name: str) -> AwsAccount:
    """Return an account's record as it is now.

    Raises:
        NotFound: There is none of that name.
    """
    account = find(name)
    if account is None:
        raise NotFound(f"there is no account {name}", where="account", advice="Start with show-aws-onboarding.")
    return account


def every() -> list[AwsAccount]:
    """Return the records of all accounts, by name."""
    return documents.every(AwsAccount)


def change(account: AwsAccount, **fields: Any) -> AwsAccount:
    """Write what became known of an account, and tell as an event when its health is another. Returns the account.

    Call it while holding ``one_writer_of``, with the record as it was read in there.

    Raises:
        BadInput: Access keys that are in no block document of their own.
        NotFound: The record was removed meanwhile.
    """
    before = account.health
    for field, value in fields.items():
        setattr(account, field, value)
    documents.overwrite(account)
    if account.health is not before:
        _tell(account)
    return account


def forget(account: AwsAccount) -> None:
    """Remove an account's record; the block of its keys is another document. Removing what is gone does nothing."""
    documents.remove(AwsAccount, account.name)


def clusters_in(account: AwsAccount) -> list[str]:
    """Return the clusters that stand in an account by their records, as ``cluster demo``."""
    place = f"{AwsAccount.get_block_type_slug()}/{account.name}"
    return [f"cluster {cluster.name}" for cluster in documents.every(Cluster) if cluster.spec.account == place]


def _tell(account: AwsAccount) -> None:
    emit_event(
        event=f"groundwork.aws-account.{account.health.value}",
        resource={
            "prefect.resource.id": f"groundwork.aws-account.{account._block_document_id}",  # noqa: SLF001
            "prefect.resource.name": account.name,
        },
        payload={"health": account.health.value, "reason": account.reason},
    )
