"""Which provider an account belongs to."""

from functools import cache

from prefect.blocks.core import Block

from blocks.errors import BadInput
from blocks.local_machine import LocalMachine
from tasks.providers.base import Provider
from tasks.providers.local.provider import LocalProvider

THIS_MACHINE = "this-machine"


@cache
def provider_for(account: str) -> Provider:
    """Return the provider of an account, named ``<block type>/<document>``. Asked once in a process.

    Raises:
        BadInput: There is no such account.
    """
    kind, _, name = account.partition("/")
    if kind != LocalMachine.get_block_type_slug():
        raise BadInput(f"{account} is no account that clusters can stand in", where="account")
    try:
        machine = LocalMachine.load(name, _sync=True)  # type: ignore[call-arg] # a door of Prefect's own
    except ValueError as error:
        raise BadInput(f"there is no account {account}", where="account", advice="Run `make deploy`.") from error
    return LocalProvider(machine.hosts)  # type: ignore[union-attr]


def account_of(block: Block | None) -> str:
    """Return the name of an account's block; without one, this machine's."""
    if block is None:
        return f"{LocalMachine.get_block_type_slug()}/{THIS_MACHINE}"
    return f"{block.get_block_type_slug()}/{block._block_document_name}"  # noqa: SLF001
