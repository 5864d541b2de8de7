"""Where a cluster stands in AWS, and whose it is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.aws_cluster import AwsClusterSpec
from blocks.cluster import Cluster
from blocks.errors import BadInput
from tasks.providers.aws.naming import Owner
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

RUN_TAG = "groundwork:run"
"""The flow run that made the cluster."""


@dataclass(frozen=True)
class Standing:
    """A cluster's place in an account.

    Args:
        session: How we come into the account.
        spec: What was asked for.
        owner: Whose everything of the cluster is.
    """

    session: AwsSession
    spec: AwsClusterSpec
    owner: Owner

    @property
    def ec2(self) -> "EC2Client":
        """EC2 in the cluster's region."""
        return self.session.client("ec2", self.spec.region)

    @property
    def label(self) -> str:
        """What its security group, key pair and placement group are called: of each AWS keeps one of a name only."""
        return f"groundwork-{self.owner.cluster}"

    @property
    def where(self) -> str:
        """The cluster, for messages."""
        return f"cluster {self.spec.name}"

    def node_name(self, part: str) -> str:
        """Return what AWS's console shows of nodes of a part."""
        return f"{self.spec.name}-{part}"


def standing_of(session: AwsSession, installation: str, cluster: Cluster) -> Standing:
    """Return where a cluster stands.

    Raises:
        BadInput: It is no cluster in AWS.
    """
    spec = spec_of_aws(cluster.spec)
    run = {RUN_TAG: cluster.creator} if cluster.creator else {}
    return Standing(session, spec, Owner(installation, cluster.uuid, {**spec.tags, **run}))


def spec_of_aws(spec: object) -> AwsClusterSpec:
    """Return a spec that is one of AWS's.

    Raises:
        BadInput: It is another place's.
    """
    if not isinstance(spec, AwsClusterSpec):
        raise BadInput("it is no cluster in AWS", where="cluster")
    return spec
