"""Where a job's program comes from: a git repository, or the object store of the account that its cluster stands in."""

from pathlib import Path

from blocks.cluster import Cluster
from blocks.errors import BadInput
from blocks.git_credentials import GitCredentials
from blocks.job import JobSpec
from tasks import checkout, object_source, object_url, source_url
from tasks.checkout import Checkout
from tasks.providers.accounts import object_store_for


def check(spec: JobSpec, cluster: Cluster | None, credentials: GitCredentials | None) -> None:
    """Refuse a source that cannot be one, or not on this cluster. Nothing outside is asked.

    Args:
        spec: What was asked for.
        cluster: Where it is to run; None: on a new one on this machine.
        credentials: Who to be to a git server.

    Raises:
        BadInput, AccessDenied: With the field.
    """
    if not object_url.is_one(spec.source):
        source_url.read(spec.source)
        return
    address = object_url.read(spec.source)
    for field, is_given in (
        ("reference", spec.reference),
        ("submodules", spec.submodules),
        ("credentials", credentials is not None),
    ):
        if is_given:
            raise BadInput("is git's, and the source is an address of S3", where=field, advice="Leave it out.")
    object_store_for(cluster.spec if cluster else None, address.bucket)


def take(spec: JobSpec, cluster: Cluster, credentials: GitCredentials | None, *, into: Path) -> Checkout:
    """Fill a folder with a job's source; see `checkout.fetch` and `object_source.fetch`.

    Raises:
        SourceRefused: It cannot be had as asked. ``into`` is empty.
    """
    if object_url.is_one(spec.source):
        address = object_url.read(spec.source)
        store = object_store_for(cluster.spec, address.bucket)
        return object_source.fetch(address, store, folder=spec.folder, into=into)
    return checkout.fetch(
        spec.source,
        reference=spec.reference,
        folder=spec.folder,
        submodules=spec.submodules,
        credentials=credentials,
        into=into,
        allow_file=cluster.require_ground().is_here,
    )
