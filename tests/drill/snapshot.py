"""All that stands in an account of the AWS world, told so that two worlds can be compared.

Each thing is one line: its kind and all that AWS tells of it, but for what is different each time: ids become the part
that a thing is for (our tag) or its name, times and addresses go. Two worlds are the same when their lines are.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from tests.worlds.aws_world import CUSTOMER, AwsWorld

Thing = dict[str, Any]

_EC2 = {
    "describe_vpcs": "Vpcs",
    "describe_subnets": "Subnets",
    "describe_internet_gateways": "InternetGateways",
    "describe_nat_gateways": "NatGateways",
    "describe_addresses": "Addresses",
    "describe_route_tables": "RouteTables",
    "describe_vpc_endpoints": "VpcEndpoints",
    "describe_security_groups": "SecurityGroups",
    "describe_key_pairs": "KeyPairs",
    "describe_placement_groups": "PlacementGroups",
    "describe_volumes": "Volumes",
    "describe_network_interfaces": "NetworkInterfaces",
    "describe_launch_templates": "LaunchTemplates",
}
_DEAD = {"deleted", "deleting", "terminated", "shutting-down"}
_EACH_TIME = re.compile(
    r"(^Id|Time|Date|Token|Fingerprint|Dns\w*|ReservationId|LastModified|Etag|ETag|Mac\w*|LaunchIndex|PolicyId|RoleId"
    r"|InstanceProfileId|UserId|RoleLastUsed|Version|SizeInBytes|AttachmentId|AssociationId|Hibernation\w*|StateTransitionReason)$"
)
_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
_ID = re.compile(r"\b[a-z]{1,9}(?:-[a-z]+)*-[0-9a-f]{8,17}\b")
_REPLACED = (
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b(?!/)"), "<address>"),
    (re.compile(r"ip-\d+-\d+-\d+-\d+"), "<name>"),
    (re.compile(r"ssh-ed25519 [\w+/=]+"), "<public key>"),
    (re.compile(r"\b[0-9a-f]{32,}\b"), "<hash>"),
    (re.compile(r"[\w+/=]{44,}"), "<text>"),
)


def seen(aws: AwsWorld, account: str = CUSTOMER) -> Counter[str]:
    """Return the things of an account, each as a line, with their number."""
    found = [(kind, thing) for kind, thing in _all_of(aws, account) if _is_alive(thing)]
    labels = {thing_id: _label(kind, thing) for kind, thing in found for thing_id in _own_ids(kind, thing)}
    return Counter(f"{kind} {_told(thing, labels)}" for kind, thing in found)


def difference(wanted: Counter[str], found: Counter[str]) -> tuple[list[str], list[str]]:
    """Return what is missing and what is too much."""
    return sorted((wanted - found).elements()), sorted((found - wanted).elements())


def told_shortly(missing: list[str], left: list[str]) -> list[str]:
    """Tell a difference for people: of two things that are almost the same only what is not."""
    rest, lines = list(left), []
    for line in missing:
        kind, words = line.partition(" ")[0], set(line.split(", "))
        near = max(
            (other for other in rest if other.startswith(kind + " ")),
            key=lambda o: len(words & set(o.split(", "))),
            default="",
        )
        both = words & set(near.split(", "))
        if len(both) * 2 > len(words):
            rest.remove(near)
            lines.append(f"other: {kind}: {sorted(words - both)} became {sorted(set(near.split(', ')) - both)}")
        else:
            lines.append(f"missing: {line}")
    return lines + [f"left: {line}" for line in rest]


def _all_of(aws: AwsWorld, account: str) -> Iterator[tuple[str, Thing]]:
    ec2 = aws.client("ec2", account)
    for operation, name in _EC2.items():
        yield from ((name[:-1], thing) for thing in _listed(ec2, operation, name))
    for reservation in _listed(ec2, "describe_instances", "Reservations"):
        yield from (("Node", _with_its_index(thing)) for thing in reservation["Instances"])
    yield from (("Snapshot", thing) for thing in _listed(ec2, "describe_snapshots", "Snapshots", OwnerIds=["self"]))
    yield from (("Image", thing) for thing in _listed(ec2, "describe_images", "Images", Owners=["self"]))
    yield from _files(aws.client("efs", account))
    yield from _keys(aws.client("kms", account))
    yield from _buckets(aws.client("s3", account))
    yield from _roles(aws.client("iam", account))
    ssm, logs = aws.client("ssm", account), aws.client("logs", account)
    yield from (("Parameter", thing) for thing in _listed(ssm, "describe_parameters", "Parameters"))
    yield from (("LogGroup", thing) for thing in _listed(logs, "describe_log_groups", "logGroups"))


def _listed(client: Any, operation: str, name: str, **told: Any) -> list[Thing]:
    if client.can_paginate(operation):
        return [thing for page in client.get_paginator(operation).paginate(**told) for thing in page.get(name, [])]
    return list(getattr(client, operation)(**told).get(name, []))


def _files(efs: Any) -> Iterator[tuple[str, Thing]]:
    for system in _listed(efs, "describe_file_systems", "FileSystems"):
        yield "FileSystem", system
        for target in efs.describe_mount_targets(FileSystemId=system["FileSystemId"])["MountTargets"]:
            groups = efs.describe_mount_target_security_groups(MountTargetId=target["MountTargetId"])["SecurityGroups"]
            yield "MountTarget", {**target, "Groups": groups}


def _keys(kms: Any) -> Iterator[tuple[str, Thing]]:
    for key in _listed(kms, "list_keys", "Keys"):
        about = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if about["KeyManager"] == "CUSTOMER" and about["KeyState"] != "PendingDeletion":
            yield "Key", {**about, "Tags": kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}
    for alias in _listed(kms, "list_aliases", "Aliases"):
        if not alias["AliasName"].startswith("alias/aws/"):
            yield "Alias", alias


def _buckets(s3: Any) -> Iterator[tuple[str, Thing]]:
    for bucket in s3.list_buckets()["Buckets"]:
        named = {"Bucket": bucket["Name"]}
        looks = (
            "get_bucket_tagging",
            "get_bucket_encryption",
            "get_bucket_policy",
            "get_public_access_block",
            "get_bucket_versioning",
        )
        yield "Bucket", {**bucket, **{look: _or_nothing(getattr(s3, look), named) for look in looks}}
        yield from (("Object", thing) for thing in s3.list_object_versions(**named).get("Versions", []))


def _or_nothing(ask: Any, told: Thing) -> Thing:
    try:
        answer: Thing = ask(**told)
    except ClientError:
        return {}
    answer.pop("ResponseMetadata")
    return answer


def _roles(iam: Any) -> Iterator[tuple[str, Thing]]:
    for role in _listed(iam, "list_roles", "Roles"):
        named = {"RoleName": role["RoleName"]}
        inline = {
            name: iam.get_role_policy(**named, PolicyName=name)["PolicyDocument"]
            for name in iam.list_role_policies(**named)["PolicyNames"]
        }
        attached = iam.list_attached_role_policies(**named)["AttachedPolicies"]
        tags = iam.list_role_tags(**named)["Tags"]
        yield "Role", {**role, "Tags": tags, "Inline": inline, "Attached": attached}
    yield from (("Profile", thing) for thing in _listed(iam, "list_instance_profiles", "InstanceProfiles"))
    yield from (("Policy", thing) for thing in _listed(iam, "list_policies", "Policies", Scope="Local"))
    yield from (("User", thing) for thing in _listed(iam, "list_users", "Users"))


def _is_alive(thing: Thing) -> bool:
    state = thing.get("State") or thing.get("LifeCycleState") or thing.get("Status")
    return (state.get("Name") if isinstance(state, dict) else state) not in _DEAD


def _with_its_index(node: Thing) -> Thing:
    """A node's tag tells the indexes of all that were launched with it: tell its own, however many calls it took."""
    tags = {tag["Key"]: tag["Value"] for tag in node.get("Tags", [])}
    if "groundwork:indexes" in tags:
        mine = _indexes(tags["groundwork:indexes"])[int(node["AmiLaunchIndex"])]
        tags["groundwork:indexes"] = str(mine)
    tags.pop("groundwork:host-key", None)
    return {**node, "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}


def _indexes(ranges: str) -> list[int]:
    ends = [part.split("-") for part in ranges.split(",")]
    return [index for end in ends for index in range(int(end[0]), int(end[-1]) + 1)]


def _tags(thing: Thing) -> dict[str, str]:
    listed = thing.get("Tags") or []
    return {str(tag.get("Key", tag.get("TagKey"))): str(tag.get("Value", tag.get("TagValue"))) for tag in listed}


def _label(kind: str, thing: Thing) -> str:
    tags = _tags(thing)
    return f"<{kind} {tags.get('groundwork:part') or tags.get('Name') or ''}>"


def _own_ids(kind: str, thing: Thing) -> list[str]:
    """The ids that are the thing's own: of its kind, and not of what it stands in."""
    names = {"Node": "InstanceId", "Addresse": "AllocationId", "SecurityGroup": "GroupId", "KeyPair": "KeyPairId"}
    name = names.get(kind, f"{kind}Id")
    return [str(thing[name])] if name in thing else []


def _told(thing: Thing, labels: dict[str, str]) -> str:
    return json.dumps(_lasting(thing, labels), sort_keys=True, default=str)


def _lasting(value: Any, labels: dict[str, str]) -> Any:
    """A thing without what is different each time; lists whose order says nothing are sorted."""
    if isinstance(value, dict):
        return {
            key: _lasting(inner, labels)
            for key, inner in value.items()
            if not _EACH_TIME.search(key) and not isinstance(inner, datetime) and inner not in ([], {}, None, "")
        }
    if isinstance(value, list):
        return sorted((_lasting(inner, labels) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return _lasting_words(value, labels) if isinstance(value, str) else value


def _lasting_words(text: str, labels: dict[str, str]) -> str:
    text = _UUID.sub("<uuid>", text)  # first: the end of one in fifty looks like an id
    text = _ID.sub(lambda found: labels.get(found[0], f"<{found[0].rpartition('-')[0]}>"), text)
    for pattern, instead in _REPLACED:
        text = pattern.sub(instead, text)
    return text
