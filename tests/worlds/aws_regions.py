"""A region laid step by step, as the product lays it, without Prefect; and what stands there."""

from dataclasses import dataclass, field, replace
from typing import Any

from blocks.aws_account import Feature, Variant
from tasks.providers.aws import policies
from tasks.providers.aws.naming import PART_TAG, Owner, told
from tasks.providers.aws.region import files, keeping, network, node_role, routes
from tasks.providers.aws.region.ground import RegionGround
from tasks.providers.aws.region.site import Site
from tasks.providers.aws.session import assumed
from tests.contract.least_rights import EXTERNAL_ID, role
from tests.worlds.aws_world import CUSTOMER, AwsWorld

OWNER = Owner("lab")
REGION = "us-east-1"
NEEDED = (Feature.CLUSTERS, Feature.NETWORKS, Feature.EFS)


def site(aws: AwsWorld, region: str = REGION) -> Site:
    """A region of the customer's account, as our role comes into it with the rights that it asks for, and no more."""
    documents = policies.permission_policies(Variant.AUTOMATED, NEEDED, account_id=CUSTOMER, installation="lab")
    arn = role("groundwork-access", documents)
    return Site(assumed(arn, EXTERNAL_ID, region), region, OWNER, CUSTOMER, "first", pace=0.05)


def lay(place: Site) -> RegionGround:
    """Make what can be made at once, one after another."""
    zones, vpc = network.two_zones(place), network.ensure_network(place)
    key, bucket, profile = keeping.ensure_key(place), keeping.ensure_bucket(place), node_role.ensure_node_profile(place)
    shared = files.ensure_files(place, key)
    gateway = network.ensure_internet_gateway(place, vpc)
    public = network.ensure_public_subnets(place, vpc, zones)
    private = network.ensure_private_subnets(place, vpc, zones)
    group = files.ensure_files_group(place, vpc)
    routes.ensure_nat_gateway(place, vpc, public, network.ensure_address(place))
    tables = routes.ensure_private_routes(place, vpc, private), routes.ensure_public_routes(place, vpc, public, gateway)
    routes.ensure_s3_endpoint(place, vpc, tables)
    node_role.allow_nodes(place, profile, bucket, key)
    files.ensure_mount_targets(place, vpc, private, shared, group)
    return RegionGround(place.region, vpc.vpc_id, vpc.cidr, public, private, shared, group, key, bucket, profile)


def finish(place: Site, ground: RegionGround) -> None:
    """Wait for what takes its time."""
    files.wait_mount_targets(place, ground.private_subnets, ground.file_system_id)
    routes.ensure_way_out(place, ground.vpc_id, routes.wait_nat_gateway(place, ground.vpc_id))


def again(place: Site) -> Site:
    """The same place, for somebody who goes on where another ended."""
    return replace(place, was_begun=True)


@dataclass
class Standing:
    """What of ours stands in the region, as the account's owner sees it."""

    aws: AwsWorld
    region: str = REGION
    account: str = CUSTOMER
    ec2: Any = field(init=False)

    def __post_init__(self) -> None:
        self.ec2 = self.to("ec2")

    def to(self, service: str) -> Any:
        return self.aws.client(service, self.account, region=self.region)

    def tagged(self) -> dict[str, dict[str, str]]:
        """The tags of everything that bears our tag, by ARN."""
        pages = self.to("resourcegroupstaggingapi").get_paginator("get_resources")
        found = pages.paginate(TagFilters=[{"Key": policies.TAG}]).build_full_result()["ResourceTagMappingList"]
        return {thing["ResourceARN"]: told(thing["Tags"]) for thing in found}

    def parts(self) -> list[str]:
        """What each thing of ours is for, each as often as it is there."""
        return sorted(tags[PART_TAG] for tags in self.tagged().values())

    def by_part(self, part: str) -> str:
        """The id of the one thing that is this part."""
        (found,) = [arn for arn, tags in self.tagged().items() if tags[PART_TAG] == part]
        return found.rpartition("/")[2]


def quick(aws: AwsWorld) -> None:
    """Let what takes its time in AWS be there at once."""
    aws.settings(nat_s={"pending": 0}, efs_s={"file_system": 0, "mount_target": 0}, vpc_pending_s=0)
