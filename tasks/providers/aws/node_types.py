"""What a node of a type is: cores, memory, processor, EFA, as EC2 tells it.

By "DescribeInstanceTypes" in the EC2 API Reference. Half the vCPUs is not the number of cores: Graviton's have one
thread a core, and so have some others.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeInfoTypeDef, NetworkInfoTypeDef


_MOST_NAMES = 100
"""Values of one filter: AWS takes 200 at most ("Filtering", Amazon EC2 User Guide)."""


@dataclass(frozen=True)
class NodeType:
    """A type of node.

    Args:
        name: As ``c5.4xlarge``.
        vcpus: What quotas count: threads.
        cores: What ranks are counted by.
        memory_gib: Memory.
        architectures: As ``x86_64`` and ``arm64``.
        efa: Whether it has an Elastic Fabric Adapter.
        spot: Whether it is sold at the spot price.
        gathers: Whether it may stand in a placement group of the strategy "cluster".
        gpus: How many GPUs.
        adapters: How many Elastic Fabric Adapters it gets: one on each of its network cards.
    """

    name: str
    vcpus: int
    cores: int
    memory_gib: float
    architectures: tuple[str, ...]
    efa: bool
    spot: bool
    gathers: bool
    gpus: int = 0
    adapters: int = 0


def described(session: AwsSession, region: str, names: Iterable[str]) -> dict[str, NodeType]:
    """Return what these types are, by name; a name that the region does not know is not there.

    Whoever shares the session asks for the same types once.

    Raises:
        CredentialsInvalid, AccessDenied: Nothing was told.
    """
    wanted = sorted(set(names))
    parts = [tuple(wanted[start : start + _MOST_NAMES]) for start in range(0, len(wanted), _MOST_NAMES)]
    return {name: one for part in parts for name, one in _of_names(session, region, part).items()}


def _of_names(session: AwsSession, region: str, names: tuple[str, ...]) -> dict[str, NodeType]:
    filters: list[FilterTypeDef] = [{"Name": "instance-type", "Values": list(names)}]
    return session.once(("types of nodes", region, names), lambda: _asked(session, region, filters))


def offered(
    session: AwsSession, region: str, family: str = "", *, efa: bool = False, architecture: str = "", gpu: bool = False
) -> dict[str, NodeType]:
    """Return the region's types by name: of a family, with EFA, with a processor, with GPUs, where that is asked.

    Raises:
        CredentialsInvalid, AccessDenied: An empty answer is AWS's own word.
    """
    wanted: list[FilterTypeDef] = []
    if family:
        wanted.append({"Name": "instance-type", "Values": [f"{family}.*"]})
    if efa:
        wanted.append({"Name": "network-info.efa-supported", "Values": ["true"]})
    if architecture:
        wanted.append({"Name": "processor-info.supported-architecture", "Values": [architecture]})
    found = _asked(session, region, wanted)
    return {name: one for name, one in found.items() if one.gpus or not gpu}


def _asked(session: AwsSession, region: str, filters: "list[FilterTypeDef]") -> dict[str, NodeType]:
    with translated(f"types of nodes in {region}"):
        pages = session.client("ec2", region).get_paginator("describe_instance_types").paginate(Filters=filters)
        found = [_read(one) for page in pages for one in page["InstanceTypes"]]
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


def _read(told: "InstanceTypeInfoTypeDef") -> NodeType:
    vcpus = told["VCpuInfo"]
    return NodeType(
        name=str(told["InstanceType"]),
        vcpus=vcpus["DefaultVCpus"],
        cores=vcpus.get("DefaultCores") or vcpus["DefaultVCpus"] // vcpus.get("DefaultThreadsPerCore", 1),
        memory_gib=told["MemoryInfo"]["SizeInMiB"] / 1024,
        architectures=tuple(told["ProcessorInfo"]["SupportedArchitectures"]),
        efa=bool(told["NetworkInfo"].get("EfaSupported")),
        spot="spot" in told["SupportedUsageClasses"],
        gathers="cluster" in told["PlacementGroupInfo"]["SupportedStrategies"],
        gpus=sum(gpu["Count"] for gpu in told.get("GpuInfo", {}).get("Gpus", [])),
        adapters=_adapters(told["NetworkInfo"]),
    )


def _adapters(told: "NetworkInfoTypeDef") -> int:
    return min(told.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0), told.get("MaximumNetworkCards", 1))
