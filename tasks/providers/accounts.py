"""Which provider an account belongs to."""

from functools import cache
from typing import TYPE_CHECKING

from prefect.blocks.core import Block

from blocks.cluster_spec import ClusterSpec
from blocks.errors import BadInput
from blocks.local_machine import LocalMachine
from tasks.providers.base import KeyStore, ObjectStore, Provider
from tasks.providers.local.key_store import LocalKeyStore
from tasks.providers.local.provider import LocalProvider

if TYPE_CHECKING:
    from blocks.aws_account import AwsAccount
    from tasks.providers.aws.provider import AwsProvider
    from tasks.providers.aws.session import AwsSession

THIS_MACHINE = "this-machine"


@cache
def provider_for(account: str) -> Provider:
    """Return the provider of an account, named ``<block type>/<document>``. Asked once in a process.

    Raises:
        BadInput, NotFound: There is no such account.
        WrongState: It is not connected.
    """
    kind, _, name = account.partition("/")
    if kind == "aws-account":
        return aws_provider_for(account)
    if kind != LocalMachine.get_block_type_slug():
        raise BadInput(f"{account} is no account that clusters can stand in", where="account")
    try:
        machine = LocalMachine.load(name, _sync=True)  # type: ignore[call-arg] # a door of Prefect's own
    except ValueError as error:
        raise BadInput(f"there is no account {account}", where="account", advice="Run `make deploy`.") from error
    return LocalProvider(machine.hosts)  # type: ignore[union-attr]


@cache
def aws_provider_for(account: str) -> "AwsProvider":
    """Return the provider of an AWS account, named ``aws-account/<document>``. Asked once in a process.

    Raises:
        NotFound: There is no such account.
        WrongState: It is not connected.
    """
    from tasks.installation import installation
    from tasks.providers.aws.provider import AwsProvider

    found, session = entered_aws(account.partition("/")[2])
    return AwsProvider(session, found, installation(), key_store_for(account))


@cache
def entered_aws(name: str) -> "tuple[AwsAccount, AwsSession]":
    """Return an AWS account's record and the session in it, which all that works there in this process shares.

    Raises:
        NotFound: There is no such account.
        WrongState: It is not connected.
    """
    # Local clusters need none of AWS's clients, which take a while to import.
    from tasks import aws_account_records
    from tasks.providers.aws.session import shared_session_of

    account = aws_account_records.read(name)
    return account, shared_session_of(account)


@cache
def key_store_for(account: str) -> KeyStore:
    """Return where an account keeps the key pairs of its clusters. Asked once in a process.

    Raises:
        NotFound: There is no such account.
        WrongState: It is not connected.
    """
    kind, _, name = account.partition("/")
    if kind == LocalMachine.get_block_type_slug():
        return LocalKeyStore()
    from blocks.aws_account import Variant
    from tasks.installation import installation
    from tasks.providers.aws.key_store import AWS_KEY, AwsKeyStore

    (found, session), ours = entered_aws(name), installation()
    # A restricted account lets us make no key of our own: there AWS's is used.
    key = f"alias/groundwork-{ours}" if found.variant is Variant.AUTOMATED else AWS_KEY
    return AwsKeyStore(session, ours, key=key)


def object_store_for(spec: ClusterSpec | None, bucket: str) -> ObjectStore:
    """Return a bucket as the account sees it that a cluster stands in, near that cluster. Nothing is asked yet.

    Args:
        spec: The cluster's; None: one on this machine.
        bucket: Its name.

    Raises:
        BadInput: The cluster stands where no such bucket is.
        AccessDenied: The account was connected without job sources.
    """
    kind, _, name = spec.account.partition("/") if spec else ("", "", "")
    if kind != "aws-account":
        raise BadInput(
            "sources in S3 are for clusters in an AWS account, whose credentials read them",
            where="source",
            advice="Choose a cluster there, or give a git repository.",
        )
    from tasks.providers.aws.objects import S3Bucket
    from tasks.providers.aws.standing import spec_of_aws

    account, session = entered_aws(name)
    return S3Bucket.of(account, session, spec_of_aws(spec).region, bucket)


def account_of(block: Block | None) -> str:
    """Return the name of an account's block; without one, this machine's."""
    if block is None:
        return f"{LocalMachine.get_block_type_slug()}/{THIS_MACHINE}"
    return f"{block.get_block_type_slug()}/{block._block_document_name}"  # noqa: SLF001
