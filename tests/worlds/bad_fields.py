"""Values that have not the shape of their field, for every field of every form."""

import base64
from typing import Any


def key(kind: str = "ssh-ed25519", *parts: bytes, says: str = "") -> str:
    """A public key as OpenSSH writes it."""
    told = [kind.encode(), *(parts or (b"\x07" * 32,))]
    data = b"".join(len(part).to_bytes(4, "big") + part for part in told)
    return f"{says or kind} {base64.b64encode(data).decode()} somebody@home"


CREATE_AWS_CLUSTER: dict[str, list[Any]] = {
    "name": ["", "Lab", "lab-", "1lab", "a" * 33, "../lab"],
    "account": ["team"],
    "node_count": [0, 201, "many"],
    "region": ["US-EAST-1", "us-east", "us_east_1"],
    "node_type": ["", "c5", "c5.xlarge;ls", "C5.xlarge"],
    "head_type": ["c5", "c5.xlarge,m5.large"],
    "node_disk_gib": [7, 16385],
    "head_disk_gib": [255, 16385],
    "efa": ["perhaps"],
    "spot": ["perhaps"],
    "image_version": ["newest", "2026", "2026.11 "],
    "auto_shutdown": ["60", "0m", "1.5h", "soon"],
    "ssh_public_keys": [["-----BEGIN OPENSSH PRIVATE KEY-----"], ["ssh-dss AAAA"], [key() + "\nroot"], [key()] * 21],
    "allowed_addresses": [["203.0.113.7"], ["everybody"], ["203.0.113.7/32"] * 41],
    "services": [["telnet"], ["ui"] * 9],
    "slots_per_node": [-1, 257],
    "zone": ["us-east-1", "a", "us-east-1A"],
    "vpc_id": ["vpc-1", "subnet-01234567"],
    "subnet_id": ["subnet-1", "vpc-01234567"],
    "security_group_id": ["sg-1", "vpc-01234567"],
    "public_addresses": ["perhaps"],
    "jump_host": ["bastion.example.org"],
    "instance_profile": ["arn:aws:iam::222222222222:instance-profile/x", "a/b"],
    "bucket": ["s3://b", "B", "ab", "-abc"],
    "backup_retention_days": [-1, 3651],
    "user_management": ["ldap", "managed", ""],
    "tags": [{"a" * 129: "x"}, {"": "x"}, {"a": "x" * 257}, {"a": 1}, {str(n): "x" for n in range(41)}],
    "description": ["x" * 1001],
    "init_script": ["echo hello", "\n#!/bin/sh", "#!", "#!/\n", "#!/bin/sh\n\0", "#!/bin/sh\n" + "x" * 10240],
    "init_script_runs": ["sometimes", ""],
    "init_script_minutes": [0, 121, "10m"],
    "on_failure": ["hope"],
    "minimum_nodes": [0, 201],
    "ignore_warnings": [["all"], ["quota"]],
    "dry_run": ["perhaps"],
}
"""Of create-aws-cluster's form."""

_NO_FLAG = ["perhaps"]
_NO_REGION = ["", "US-EAST-1", "us-east"]
_NO_BLOCK = ["team"]

_OTHERS: dict[str, list[Any]] = {
    # clusters
    "cluster": _NO_BLOCK,
    "reset_protection": _NO_FLAG,
    "family": ["C5", "c5.xlarge"],
    "gpu": _NO_FLAG,
    "architecture": ["vax"],
    # ways in
    "addresses": CREATE_AWS_CLUSTER["allowed_addresses"],
    "for_how_long": ["60", "0m", "soon"],
    "only_these": _NO_FLAG,
    "confirm_everyone": _NO_FLAG,
    # jobs
    "source": [
        "",
        "ftp://example.org/x",
        "git clone x",
        "https://",
        "file://x",
        "https://example.org/\0",
        "s3://lab-data/ex.py",
    ],
    "command": ["", "  ", "ex.py \0"],
    "nodes": [-1, 201],
    "reference": ["a b", "a:b", "-a", "a..b c"],
    "folder": ["..", "../x", "/x", "a/../b", "a\\b"],
    "credentials": _NO_BLOCK,
    "environment": [{"A=B": "x"}, {"1A": "x"}, {"": "x"}, {"A": "\0"}, {"A": 1}],
    "secrets": [{"A=B": "token"}, {"1A": "token"}, {"A": ""}, {"A": "My Token"}, {"A": 1}],
    "timeout": ["", "60", "0m", "1.5h"],
    "retries": [-1, 21, "often"],
    "retry_delay": ["", "60", "-1m", "1.5h"],
    "retry_on": ["program", ["luck"]],
    "ranks_per_node": [-1, 257],
    "only_on": [1, [0], [201], ["head"]],
    "output_per_rank": _NO_FLAG,
    "store": _NO_BLOCK,
    "output_limit_mib": [-1, 1_048_577, "1G"],
    "ranks": [-1, 51201],
    "raw": _NO_FLAG,
    "submodules": _NO_FLAG,
    # accounts
    "variant": ["own"],
    "features": [["cooking"], "all"],
    "one_time_keys": ["AKIAIOSFODNN7EXAMPLE"],
    "role_name": ["", "admin", "groundwork-", "groundwork-a/b"],
    "account_id": ["", "123", "12345678901a", 123456789012],
    "default_region": _NO_REGION,
    "role_arn": ["groundwork-access", "arn:aws:iam::123:role/x", "arn:aws:iam::123456789012:user/x"],
    "access_keys": ["AKIAIOSFODNN7EXAMPLE"],
    # regions and images
    "delete_bucket": _NO_FLAG,
    "remove_orphans": _NO_FLAG,
    "key_deletion_days": [6, 31],
    "version": ["", "newest", "2026", "2026.11 "],
    "base_image": ["ami-1", "subnet-01234567"],
    "setup_script": ["x" * 10241],
    "regions": [["us-east"], [""], "us-east-1"],
    "built_in": _NO_REGION,
}

FIELDS = CREATE_AWS_CLUSTER.keys() | _OTHERS.keys()
"""The names of all fields there are."""


def refused(field: str, schema: dict[str, Any]) -> list[Any]:
    """Values that a field of a flow's form must not take; a field that must be given cannot be empty either."""
    values = {**CREATE_AWS_CLUSTER, **_OTHERS}[field]
    return [*values, ""] if field in schema.get("required", []) and "" not in values else values


def given(schema: dict[str, Any]) -> dict[str, Any]:
    """Values for the fields that a form must be given: of their shape, whatever else they are."""
    shown = {name: told for name, told in schema["properties"].items() if name in schema.get("required", [])}
    return {
        name: {"$ref": {"block_document_slug": "x/y"}} if "$ref" in told else _GOOD[name]
        for name, told in shown.items()
    }


_GOOD: dict[str, Any] = {
    "name": "lab",
    "node_count": 4,
    "addresses": ["203.0.113.7/32"],
    "source": "https://example.org/x",
    "command": "ex.py",
    "account_id": "123456789012",
    "region": "us-east-1",
    "version": "2026.11",
    "subnet_id": "subnet-01234567",
    "security_group_id": "sg-01234567",
}
