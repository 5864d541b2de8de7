"""What an account is offered in AWS: regions that are on, zones that sell a type, images of ours for its processor.

By "DescribeRegions", "DescribeInstanceTypeOfferings" and "DescribeAvailabilityZones" in the EC2 API Reference.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from blocks.aws_cluster import AwsClusterSpec
from blocks.errors import NotFound
from tasks.providers.aws import image_catalogue
from tasks.providers.aws.findings import PlanFinding, error, note
from tasks.providers.aws.image_catalogue import Image
from tasks.providers.aws.node_types import NodeType
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

_ON = ("opt-in-not-required", "opted-in")
_MOST_NAMED = 8


def regions(session: AwsSession) -> dict[str, bool]:
    """Return all regions by name, with whether the account may use them.

    Raises:
        CredentialsInvalid, AccessDenied: Nothing was told.
    """
    with translated("regions"):
        told = session.client("ec2").describe_regions(AllRegions=True)["Regions"]
    return {str(one["RegionName"]): one.get("OptInStatus", _ON[0]) in _ON for one in told}


def zones(session: AwsSession, region: str) -> list[str]:
    """Return the names of a region's zones in which the account can have nodes now, by name.

    Local and wavelength zones, where an account has them, have no EFS and another price. Whoever shares the session
    asks once.
    """
    wanted: list[FilterTypeDef] = [
        {"Name": "zone-type", "Values": ["availability-zone"]},
        {"Name": "state", "Values": ["available"]},
    ]

    def ask() -> list[str]:
        with translated(f"zones of {region}"):
            told = session.client("ec2", region).describe_availability_zones(Filters=wanted)
        return sorted(str(one["ZoneName"]) for one in told["AvailabilityZones"])

    return session.once(("zones", region), ask)


def selling(session: AwsSession, region: str, types: Iterable[str] = ()) -> dict[str, list[str]]:
    """Return the zones in which types are sold, by type; of all types where none is named."""
    names = sorted(set(types))
    wanted: list[FilterTypeDef] = [{"Name": "instance-type", "Values": names}] if names else []
    found: dict[str, list[str]] = {name: [] for name in names}
    with translated(f"zones that sell {', '.join(names) or 'nodes'}"):
        pages = session.client("ec2", region).get_paginator("describe_instance_type_offerings")
        for page in pages.paginate(LocationType="availability-zone", Filters=wanted):
            for offer in page["InstanceTypeOfferings"]:
                found.setdefault(str(offer["InstanceType"]), []).append(str(offer["Location"]))
    return {name: sorted(places) for name, places in found.items()}


def region_findings(told: Mapping[str, bool], region: str) -> Iterator[PlanFinding]:
    """Say why a cluster cannot be in a region at all."""
    if region not in told:
        on = ", ".join(sorted(name for name, is_on in told.items() if is_on))
        yield error("region", f"AWS has no region {region}", f"There are: {on}.")
    elif not told[region]:
        yield error("region", f"{region} is not enabled in the account", "Enable it in AWS's console, under Account.")


def type_findings(
    spec: AwsClusterSpec, known: Mapping[str, NodeType], sold: Mapping[str, list[str]], places: Collection[str] = ()
) -> Iterator[PlanFinding]:
    """Say what is wrong with the types of nodes: unknown, of two processors, without EFA, sold nowhere or elsewhere.

    Args:
        spec: What is asked for.
        known: The types that the region knows.
        sold: The zones in which each is sold.
        places: The zones in which there are subnets for nodes; none: not known.
    """
    asked = {"head_type": spec.type_of_head, "node_type": spec.node_type}
    fields = {name: field for field, name in asked.items()}
    missing = [name for name in fields if name not in known]
    for name in missing:
        yield error(fields[name], f"{spec.region} knows no type {name}", "show-aws-choices lists them.")
    if missing:
        return
    nodes, head = known[spec.node_type], known[spec.type_of_head]
    if not set(nodes.architectures) & set(head.architectures):
        text = f"{head.name} is {_said(head)}, {nodes.name} is {_said(nodes)}: one program cannot run on both"
        yield error("head_type", text, "Take types of one kind of processor.")
    for one in dict.fromkeys((nodes, head)):
        yield from _wishes(spec, one, fields[one.name])
    yield from _places(spec, fields, sold, places)


def _said(one: NodeType) -> str:
    return " and ".join(one.architectures)


def _wishes(spec: AwsClusterSpec, one: NodeType, field: str) -> Iterator[PlanFinding]:
    if spec.efa and not one.efa:
        text = f"{one.name} ({field}) has no Elastic Fabric Adapter"
        yield error("efa", text, "Take another type, as c5n.18xlarge; show-aws-choices lists those with EFA.")
    if spec.spot and not one.spot:
        yield error("spot", f"{one.name} ({field}) is not sold at the spot price")
    if not one.gathers:
        yield note(field, f"{one.name} takes part in no placement group: its nodes may stand far from each other")


def _places(
    spec: AwsClusterSpec, fields: Mapping[str, str], sold: Mapping[str, list[str]], places: Collection[str]
) -> Iterator[PlanFinding]:
    for name, field in fields.items():
        if not sold.get(name):
            yield error(field, f"no zone of {spec.region} sells {name}", "show-aws-choices lists what is sold.")
            return
    types = " and ".join(fields)
    together = sorted(set.intersection(*(set(sold[name]) for name in fields)))
    usable = [zone for zone in together if not places or zone in places]
    there = f"the subnets are in {' and '.join(sorted(places))}"
    if not together:
        yield error("head_type", f"no zone of {spec.region} sells {types}", "Take the same type.")
    elif spec.zone and spec.zone not in together:
        yield error("zone", f"{spec.zone} does not sell {types}", f"These do: {', '.join(together)}.")
    elif spec.zone and spec.zone not in usable:
        yield error("zone", f"{spec.zone} has no subnet for nodes: {there}", "Take one of these, or leave it empty.")
    elif not usable:
        text = f"{types} is sold in {', '.join(together)}, and {there}"
        yield error("node_type", text, "Take another type, or a network of yours with vpc_id and subnet_id.")
    elif len(usable) == 1 and not spec.zone:
        yield note("zone", f"only {usable[0]} is left for {types}: where it has no room, there is no other")


def profile_findings(session: AwsSession, profile: str) -> Iterator[PlanFinding]:
    """Say why an instance profile that somebody named cannot be the nodes': it is not there, or holds no role."""
    try:
        with translated(f"instance profile {profile}"):
            told = session.client("iam").get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]
    except NotFound:
        yield error("instance_profile", f"there is no instance profile {profile}", "Make it first, or leave it empty.")
        return
    if not told["Roles"]:
        yield error("instance_profile", f"the instance profile {profile} holds no role", "Add one in IAM.")


def image_of(
    session: AwsSession, owner: str, spec: AwsClusterSpec, node: NodeType
) -> tuple[Image | None, list[PlanFinding]]:
    """Return the image that a spec's nodes start from; without one, why there is none.

    Args:
        session: Our session in the account.
        owner: The account that our images belong to.
        spec: What is asked for.
        node: What its nodes are.

    Raises:
        CredentialsInvalid, AccessDenied: Whether there is one was not seen.
    """
    processor = "x86_64" if "x86_64" in node.architectures else node.architectures[0]
    try:
        return image_catalogue.find(session, owner, spec.region, spec.image_version, processor), []
    except NotFound as none:
        others = image_catalogue.known(session, owner, spec.region, version=spec.image_version)
        usable = sorted({image.architecture for image in others if image.state == "available"} - {processor})
        if usable:
            text = f"{node.name} is {processor}, and there are images of ours for {' and '.join(usable)} only"
            return None, [error("node_type", text, "Take a type with that processor, or run build-image for this one.")]
        return None, [error("image_version", none.what, none.advice)]
