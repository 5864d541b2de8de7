"""Whether security groups let a connection in. Only their rules for coming in are looked at."""

from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any


def admits(groups: Iterable[Any], port: int, *, address: str, source_groups: Collection[str] = ()) -> bool:
    """Tell whether one of moto's security groups admits TCP to a port, from an address whose host has these."""
    rules = [rule for group in groups for rule in group.ingress_rules]
    return any(_is_for(rule, port) and _is_from(rule, address, source_groups) for rule in rules)


def _is_for(rule: Any, port: int) -> bool:
    if rule.ip_protocol == "-1":
        return True
    return rule.ip_protocol == "tcp" and int(rule.from_port) <= port <= int(rule.to_port)


def _is_from(rule: Any, address: str, source_groups: Collection[str]) -> bool:
    if rule.cidr_ipv4:
        return IPv4Address(address) in IPv4Network(rule.cidr_ipv4, strict=False)
    return (rule.referenced_group_info or {}).get("GroupId") in source_groups
