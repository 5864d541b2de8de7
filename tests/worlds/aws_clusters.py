"""An account in the AWS world in which clusters may stand: its region laid, an image shared, our provider as its role.

What stands there is told as the account's owner sees it, not as we do.
"""

import itertools
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.aws_account import AwsAccount, Feature, Variant
from blocks.aws_cluster import AwsClusterSpec, AwsGround
from blocks.cluster import Cluster
from tasks.providers.aws import own_ground, policies
from tasks.providers.aws.image_catalogue import description_of, name_of
from tasks.providers.aws.key_store import AwsKeyStore
from tasks.providers.aws.naming import Owner, listed, told
from tasks.providers.aws.provider import AwsProvider
from tasks.providers.aws.region import parts
from tasks.providers.aws.region.finding import find
from tasks.providers.aws.region.ground import RegionGround
from tasks.providers.aws.region.site import Site
from tasks.providers.aws.session import AwsSession, assumed, session_with
from tasks.providers.aws.standing import spec_of_aws
from tests.contract.least_rights import ASSUME, EVERY, EXTERNAL_ID, role
from tests.world.aws.launches import image, launch
from tests.worlds.aws.keys import root_key
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

OWNER = Owner("home")
REGION = "us-east-1"
ZONES = ("us-east-1a", "us-east-1b")
ALIVE = ("pending", "running", "stopping", "stopped")
NUMBERS = itertools.count(1)


@dataclass
class PushedClock:
    """Time for what waits: who sleeps pushes the world's clock on, and nobody waits for it."""

    aws: AwsWorld
    pushed_s: float = 0.0
    at_next_sleep: list[Callable[[], Any]] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.pushed_s += seconds
        self.aws.advance(seconds)
        while self.at_next_sleep:
            self.at_next_sleep.pop()()

    def monotonic(self) -> float:
        return time.monotonic() + self.pushed_s


def share_image(aws: AwsWorld, version: str = "2026.11") -> str:
    """Make an image of ours, and let the customer's account launch it."""
    ec2: Any = aws.client("ec2", INSTALLATION)
    made: str = ec2.copy_image(
        SourceImageId=image(ec2),
        SourceRegion=REGION,
        Name=name_of(version, "x86_64"),
        Description=description_of(version, "ec2-user"),
    )["ImageId"]
    aws.advance(3600)
    ec2.modify_image_attribute(ImageId=made, LaunchPermission={"Add": [{"UserId": CUSTOMER}]})
    return made


def account_record(name: str = "team", features: Iterable[Feature] = tuple(Feature)) -> AwsAccount:
    """The record of the customer's account, as if it were saved under a name."""
    account = AwsAccount(account_id=CUSTOMER, external_id=EXTERNAL_ID, features=list(features))
    account._block_document_name = name
    return account


