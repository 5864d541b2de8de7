"""The SSH key pair of each cluster, kept where the cluster's account keeps secrets."""

from blocks.cluster import Cluster
from blocks.cluster_key import ClusterKey
from blocks.errors import NotFound
from tasks.providers.accounts import key_store_for


def ensure(cluster: Cluster) -> ClusterKey:
    """Return a cluster's key pair; it is made where there is none, and kept before anybody uses it."""
    return key_store_for(cluster.spec.account).ensure(cluster)


def find(cluster: Cluster) -> ClusterKey | None:
    """Return a cluster's key pair, or None where it has none."""
    return key_store_for(cluster.spec.account).find(cluster)


def read(cluster: Cluster) -> ClusterKey:
    """Return a cluster's key pair.

    Raises:
        NotFound: It has none: it was never provisioned, or is deleted.
    """
    key = find(cluster)
    if key is None:
        raise NotFound("it has no key", where=f"cluster {cluster.name}", advice="Create it again.")
    return key


def destroy(cluster: Cluster) -> None:
    """Remove a cluster's key pair for good. Removing what is gone does nothing."""
    key_store_for(cluster.spec.account).destroy(cluster)
