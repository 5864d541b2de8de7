"""What the user's security group and network ACL let through to nodes."""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from blocks.aws_cluster import AwsClusterSpec
from tasks.providers.aws.findings import PlanFinding, error

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import NetworkAclTypeDef, SecurityGroupTypeDef, SubnetTypeDef

EPHEMERAL = range(32768, 65536)
"""The ports at which answers from outside come in, on Linux and as Hopsworks asks for them."""

ALL_PORTS = range(1, 65536)


def of_group(group: "SecurityGroupTypeDef | None", block: str, spec: AwsClusterSpec) -> Iterator[PlanFinding]:
    """Say what keeps the group from being the nodes': it is elsewhere, or its members do not reach each other.

    Args:
        group: As AWS tells it; None: it does not know it.
        block: The addresses that nodes have.
        spec: What was asked for.
    """
    field = "security_group_id"
    if group is None:
        yield error(field, f"there is no security group {spec.security_group_id} in {spec.region}", "Check the region.")
        return
    if group.get("VpcId") != spec.vpc_id:
        yield error(field, f"it is in {group.get('VpcId')}, and vpc_id says {spec.vpc_id}")
        return
    for way, rules in (("from", group["IpPermissions"]), ("to", group["IpPermissionsEgress"])):
        between = [rule for rule in rules if _is_of_members(rule, group["GroupId"], block)]
        if spec.efa and not any(_names(rule, group["GroupId"]) and rule["IpProtocol"] == "-1" for rule in rules):
            text = f"it does not admit all traffic {way} itself, which EFA needs"
            yield error(field, text, f"Add a rule: all traffic {way} {group['GroupId']}.")
        elif not _covers(between, ALL_PORTS):
            text = f"it does not admit all TCP {way} itself: nodes speak to each other on any port"
            yield error(field, text, f"Add a rule: all TCP {way} {group['GroupId']}.")


def _names(rule: Any, group_id: str) -> bool:
    return any(pair.get("GroupId") == group_id for pair in rule.get("UserIdGroupPairs", []))


def _is_of_members(rule: Any, group_id: str, block: str) -> bool:
    """Tell whether a rule is about all members of a group, who stand in a block of addresses."""
    blocks = [told["CidrIp"] for told in rule.get("IpRanges", [])]
    return _names(rule, group_id) or any(_holds(one, block) for one in blocks)


def _holds(outer: str, inner: str) -> bool:
    return ipaddress.IPv4Network(inner).subnet_of(ipaddress.IPv4Network(outer, strict=False))


def _covers(rules: Sequence[Any], ports: range) -> bool:
    """Tell whether rules together let TCP through to all of these ports."""
    missing = ports.start
    for first, last in sorted(_ports_of(rule) for rule in rules if rule["IpProtocol"] in ("-1", "tcp", "6")):
        if first > missing:
            return False
        missing = max(missing, last + 1)
    return missing >= ports.stop


def _ports_of(rule: Any) -> tuple[int, int]:
    if rule["IpProtocol"] == "-1":
        return 0, 65535
    return rule["FromPort"], rule["ToPort"]


def of_acl(acls: "Sequence[NetworkAclTypeDef]", subnet: "SubnetTypeDef", others: str) -> Iterator[PlanFinding]:
    """Say which answers the subnet's network ACL stops: those to nodes, and those of nodes.

    Args:
        acls: Those of the network.
        subnet: Where nodes stand.
        others: The block of addresses that they speak with.
    """
    acl = next((one for one in acls if _is_of(one, subnet["SubnetId"])), None)
    if acl is None:
        return
    for is_out, way in ((False, "in"), (True, "out")):
        entries = [one for one in acl["Entries"] if one["Egress"] is is_out]
        if not _lets_through(entries, EPHEMERAL, others):
            ports = f"TCP {EPHEMERAL.start}-{EPHEMERAL.stop - 1}"
            yield error(
                "subnet_id",
                f"its network ACL {acl['NetworkAclId']} does not let {ports} {way}: answers are lost",
                f"Add an entry that allows {ports} {'to' if is_out else 'from'} {others}.",
            )


def _is_of(acl: Any, subnet_id: str) -> bool:
    return any(link.get("SubnetId") == subnet_id for link in acl["Associations"])


def _lets_through(entries: Sequence[Any], ports: range, others: str) -> bool:
    """Tell whether entries let TCP with others through to all of these ports: by number, the first that fits counts.

    An entry for a part of the others decides nothing here: whom it shuts out is its owner's business.
    """
    fitting = [one for one in sorted(entries, key=lambda one: one["RuleNumber"]) if _fits(one, others)]
    edges = {ports.start}
    for entry in fitting:
        first, last = _span(entry)
        edges |= {edge for edge in (first, last + 1) if edge in ports}
    return all(_decides(fitting, edge) == "allow" for edge in edges)


def _fits(entry: Any, others: str) -> bool:
    return entry["Protocol"] in ("-1", "6") and "CidrBlock" in entry and _holds(entry["CidrBlock"], others)


def _span(entry: Any) -> tuple[int, int]:
    told = entry.get("PortRange") if entry["Protocol"] == "6" else None
    return (told["From"], told["To"]) if told else (0, 65535)


def _decides(entries: Sequence[Any], port: int) -> str:
    return next((one["RuleAction"] for one in entries if _span(one)[0] <= port <= _span(one)[1]), "deny")