@dataclass
class Place:
    """The customer's account with our role in it, and a laid region."""

    aws: AwsWorld
    clock: PushedClock
    us: AwsSession
    region: RegionGround
    image_id: str
    ec2: Any = field(init=False)

    def __post_init__(self) -> None:
        self.ec2 = self.aws.client("ec2")
        self.keys = AwsKeyStore(self.us, OWNER.installation, key=f"alias/groundwork-{OWNER.installation}")
        self.provider = self.provider_of("team")

    def provider_of(self, account: str, session: AwsSession | None = None) -> AwsProvider:
        """A provider of its own, as another process has it."""
        return AwsProvider(session or self.us, account_record(account), OWNER.installation, self.keys)

    def cluster(self, **wishes: Any) -> Cluster:
        """A cluster of a new name that is asked for, with a key."""
        asked = {"name": f"c{next(NUMBERS)}", "node_count": 3, "account": "aws-account/team", "region": REGION}
        cluster = Cluster(spec=AwsClusterSpec(**{**asked, **wishes}), creator="0c1a5b1e-run")
        self.keys.ensure(cluster)
        return cluster

    def prepare(self, cluster: Cluster) -> AwsGround:
        """Prepare a cluster, and remember its ground in its record, as the flow does."""
        ground = self.provider.prepare(cluster)
        assert isinstance(ground, AwsGround)
        cluster.ground = ground
        return ground

    def launch(self, cluster: Cluster, *indexes: int) -> None:
        """Launch nodes of a prepared cluster; all of them where none is named."""
        wanted = indexes or range(1, cluster.spec.node_count + 1)
        self.provider.launch(cluster, cluster.require_ground(), wanted, public_key="")

    def built(self, **wishes: Any) -> Cluster:
        """A cluster whose nodes run."""
        cluster = self.cluster(**wishes)
        self.prepare(cluster)
        self.launch(cluster)
        return cluster

    def lay_own(self, cluster: Cluster) -> RegionGround:
        """Lay what a cluster needs in the network that its spec names."""
        site = Site(self.us, REGION, OWNER, CUSTOMER, "first", pace=0.05)
        return own_ground.lay(site, account_record(), spec_of_aws(cluster.spec))

    def ground(self, cluster: Cluster) -> AwsGround:
        """The ground of a prepared cluster."""
        assert isinstance(cluster.ground, AwsGround)
        return cluster.ground

    def newer_image(self) -> str:
        """Share an image of a newer version."""
        return share_image(self.aws, "2027.1")

    def drop_image(self, image_id: str) -> None:
        """Take an image away."""
        self.aws.client("ec2", INSTALLATION).deregister_image(ImageId=image_id)

    def stranger(self) -> AwsSession:
        """Somebody whom AWS does not know, who says that he is the account's root user."""
        secret = SecretStr("wrong")
        return session_with(
            AwsCredentials(aws_access_key_id=root_key(CUSTOMER).access_key, aws_secret_access_key=secret)
        )

    # ------------------------------------------------------------------------------------ what others do in the account

    def hide_until_somebody_sleeps(self, node: dict[str, Any]) -> None:
        """Let EC2 not tell of one node of a cluster until somebody waited: it is found by its tags."""
        self.ec2.delete_tags(Resources=[node["InstanceId"]], Tags=[{"Key": tag["Key"]} for tag in node["Tags"]])
        tags = [tag for tag in node["Tags"] if not tag["Key"].startswith("aws:")]
        self.clock.at_next_sleep.append(lambda: self.ec2.create_tags(Resources=[node["InstanceId"]], Tags=tags))

    def double(self, cluster: Cluster, index: int) -> None:
        """Launch a node of a cluster a second time."""
        tags = {**Owner(OWNER.installation, cluster.uuid).tags("workers"), "groundwork:indexes": str(index)}
        self.aws.advance(10)
        launch(
            self.ec2,
            SubnetId=self.region.private_subnets[0][1],
            TagSpecifications=[{"ResourceType": "instance", "Tags": listed(tags)}],
        )

    def plant_foreign(self, cluster: Cluster) -> set[str]:
        """Put things beside a cluster's that are not ours: another installation's with the same uuid, and untagged."""
        label, other = f"groundwork-{cluster.uuid}", Owner("other", cluster.uuid)
        vpc = self.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        found = set()
        for name, owner in ((label, None), (f"{label}-x", other)):

            def born(kind: str, part: str, owner: Owner | None = owner) -> dict[str, Any]:
                return {"TagSpecifications": owner.born(kind, part)} if owner else {}

            group = self.ec2.create_security_group(
                GroupName=name, Description="-", VpcId=vpc, **born("security-group", "group")
            )
            pair = self.ec2.create_key_pair(KeyName=f"{name}-theirs", **born("key-pair", "key-pair"))
            self.ec2.create_placement_group(
                GroupName=f"{name}-theirs", Strategy="cluster", **born("placement-group", "placement-group")
            )
            [node] = launch(self.ec2, SubnetId=self.region.private_subnets[0][1], **born("instance", "head"))
            found |= {group["GroupId"], pair["KeyPairId"], f"{name}-theirs", node["InstanceId"]}
        return found

    def left_of(self, things: set[str]) -> set[str]:
        """Which of these groups, key pairs, placement groups and running nodes are there."""
        groups = self.ec2.describe_security_groups()["SecurityGroups"]
        pairs, placements = self.ec2.describe_key_pairs()["KeyPairs"], self.ec2.describe_placement_groups()
        nodes = [one for found in self.ec2.describe_instances()["Reservations"] for one in found["Instances"]]
        return things & {
            *(group["GroupId"] for group in groups),
            *(pair["KeyPairId"] for pair in pairs),
            *(group["GroupName"] for group in placements["PlacementGroups"]),
            *(node["InstanceId"] for node in nodes if node["State"]["Name"] in ("pending", "running")),
        }

    # -------------------------------------------------------------------------------------------- as its owner sees it

    def nodes(self, cluster: Cluster, *states: str) -> list[dict[str, Any]]:
        """What EC2 tells of a cluster's nodes in some states; the living ones where none is named."""
        filters = [
            {"Name": "tag:groundwork:cluster", "Values": [cluster.uuid]},
            {"Name": "instance-state-name", "Values": list(states or ALIVE)},
        ]
        pages = self.ec2.get_paginator("describe_instances").paginate(Filters=filters)
        return [one for page in pages for found in page["Reservations"] for one in found["Instances"]]

    def states(self, cluster: Cluster) -> dict[int, str]:
        """The states of a cluster's living nodes by their indexes; each index must be there once."""
        told_nodes = {node.index: node for node in self.provider.nodes(cluster)}
        found = self.nodes(cluster)
        assert len(told_nodes) == len(found), found
        by_address = {one["PrivateIpAddress"]: one["State"]["Name"] for one in found}
        return {index: by_address[node.address] for index, node in told_nodes.items()}

    def zones(self, cluster: Cluster) -> set[str]:
        """Where a cluster's living nodes are."""
        return {one["Placement"]["AvailabilityZone"] for one in self.nodes(cluster)}

    def tags(self, cluster: Cluster) -> dict[str, dict[str, str]]:
        """The tags of all that bears a cluster's tag, by ARN; nodes that ended are left out."""
        found = self._tagged("groundwork:cluster", cluster.uuid)
        living = {one["InstanceId"] for one in self.nodes(cluster)}
        return {arn: tags for arn, tags in found.items() if ":instance/" not in arn or arn.rpartition("/")[2] in living}

    def owned(self, cluster: Cluster) -> list[str]:
        """The parts of all that bears a cluster's tag; each as often as it is there."""
        return sorted(tags["groundwork:part"] for tags in self.tags(cluster).values())

    def shared(self) -> set[str]:
        """All that is ours and no cluster's."""
        found = self._tagged("groundwork:installation", OWNER.installation)
        return {arn for arn, tags in found.items() if "groundwork:cluster" not in tags}

    def _tagged(self, key: str, value: str) -> dict[str, dict[str, str]]:
        pages = self.aws.client("resourcegroupstaggingapi").get_paginator("get_resources")
        found = pages.paginate(TagFilters=[{"Key": key, "Values": [value]}]).build_full_result()
        return {one["ResourceARN"]: told(one["Tags"]) for one in found["ResourceTagMappingList"]}

    def rules(self, group_id: str, *, out: bool = False) -> set[tuple[str, int, str]]:
        """A group's rules as protocol, port and peer."""
        pages = self.ec2.get_paginator("describe_security_group_rules")
        found = pages.paginate(Filters=[{"Name": "group-id", "Values": [group_id]}]).build_full_result()
        return {
            (
                rule["IpProtocol"],
                rule["FromPort"],
                rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule["ReferencedGroupInfo"]["GroupId"],
            )
            for rule in found["SecurityGroupRules"]
            if rule["IsEgress"] is out
        }

    def calls(self, operation: str) -> list[dict[str, Any]]:
        """What our role asked of EC2, with what became of it; a client's own repetitions are calls too."""
        return [call for call in self.aws.calls(f"ec2:{operation}") if ":assumed-role/" in call["principal"]]

    def tidy(self) -> None:
        """Take away what a test changed: faults, settings, and what its clusters left."""
        self.aws.mend()
        self.aws.settings(no_capacity={}, capacity={}, limits={}, broken_launches=0, instance_s={}, page_size=1000)
        living = [{"Name": "instance-state-name", "Values": list(ALIVE)}]
        pages = self.ec2.get_paginator("describe_instances").paginate(Filters=living)
        left = [one["InstanceId"] for page in pages for found in page["Reservations"] for one in found["Instances"]]
        if left:
            with suppress(ClientError):
                self.ec2.terminate_instances(InstanceIds=left)


