"""The SSH key pair of one cluster."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr

from blocks.logos import logo


class ClusterKey(Block):
    """The key pair that opens one cluster's nodes: to us, and to each other. Goes with its cluster."""

    _block_type_name: ClassVar[str] = "Cluster key"
    _block_type_slug: ClassVar[str] = "cluster-key"
    _description: ClassVar[str] = "The SSH key pair of one cluster. Made and removed with the cluster."
    _logo_url: ClassVar[HttpUrl] = logo("cluster-key")

    cluster_uuid: str = Field(title="The cluster's identity")
    public_key: str = Field(title="Public key")
    private_key: SecretStr = Field(title="Private key")
