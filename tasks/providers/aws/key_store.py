"""Key pairs of clusters in their account's parameter store: encrypted there, nowhere on our side.

A key is a SecureString of AWS Systems Manager, encrypted by the region's key of ours, or in an account that makes no
keys by AWS's own. It lives in this process's memory besides, as long as that works on its cluster.
"""

from functools import partial

from botocore.exceptions import ClientError
from pydantic import SecretStr

from blocks.aws_cluster import AwsClusterSpec
from blocks.cluster import Cluster
from blocks.cluster_key import ClusterKey
from blocks.errors import BadInput
from tasks.keys import key_pair, public_part
from tasks.providers.aws.naming import Owner, listed
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.session import AwsSession
from tasks.providers.aws.waiting import wait_for

AWS_KEY = "alias/aws/ssm"
"""AWS's own key for parameters, which each account has in each region."""

_NOBODY_THERE = "ParameterNotFound"
_SOMEBODY_THERE = "ParameterAlreadyExists"
_NO_KMS_KEY = "InvalidKeyId"
_KEPT = "kept"
_SEEN_WITHIN_S = 30
_POLLS = {"first_s": 0.0, "every_s": 0.5}


def parameter_name(installation: str, cluster_uuid: str) -> str:
    """Return the name of the parameter that holds a cluster's key."""
    return f"/groundwork/{installation}/clusters/{cluster_uuid}/key"


class AwsKeyStore:
    """The keys of an installation's clusters in one account.

    Args:
        session: How we come into the account.
        installation: The Groundwork that they belong to.
        key: The alias of the KMS key that encrypts them.
    """

    def __init__(self, session: AwsSession, installation: str, *, key: str = AWS_KEY) -> None:
        self._session, self._installation, self._key = session, installation, key
        self._known: dict[str, ClusterKey] = {}

    def ensure(self, cluster: Cluster) -> ClusterKey:
        """Return a cluster's key pair, made and kept first where there is none. The region's key must be there.

        Whoever makes it in the same moment wins: all get the one that is kept. For a cluster that was never prepared,
        one is made without a look: the store refuses a second one.
        """
        is_young = cluster.ground is None and cluster.uuid not in self._known
        return (None if is_young else self.find(cluster)) or self._make(cluster)

    def find(self, cluster: Cluster) -> ClusterKey | None:
        """Return a cluster's key pair, or None where it has none."""
        if cluster.uuid not in self._known:
            with translated(self._where(cluster)):
                found = self._read(cluster)
            if found is None:
                return None
            self._known[cluster.uuid] = _pair(cluster, found)
        return self._known[cluster.uuid]

    def destroy(self, cluster: Cluster) -> None:
        """Remove a cluster's key pair for good: a parameter has no bin. Removing what is gone does nothing."""
        self._known.pop(cluster.uuid, None)
        with translated(self._where(cluster)):
            try:
                self._session.client("ssm", _region(cluster)).delete_parameter(Name=self._name(cluster))
            except ClientError as error:
                if code_of(error) != _NOBODY_THERE:
                    raise

    def _make(self, cluster: Cluster) -> ClusterKey:
        private, _ = key_pair()
        where = self._where(cluster)
        # A KMS key that was just made may be unknown to other services for some seconds.
        put = partial(self._put, cluster, private)
        told = wait_for(where, put, lambda told: told in (_KEPT, _SOMEBODY_THERE), limit_s=_SEEN_WITHIN_S, **_POLLS)
        if told == _SOMEBODY_THERE:
            # It may be not seen yet where we ask, though it is there.
            private = wait_for(
                where, lambda: self._read(cluster) or "", lambda found: found != "", limit_s=_SEEN_WITHIN_S, **_POLLS
            )
        self._known[cluster.uuid] = _pair(cluster, private)
        return self._known[cluster.uuid]

    def _put(self, cluster: Cluster, private: str) -> str:
        """Keep a key where none is; return whether it is kept, or why not."""
        owner = Owner(self._installation, cluster.uuid, getattr(cluster.spec, "tags", {}))
        try:
            # Without Overwrite a second one is refused, so no key that opens nodes is ever lost.
            self._session.client("ssm", _region(cluster)).put_parameter(
                Name=self._name(cluster),
                Description=f"Opens the nodes of Groundwork's cluster {cluster.name}",
                Value=private,
                Type="SecureString",
                Tags=listed(owner.tags("key", f"groundwork-{cluster.name}")),
                KeyId=self._key,
            )
        except ClientError as error:
            if code_of(error) not in (_SOMEBODY_THERE, _NO_KMS_KEY):
                raise
            return code_of(error)
        return _KEPT

    def _read(self, cluster: Cluster) -> str | None:
        try:
            told = self._session.client("ssm", _region(cluster)).get_parameter(
                Name=self._name(cluster), WithDecryption=True
            )
        except ClientError as error:
            if code_of(error) == _NOBODY_THERE:
                return None
            raise
        return told["Parameter"]["Value"]

    def _name(self, cluster: Cluster) -> str:
        return parameter_name(self._installation, cluster.uuid)

    def _where(self, cluster: Cluster) -> str:
        return f"key of cluster {cluster.name}"


def _pair(cluster: Cluster, private: str) -> ClusterKey:
    return ClusterKey(cluster_uuid=cluster.uuid, public_key=public_part(private), private_key=SecretStr(private))


def _region(cluster: Cluster) -> str:
    if not isinstance(cluster.spec, AwsClusterSpec):
        raise BadInput("it is no cluster in AWS", where=f"cluster {cluster.name}")
    return cluster.spec.region