def lay_quickly(aws: AwsWorld) -> None:
    """Make what nodes need of a region, as its owner: no NAT gateway, no routes, no mount targets."""
    ec2, iam, name = aws.client("ec2"), aws.client("iam"), parts.node_role(OWNER, REGION)
    vpc = ec2.create_vpc(CidrBlock=parts.CIDR, TagSpecifications=OWNER.born("vpc", parts.NETWORK))["Vpc"]["VpcId"]
    for subnets in (parts.PUBLIC_SUBNETS, parts.PRIVATE_SUBNETS):
        for zone, (part, block) in zip(ZONES, subnets.items(), strict=True):
            born = OWNER.born("subnet", part)
            ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone, TagSpecifications=born)
    ec2.create_security_group(
        GroupName=parts.FILES_GROUP_NAME,
        Description="files",
        VpcId=vpc,
        TagSpecifications=OWNER.born("security-group", parts.FILES_GROUP),
    )
    tags = OWNER.tags(parts.KEY)
    key = aws.client("kms").create_key(Tags=[{"TagKey": name, "TagValue": value} for name, value in tags.items()])
    aws.client("kms").create_alias(AliasName=parts.key_alias(OWNER), TargetKeyId=key["KeyMetadata"]["KeyId"])
    files = listed(OWNER.tags(parts.FILES))
    aws.client("efs").create_file_system(CreationToken=parts.files_token(OWNER), Encrypted=True, Tags=files)
    aws.client("s3").create_bucket(Bucket=parts.bucket_name(OWNER, CUSTOMER, REGION))
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=ASSUME, Tags=listed(OWNER.tags(parts.NODE_ROLE)))
    iam.create_instance_profile(InstanceProfileName=name, Tags=listed(OWNER.tags(parts.NODE_ROLE)))
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def make_place(aws: AwsWorld, clock: PushedClock) -> Place:
    """Lay a region of the customer's account; this process must be the Prefect worker."""
    image_id = share_image(aws)
    documents = policies.permission_policies(
        Variant.AUTOMATED, EVERY[Variant.AUTOMATED], account_id=CUSTOMER, installation=OWNER.installation
    )
    us = assumed(role("groundwork-clusters", documents), EXTERNAL_ID, REGION)
    lay_quickly(aws)
    region = find(us, REGION, OWNER)
    assert region is not None
    return Place(aws, clock, us, region, image_id)
