"""What one launch asks EC2 for: which nodes, how they are, and by which token it is known again."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from blocks.aws_cluster import AwsClusterSpec, AwsGround
from blocks.cluster_key import ClusterKey
from tasks.providers.aws.host_keys import host_key
from tasks.providers.aws.naming import listed
from tasks.providers.aws.node_listing import HOST_KEY_TAG, INDEXES_TAG, LEAST_TAG, chunks, ranges
from tasks.providers.aws.standing import Standing
from tasks.providers.aws.user_data import user_data

HEAD = "head"
WORKERS = "workers"
_BORN_TAGGED = ("instance", "volume", "network-interface")


@dataclass(frozen=True)
class Batch:
    """Nodes that one call makes: all of them or none, but where fewer will do (``least``)."""

    part: str
    indexes: tuple[int, ...]
    node_type: str
    disk_gib: int
    least: int

    def only(self, indexes: Collection[int]) -> "Batch":
        """Return the same for some of its nodes."""
        fewer = tuple(index for index in self.indexes if index in indexes)
        return replace(self, indexes=fewer, least=max(1, self.least - (len(self.indexes) - len(fewer))))

    def __str__(self) -> str:
        """Return it for messages, as ``3 c5.xlarge``."""
        return f"{len(self.indexes)} {self.node_type}"


def batches(spec: AwsClusterSpec, missing: Collection[int]) -> Iterator[Batch]:
    """Cut missing nodes into launches: the head by itself, for it outlives the workers, and all workers together."""
    if 1 in missing:
        yield Batch(HEAD, (1,), spec.type_of_head, spec.head_disk_gib, 1)
    for part in chunks(sorted(set(missing) - {1})):
        yield Batch(WORKERS, tuple(part), spec.node_type, spec.node_disk_gib, len(part))


@dataclass(frozen=True)
class Order:
    """All that a cluster's launches have in common.

    Args:
        standing: The cluster's place.
        ground: What it stands on.
        key: What opens it.
        adapters: How many Elastic Fabric Adapters a node of a type gets, by type; none where it is not there.
        gathered: The types that may stand in a placement group.
    """

    standing: Standing
    ground: AwsGround
    key: ClusterKey
    adapters: dict[str, int]
    gathered: frozenset[str]

    def token(self, batch: Batch, subnet: str, number: int) -> str:
        """Return the client token of a launch: another number is another launch of the same nodes."""
        return self.standing.owner.token("launch", subnet, ranges(batch.indexes), batch.least, number)

    def request(self, batch: Batch, subnet: str, number: int) -> dict[str, Any]:
        """Return what RunInstances is asked for; letter by letter the same for the same arguments."""
        token = self.token(batch, subnet, number)
        private, public = host_key(self.key.private_key.get_secret_value(), token)
        spec, ground = self.standing.spec, self.ground
        asked: dict[str, Any] = {
            "ClientToken": token,
            "ImageId": ground.image_id,
            "InstanceType": batch.node_type,
            "MinCount": batch.least,
            "MaxCount": len(batch.indexes),
            "KeyName": ground.key_name,
            "UserData": user_data(ground, (private, public), spec.ssh_public_keys),
            "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required"},
            "BlockDeviceMappings": [self._disk(batch)],
            "TagSpecifications": self._tags(batch, public),
            **self._network(batch, subnet),
        }
        if ground.instance_profile:
            asked["IamInstanceProfile"] = {"Name": ground.instance_profile}
        if ground.placement_group and batch.node_type in self.gathered:
            asked["Placement"] = {"GroupName": ground.placement_group}
        if spec.spot:
            asked["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}
        return asked

    def _disk(self, batch: Batch) -> dict[str, Any]:
        ebs: dict[str, Any] = {
            "VolumeSize": batch.disk_gib,
            "VolumeType": "gp3",
            "Encrypted": True,
            "DeleteOnTermination": True,
        }
        if self.ground.disk_key:
            ebs["KmsKeyId"] = self.ground.disk_key
        return {"DeviceName": self.ground.root_device, "Ebs": ebs}

    def _tags(self, batch: Batch, public_host_key: str) -> list[dict[str, Any]]:
        tags = self.standing.owner.tags(batch.part, self.standing.node_name(batch.part))
        own = {INDEXES_TAG: ranges(batch.indexes), HOST_KEY_TAG: public_host_key}
        if batch.least < len(batch.indexes):
            own[LEAST_TAG] = str(batch.least)
        return [
            {"ResourceType": kind, "Tags": listed({**tags, **own} if kind == "instance" else tags)}
            for kind in _BORN_TAGGED
        ]

    def _network(self, batch: Batch, subnet: str) -> dict[str, Any]:
        groups = list(self.ground.security_groups)
        count = self.adapters.get(batch.node_type, 0)
        if not count and not self.standing.spec.public_addresses:
            return {"SubnetId": subnet, "SecurityGroupIds": groups}
        interfaces = [
            {
                # One adapter on each network card; by the first one the node is reached (EC2 User Guide, "EFA").
                "DeviceIndex": 0 if card == 0 else 1,
                "NetworkCardIndex": card,
                "SubnetId": subnet,
                "Groups": groups,
                "InterfaceType": "efa" if count else "interface",
                "DeleteOnTermination": True,
            }
            for card in range(max(count, 1))
        ]
        if self.standing.spec.public_addresses:
            interfaces[0]["AssociatePublicIpAddress"] = True
        return {"NetworkInterfaces": interfaces}
