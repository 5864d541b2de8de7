"""The quotas of every account in the world: one table, which the rules enforce and Service Quotas tells.

Codes, names and default values: "Amazon VPC quotas", "Amazon EC2 instance type quotas", "Amazon EFS quotas" in AWS's
documentation. A new account may run five vCPUs and no GPU; the world's accounts have been in use for a while, so these
have an applied value above the default, as AWS raises it by itself.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


@dataclass(frozen=True)
class Quota:
    """One quota. ``default`` is what AWS gives to everybody, ``applied`` what an account of the world has at first."""

    service: str
    code: str
    name: str
    default: float
    applied: float
    is_adjustable: bool = True


def _quota(service: str, code: str, name: str, default: float, applied: float | None = None) -> Quota:
    return Quota(service, code, name, default, default if applied is None else applied)


VPCS = "L-F678F1CE"
SUBNETS_PER_VPC = "L-407747CB"
INTERNET_GATEWAYS = "L-A4707A72"
NAT_GATEWAYS_PER_ZONE = "L-FE5A380F"
ELASTIC_ADDRESSES = "L-0263D0A3"
GROUPS = "L-E79EC296"
GROUPS_PER_INTERFACE = "L-2AFB9258"
RULES_PER_GROUP = "L-0EA8095F"
ROUTE_TABLES_PER_VPC = "L-589F43AA"
INTERFACES = "L-DF5E4CA3"
GATEWAY_ENDPOINTS = "L-1B52E74A"
INTERFACE_ENDPOINTS_PER_VPC = "L-29B6F2EB"
VCPUS_STANDARD = "L-1216C47A"
VCPUS_G = "L-DB2E81BA"
VCPUS_P = "L-417A185B"
VCPUS_HPC = "L-F7808C92"
SPOT_VCPUS_STANDARD = "L-34B43A08"
SPOT_VCPUS_G = "L-3819A6DF"
SPOT_VCPUS_P4 = "L-7212CCBC"
SPOT_VCPUS_P5 = "L-C4BD4855"
FILE_SYSTEMS = "L-848C634D"

_STANDARD = "Standard (A, C, D, H, I, M, R, T, Z)"

QUOTAS: dict[str, Quota] = {
    quota.code: quota
    for quota in (
        _quota("vpc", VPCS, "VPCs per Region", 5),
        _quota("vpc", SUBNETS_PER_VPC, "Subnets per VPC", 200),
        _quota("vpc", INTERNET_GATEWAYS, "Internet gateways per Region", 5),
        _quota("vpc", NAT_GATEWAYS_PER_ZONE, "NAT gateways per Availability Zone", 5),
        _quota("vpc", GROUPS, "VPC security groups per Region", 2500),
        _quota("vpc", GROUPS_PER_INTERFACE, "Security groups per network interface", 5),
        _quota("vpc", RULES_PER_GROUP, "Inbound or outbound rules per security group", 60),
        _quota("vpc", ROUTE_TABLES_PER_VPC, "Route tables per VPC", 200),
        _quota("vpc", INTERFACES, "Network interfaces per Region", 5000),
        _quota("vpc", GATEWAY_ENDPOINTS, "Gateway VPC endpoints per Region", 20),
        _quota("vpc", INTERFACE_ENDPOINTS_PER_VPC, "Interface VPC endpoints per VPC", 50),
        _quota("ec2", ELASTIC_ADDRESSES, "EC2-VPC Elastic IPs", 5),
        _quota("ec2", VCPUS_STANDARD, f"Running On-Demand {_STANDARD} instances", 5, 1152),
        _quota("ec2", VCPUS_G, "Running On-Demand G and VT instances", 0, 64),
        _quota("ec2", VCPUS_P, "Running On-Demand P instances", 0, 384),
        _quota("ec2", VCPUS_HPC, "Running On-Demand HPC instances", 0, 768),
        _quota("ec2", SPOT_VCPUS_STANDARD, f"All {_STANDARD} Spot Instance Requests", 5, 1152),
        _quota("ec2", SPOT_VCPUS_G, "All G and VT Spot Instance Requests", 0, 64),
        _quota("ec2", SPOT_VCPUS_P4, "All P4, P3 and P2 Spot Instance Requests", 0, 192),
        _quota("ec2", SPOT_VCPUS_P5, "All P5 Spot Instance Requests", 0, 192),
        _quota("elasticfilesystem", FILE_SYSTEMS, "File systems per account", 1000),
    )
}


class Limits:
    """What became of the quotas in this world, by (account, region, code)."""

    def __init__(self) -> None:
        self.changed: dict[tuple[str, str, str], float] = {}


def limit(world: "World", account: str, region: str, code: str) -> float:
    """Return the number that holds for an account in a region: what was granted there, else the world's setting
    ``limits`` (numbers by code, for all accounts), else the table's.

    Raises:
        KeyError: No such quota in the table.
    """
    table = QUOTAS[code].applied
    everywhere = world.settings.get("limits", {}).get(code, table)
    return float(world.of(Limits).changed.get((account, region, code), everywhere))


def grant(world: "World", account: str, region: str, code: str, value: float) -> None:
    """Let another number hold for an account in a region, as AWS does after a request for more."""
    if code not in QUOTAS:
        raise KeyError(code)
    world.of(Limits).changed[account, region, code] = value
