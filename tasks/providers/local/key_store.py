"""Key pairs of clusters on this machine: blocks on Prefect's server, encrypted in its database."""

from pydantic import SecretStr

from blocks.cluster import Cluster
from blocks.cluster_key import ClusterKey
from tasks import documents
from tasks.keys import key_pair


class LocalKeyStore:
    """The keys of clusters, each in a block with the cluster's name."""

    def ensure(self, cluster: Cluster) -> ClusterKey:
        """Return a cluster's key pair, made and kept first where there is none. Call it while holding the cluster."""
        key = self.find(cluster)
        if key is None:
            private, public = key_pair()
            key = ClusterKey(cluster_uuid=cluster.uuid, public_key=public, private_key=SecretStr(private))
            key.save(cluster.name, overwrite=True)
        return key

    def find(self, cluster: Cluster) -> ClusterKey | None:
        """Return a cluster's key pair, or None where it has none (one of an earlier namesake does not count)."""
        key = documents.load(ClusterKey, cluster.name)
        return key if key is not None and key.cluster_uuid == cluster.uuid else None

    def destroy(self, cluster: Cluster) -> None:
        """Remove a cluster's key pair. Removing what is gone does nothing."""
        documents.remove(ClusterKey, cluster.name)
