"""From a region's ground to a cluster's: in which network and subnets its nodes are, and with what they start."""

from typing import NamedTuple

from blocks.aws_cluster import AwsClusterSpec, AwsGround
from blocks.errors import BadInput
from tasks.providers.aws import image_catalogue
from tasks.providers.aws.image_catalogue import Image
from tasks.providers.aws.node_types import NodeType
from tasks.providers.aws.region.ground import RegionGround
from tasks.providers.aws.session import AwsSession, home_account

SHARED = "/shared"
PREFIX = "/opt/groundwork"
"""Where our images have Python and MPI."""


class Network(NamedTuple):
    """A network, its addresses, and where in it nodes may be: zone and subnet."""

    vpc_id: str
    cidr: str
    subnets: tuple[tuple[str, str], ...]


def network_of(spec: AwsClusterSpec, region: RegionGround) -> Network:
    """Return where a cluster's nodes may be: in the subnets of its ground, of the zone asked for.

    Raises:
        BadInput: There is no such place.
    """
    subnets = region.public_subnets if spec.public_addresses else region.private_subnets
    chosen = tuple(place for place in subnets if spec.zone in ("", place[0]))
    if not chosen:
        zones = ", ".join(zone for zone, _ in subnets)
        raise BadInput(f"the network's subnets are in {zones}", where="zone", advice="Choose one of these, or none.")
    return Network(region.vpc_id, region.cidr, chosen)


def image_for(session: AwsSession, spec: AwsClusterSpec, node_type: NodeType) -> Image:
    """Return the image that nodes of a type start from, of the version asked for.

    Raises:
        NotFound: There is none that the account may launch.
    """
    architecture = next((known for known in image_catalogue.ARCHITECTURES if known in node_type.architectures), "")
    return image_catalogue.find(session, home_account(), spec.region, spec.image_version, architecture)


def ground_of(  # noqa: PLR0913 # what stands ready, part by part
    spec: AwsClusterSpec,
    region: RegionGround,
    network: Network,
    image: Image,
    *,
    group_id: str,
    key_name: str,
    placement_group: str,
    folder: str,
) -> AwsGround:
    """Return the ground of a cluster out of its parts."""
    zones = ", ".join(zone for zone, _ in network.subnets)
    return AwsGround(
        user=image.user,
        shared=SHARED,
        python=f"{PREFIX}/bin/python",
        mpiexec=f"{PREFIX}/bin/mpiexec",
        jump_host=spec.jump_host,
        says=f"{network.vpc_id} in {zones}, image {image.name}",
        region=spec.region,
        subnets=network.subnets,
        security_groups=(group_id,),
        image_id=image.image_id,
        root_device=image.root_device,
        instance_profile=spec.instance_profile or region.instance_profile,
        key_name=key_name,
        disk_key=region.key_arn,
        file_system_id=region.file_system_id,
        folder=folder,
        placement_group=placement_group,
    )
