"""Security groups and their rules: who uses a group, what a rule may say, and what is said twice.

Moto adds half of a faulty list of rules, takes a rule with another description for another rule, and tells the last
permission's rules only. Codes: "Error codes for the Amazon EC2 API"; words as in AWS's real answers, from public bug
reports.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.worlds.aws import limits
from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import amend, answer, refuse
from tests.worlds.aws.rules.describing import MENDS
from tests.worlds.aws.rules.lookups import KINDS, of_kind, rules_of

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

Peer = tuple[str, str, int, int]
"""A rule as AWS compares it: protocol, peer, ports. Its description is not looked at."""

_DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")
_SET = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "all": "-1"}


@refuse("ec2", "CreateSecurityGroup")
def _group_can_be_made(world: "World", call: Call) -> None:
    backend = world.backend(call)
    name = call.params["GroupName"]
    if "VpcId" in call.params:
        of_kind(backend, "vpc", call.params["VpcId"])
    if not _DESCRIPTION.fullmatch(call.params["Description"]):
        raise _bad_description("security group")
    if name.startswith("sg-"):
        raise Refused("InvalidParameterValue", f"Value ({name}) for parameter GroupName is invalid.")
    if name == "default":
        raise Refused("InvalidParameterValue", "Cannot use reserved security group name: default")
    if sum(map(len, backend.groups.values())) >= limits.limit(world, call.account, call.region, limits.GROUPS):
        raise Refused("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")


def _bad_description(of_what: str) -> Refused:
    text = f"Invalid {of_what} description. Valid descriptions are strings less than 256 characters"
    return Refused("InvalidParameterValue", f"{text} from the following set: {_SET}")


def _group(world: "World", call: Call) -> Any:
    backend = world.backend(call)
    if "GroupId" in call.params:
        return of_kind(backend, "sg", call.params["GroupId"])
    name = call.params.get("GroupName", "")
    found = backend.get_security_group_from_name(name, backend.get_default_vpc().id)
    if found is None:
        raise Refused("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
    return found


@refuse("ec2", "DeleteSecurityGroup")
def _nobody_uses_it(world: "World", call: Call) -> None:
    backend, group = world.backend(call), _group(world, call)
    if group.is_default:
        text = f'the specified group: "{group.id}" name: "{group.name}" cannot be deleted by a user'
        raise Refused("CannotDelete", text)
    used = any(group in eni.group_set for eni in backend.enis.values())
    named = any(
        rule.group_id != group.id and rule.source_group.get("GroupId") == group.id for rule in rules_of(backend)
    )
    if used or named:
        raise Refused("DependencyViolation", f"resource {group.id} has a dependent object")


@amend("ec2", "DeleteSecurityGroup")
def _tags_go_too(world: "World", call: Call, _: Answer) -> None:
    world.backend(call).tags.pop(call.params.get("GroupId", ""), None)


@answer("ec2", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress")
def _authorize(world: "World", call: Call) -> Answer:
    group = _group(world, call)
    egress = call.operation.endswith("Egress")
    before = list(group.egress_rules if egress else group.ingress_rules)
    ids = {rule.id for rule in before}
    asked = list(_permissions(call))
    new = [peer for permission in asked for peer in _peers(world, call, group, permission)]
    known = [_peer_of(rule) for rule in before]
    for index, peer in enumerate(new):
        if peer in known or peer in new[:index]:
            raise Refused("InvalidPermission.Duplicate", f"the specified rule {_as_told(peer)} already exists")
    if len(before) + len(new) > limits.limit(world, call.account, call.region, limits.RULES_PER_GROUP):
        text = "The maximum number of rules per security group has been reached."
        raise Refused("RulesPerSecurityGroupLimitExceeded", text)
    told = world.moto(call, **_in_one_form(call, asked))
    after = group.egress_rules if egress else group.ingress_rules
    # Moto tells the rules of the last permission only.
    told["SecurityGroupRules"] = [_rule_document(call, rule) for rule in after if rule.id not in ids]
    return told


def _permissions(call: Call) -> Iterator[dict[str, Any]]:
    yield from call.params.get("IpPermissions", [])
    if "IpProtocol" in call.params:
        members = {name: call.params[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in call.params}
        ranges = [{"CidrIp": call.params["CidrIp"]}] if "CidrIp" in call.params else []
        yield {**members, "IpRanges": ranges}


def _in_one_form(call: Call, asked: list[dict[str, Any]]) -> dict[str, Any]:
    flat = {name: None for name in ("IpProtocol", "FromPort", "ToPort", "CidrIp") if name in call.params}
    return {**flat, "IpPermissions": asked}


def _peers(world: "World", call: Call, group: Any, permission: dict[str, Any]) -> Iterator[Peer]:
    protocol = _PROTOCOLS.get(str(permission.get("IpProtocol")).lower(), str(permission.get("IpProtocol")).lower())
    ports = _ports(protocol, permission)
    for told in _told_peers(permission):
        if not _DESCRIPTION.fullmatch(told.get("Description", "")):
            raise _bad_description("rule")
        yield protocol, _name(world, call, group, told), *ports


def _told_peers(permission: dict[str, Any]) -> list[dict[str, Any]]:
    members = ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds")
    told = [told for member in members for told in permission.get(member, [])]
    if not told:
        raise Refused("InvalidParameterValue", "Either cidrIp, cidrIpv6, prefixListId or groupId must be specified")
    return told


def _ports(protocol: str, permission: dict[str, Any]) -> tuple[int, int]:
    first, last = permission.get("FromPort"), permission.get("ToPort")
    if protocol in ("tcp", "udp"):
        if first is None or last is None:
            text = "Invalid value for portRange. Must specify both from and to ports with TCP/UDP."
            raise Refused("InvalidParameterValue", text)
        if not 0 <= first <= last <= 65535:
            raise Refused("InvalidParameterValue", f"Invalid TCP/UDP port range ({first}:{last})")
    return (-1, -1) if protocol == "-1" or first is None or last is None else (first, last)


def _name(world: "World", call: Call, group: Any, told: dict[str, Any]) -> str:
    if "CidrIp" in told or "CidrIpv6" in told:
        block = str(told.get("CidrIp") or told.get("CidrIpv6"))
        try:
            return str(ipaddress.ip_network(block, strict=False))
        except ValueError as error:
            raise Refused("InvalidParameterValue", f"CIDR block {block} is malformed") from error
    if "GroupId" in told:
        source = of_kind(world.backend(call), "sg", told["GroupId"])
        if source.vpc_id != group.vpc_id:
            raise Refused("InvalidGroup.NotFound", f"The security group '{source.id}' does not exist")
        return str(source.id)
    return str(told.get("PrefixListId") or told.get("GroupName"))


def _peer_of(rule: Any) -> Peer:
    block = rule.cidr_ipv4 or rule.cidr_ipv6
    name = str(ipaddress.ip_network(block, strict=False)) if block else ""
    name = name or rule.source_group.get("GroupId") or rule.prefix_list_id or ""
    ports = (-1, -1) if rule.from_port is None else (rule.from_port, rule.to_port)
    return str(rule.ip_protocol), str(name), *ports


def _as_told(peer: Peer) -> str:
    protocol, name, first, last = peer
    ports = "" if protocol == "-1" else f" from port: {first}, to port: {last},"
    return f'"peer: {name}, {protocol.upper()},{ports} ALLOW"'


def _rule_document(call: Call, rule: Any) -> Answer:
    told = {
        "SecurityGroupRuleId": rule.id,
        "GroupId": rule.group_id,
        "GroupOwnerId": call.account,
        "IsEgress": rule.is_egress,
        "IpProtocol": rule.ip_protocol,
        "FromPort": -1 if rule.from_port is None else rule.from_port,
        "ToPort": -1 if rule.to_port is None else rule.to_port,
        "CidrIpv4": rule.cidr_ipv4,
        "CidrIpv6": rule.cidr_ipv6,
        "PrefixListId": rule.prefix_list_id,
        "Description": rule.description or rule.source_group.get("Description"),
        "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in rule.get_tags()],
    }
    if rule.source_group:
        told["ReferencedGroupInfo"] = {"GroupId": rule.source_group["GroupId"], "UserId": call.account}
    return {name: value for name, value in told.items() if value is not None}


def _known_rule(world: "World", call: Call, told: Answer) -> Answer:
    # Moto describes rules of addresses only.
    return _rule_document(call, of_kind(world.backend(call), "sgr", told["SecurityGroupRuleId"]))


MENDS["DescribeSecurityGroupRules"] = _known_rule


@answer("ec2", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress")
def _revoke(world: "World", call: Call) -> Answer:
    group = _group(world, call)
    rules = group.egress_rules if call.operation.endswith("Egress") else group.ingress_rules
    gone = _meant(world, call, group, rules, call.params.get("SecurityGroupRuleIds", []))
    rules[:] = [rule for rule in rules if rule.id not in {found.id for found, _ in gone}]
    documents = [_rule_document(call, rule) for rule, _ in gone]
    for told in documents:
        told.pop("Tags", None)
        told.pop("GroupOwnerId", None)
        if "ReferencedGroupInfo" in told:
            told["ReferencedGroupId"] = told.pop("ReferencedGroupInfo")["GroupId"]
    return {"Return": True, "RevokedSecurityGroupRules": documents}


@answer("ec2", "UpdateSecurityGroupRuleDescriptionsIngress", "UpdateSecurityGroupRuleDescriptionsEgress")
def _describe_rules(world: "World", call: Call) -> Answer:
    group = _group(world, call)
    rules = group.egress_rules if call.operation.endswith("Egress") else group.ingress_rules
    told = {one["SecurityGroupRuleId"]: one.get("Description", "") for one in _by_id(call)}
    for rule, description in _meant(world, call, group, rules, list(told)):
        place = rule.ip_range or rule.source_group
        place["Description"] = told.get(rule.id, description)
    return {"Return": True}


def _by_id(call: Call) -> list[dict[str, str]]:
    found: list[dict[str, str]] = call.params.get("SecurityGroupRuleDescriptions", [])
    return found


def _meant(world: "World", call: Call, group: Any, rules: list[Any], ids: list[str]) -> list[tuple[Any, str]]:
    """Return the rules that a call means, by id or by what they say, each with the description told with it."""
    meant = []
    for wanted in ids:
        rule = next((rule for rule in rules if rule.id == wanted), None)
        if rule is None:
            kind = KINDS["sgr"]
            raise Refused(kind.code, kind.words.format(wanted))
        meant.append((rule, ""))
    for permission in _permissions(call):
        descriptions = [told.get("Description", "") for told in _told_peers(permission)]
        for peer, description in zip(_peers(world, call, group, permission), descriptions, strict=True):
            rule = next((rule for rule in rules if _peer_of(rule) == peer), None)
            if rule is None:
                text = "The specified rule does not exist in this security group."
                raise Refused("InvalidPermission.NotFound", text)
            meant.append((rule, description))
    return meant
