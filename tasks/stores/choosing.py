"""Which store jobs are kept in: the one of a block, the default one's, or else this machine's folder."""

from blocks.errors import AccessDenied, BadInput
from blocks.job_store import DEFAULT_STORE, JobStore, StoreKind
from tasks import documents
from tasks.home import home
from tasks.stores.base import JobStores
from tasks.stores.folder import FolderStores


def store_for(block: JobStore | None, *, or_default: bool = True) -> JobStores:
    """Return where jobs are kept.

    Args:
        block: What a form named; None: this machine's folder, or the document ``job-store/default``.
        or_default: Whether that document is looked for.

    Raises:
        BadInput: The block names no account or no region where it has to.
        NotFound: There is no such account.
        WrongState: The account is not connected.
        AccessDenied: The account was connected without the feature.
    """
    chosen = block or (documents.load(JobStore, DEFAULT_STORE) if or_default else None)
    if chosen is None or chosen.kind is StoreKind.FOLDER:
        return FolderStores(home() / "jobs")
    return _in_s3(chosen)


def _in_s3(block: JobStore) -> JobStores:
    where = f"job-store/{block._block_document_name or 'new'}"  # noqa: SLF001
    for field in ("account", "region"):
        if not getattr(block, field):
            raise BadInput("a store in S3 needs it", where=f"{where}: {field}", advice="Fill it in.")
    # A folder needs none of AWS's clients, which take a while to import.
    from blocks.aws_account import Feature
    from tasks.installation import installation
    from tasks.providers.accounts import entered_aws
    from tasks.providers.aws.bucket_objects import BucketObjects
    from tasks.providers.aws.naming import Owner
    from tasks.providers.aws.region.parts import bucket_name
    from tasks.stores.s3 import S3Stores

    account, session = entered_aws(block.account.removeprefix("aws-account/"))
    if Feature.JOBS not in account.features:
        raise AccessDenied(
            f"the account {account.name} was connected without the feature {Feature.JOBS}",
            where=where,
            advice=f"Run show-aws-onboarding with {Feature.JOBS} among the features, add its policy in IAM, and "
            "verify-account; or keep jobs in a folder.",
        )
    bucket = bucket_name(Owner(installation()), account.account_id, block.region)
    return S3Stores(BucketObjects(session, block.region, bucket, account.account_id))
