"""The form of create-aws-cluster: its fields and defaults, and what must go together before AWS is asked anything."""

from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema

from blocks.aws_account import EVERYDAY, AwsAccount, Feature, Variant, completed
from blocks.aws_cluster import AwsClusterSpec, Doubt
from blocks.cluster_spec import LocalClusterSpec
from blocks.errors import AccessDenied, BadInput, QuotaExceeded
from flows.aws_clusters import create_aws_cluster
from tasks.providers.aws import form_rules
from tasks.providers.aws.findings import PlanFinding, Severity, error, note, require_none, warning, without
from tests.worlds.bad_fields import key

SCHEMA = parameter_schema(create_aws_cluster).model_dump()
FIELDS: dict[str, Any] = SCHEMA["properties"]


def rsa(bits: int) -> str:
    return key("ssh-rsa", b"\x01\x00\x01", (1 << (bits - 1)).to_bytes(bits // 8 + 1, "big"))


# ----------------------------------------------------------------------------------------------- fields and defaults

DEFAULTS: dict[str, Any] = {
    # Bodo's form
    "efa": False,
    "node_type": "c5.xlarge",
    "node_count": 4,
    "image_version": "",
    "auto_shutdown": "never",
    "ssh_public_keys": [],
    "allowed_addresses": [],
    "zone": "",
    "tags": {},
    "spot": False,
    "instance_profile": "",
    "description": "",
    # Hopsworks'
    "region": "",
    "head_type": "",
    "head_disk_gib": 512,
    "node_disk_gib": 100,
    "bucket": "",
    "backup_retention_days": 0,
    "vpc_id": "",
    "subnet_id": "",
    "security_group_id": "",
    "public_addresses": False,
    "user_management": "disabled",
    "services": ["ui"],
    "init_script": "",
    "init_script_runs": "last",
    "init_script_minutes": 10,
    # ours
    "slots_per_node": 0,
    "jump_host": None,
    "on_failure": "remove",
    "minimum_nodes": 1,
    "ignore_warnings": [],
    "dry_run": False,
}


def test_the_form_has_every_field_with_its_default() -> None:
    """CLU-02, CLU-03: those of both seed forms; only the name and the account must be given."""
    assert {field: _plain(told.get("default")) for field, told in FIELDS.items() if field in DEFAULTS} == DEFAULTS
    assert set(FIELDS) == {*DEFAULTS, "name", "account"}
    assert set(SCHEMA["required"]) == {"name", "account"}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_the_form_is_the_definition() -> None:
    """CLU-01, CLU-02: each field of the form reaches the cluster's definition under its own name, and none is lost."""
    assert set(AwsClusterSpec.model_fields) == set(FIELDS) - {"dry_run"}
    for field in set(DEFAULTS) - {"dry_run", "jump_host", "region"}:
        default = AwsClusterSpec.model_fields[field].get_default(call_default_factory=True)
        assert _plain(default) == DEFAULTS[field], field


def test_a_script_s_lines_end_as_nodes_read_them() -> None:
    """CLU-21: text from Windows names an interpreter that no node has."""
    assert LocalClusterSpec(name="lab", init_script="#!/bin/sh\r\ntrue\r\n").init_script == "#!/bin/sh\ntrue\n"


# --------------------------------------------------------------------------------------------------- fields together


def account(variant: Variant = Variant.AUTOMATED, **told: Any) -> AwsAccount:
    features = told.pop("features", EVERYDAY)
    return AwsAccount(external_id="id-1", variant=variant, features=completed(variant, features), **told)


def found(of: AwsAccount | None = None, **wishes: Any) -> list[PlanFinding]:
    asked = {"name": "lab", "account": "aws-account/team", "region": "us-east-1", **wishes}
    return form_rules.findings(AwsClusterSpec(**asked), of or account())


def stopping(told: list[PlanFinding]) -> set[str]:
    return {one.field for one in told if one.severity in (Severity.ERROR, Severity.WARNING)}


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"node_count": 1},
        {"on_failure": "go-on-smaller", "minimum_nodes": 4},
        {"vpc_id": "vpc-01234567", "subnet_id": "subnet-01234567", "security_group_id": "sg-01234567"},
        {"zone": "us-east-1b"},
        {"instance_profile": "groundwork-node-mine", "bucket": "groundwork-mine"},
        {"ssh_public_keys": (key(), rsa(2048), key("ecdsa-sha2-nistp256", b"nistp256", b"\x04" * 65))},
        {"allowed_addresses": ("203.0.113.7/32", "2001:db8::1/128"), "services": ("ui", "ssh")},
        {"tags": {"cost": "lab", "AWSome": "x", "name": "x"}},
        {"spot": True, "efa": True, "public_addresses": True},
        {"services": ()},
        {"init_script": "#!/usr/bin/env bash\r\necho hello\r\n"},
    ],
)
def test_what_goes_together_passes(wishes: dict[str, Any]) -> None:
    assert stopping(found(**wishes)) == set()


TOGETHER: list[tuple[str, dict[str, Any]]] = [
    ("minimum_nodes", {"node_count": 4, "minimum_nodes": 5, "on_failure": "go-on-smaller"}),
    ("minimum_nodes", {"minimum_nodes": 2}),
    ("vpc_id", {"vpc_id": "vpc-01234567"}),
    ("subnet_id", {"subnet_id": "subnet-01234567"}),
    ("security_group_id", {"security_group_id": "sg-01234567"}),
    ("zone", {"zone": "us-east-2a"}),
    ("zone", {"zone": "us-east-1a", "vpc_id": "vpc-01234567", "subnet_id": "subnet-01234567"}),
    ("instance_profile", {"instance_profile": "mine"}),
    ("bucket", {"bucket": "mine"}),
    ("bucket", {"bucket": "groundwork..mine"}),
    ("backup_retention_days", {"backup_retention_days": 6}),
    ("backup_retention_days", {"backup_retention_days": 7}),
    ("auto_shutdown", {"auto_shutdown": "60m"}),
    ("ssh_public_keys", {"ssh_public_keys": (key(), key())}),
    ("ssh_public_keys", {"ssh_public_keys": (key("ssh-ed25519", b"\x07" * 31),)}),
    ("ssh_public_keys", {"ssh_public_keys": (key("ssh-ed25519", says="ecdsa-sha2-nistp256"),)}),
    ("ssh_public_keys", {"ssh_public_keys": (rsa(1024),)}),
    ("ssh_public_keys", {"ssh_public_keys": ("ssh-ed25519 " + key().split()[1][:60],)}),
    ("allowed_addresses", {"services": ("ssh",), "allowed_addresses": ("203.0.113.7/24",)}),
    ("allowed_addresses", {"services": ("ssh",), "allowed_addresses": ("203.0.113.0/24",)}),
    ("allowed_addresses", {"services": ("ssh",), "allowed_addresses": ("0.0.0.0/0",)}),
    ("allowed_addresses", {"services": ("ssh",), "allowed_addresses": ("::/0",)}),
    ("allowed_addresses", {"services": ("ssh",), "allowed_addresses": ("300.0.0.1/32",)}),
    ("services", {"services": ("ssh",)}),
    ("tags", {"tags": {"aws:cost": "x"}}),
    ("tags", {"tags": {"AWS:cost": "x"}}),
    ("tags", {"tags": {"groundwork:cluster": "x"}}),
    ("tags", {"tags": {"Name": "x"}}),
]


@pytest.mark.parametrize(("field", "wishes"), TOGETHER)
def test_what_does_not_go_together_names_its_field(field: str, wishes: dict[str, Any]) -> None:
    """CLU-02, CLU-03, CLU-38: each is the only finding, and its error says where."""
    told = found(**wishes)
    assert stopping(told) == {field}
    with pytest.raises(BadInput) as caught:
        require_none(told)
    assert caught.value.where == field


IN_IT: dict[str, Any] = {
    "vpc_id": "vpc-01234567",
    "subnet_id": "subnet-01234567",
    "security_group_id": "sg-01234567",
    "instance_profile": "nodes",
}


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("vpc_id", {"vpc_id": "vpc-89abcdef"}),
        ("instance_profile", {"instance_profile": "others"}),
        ("security_group_id", {"security_group_id": ""}),
        ("bucket", {"bucket": "groundwork-mine"}),
    ],
)
def test_a_restricted_account_gives_what_it_names(field: str, change: dict[str, Any]) -> None:
    """NET-02: the network and the instance profile are the account's, and groups are made by whoever may."""
    restricted = account(
        Variant.RESTRICTED, vpc_id="vpc-01234567", instance_profile="nodes", features=[Feature.EFS, Feature.PORTS]
    )
    assert stopping(found(restricted, **IN_IT)) == set()
    assert stopping(found(restricted, **{**IN_IT, **change})) == {field}


def test_an_account_gives_what_it_was_connected_for() -> None:
    """CLU-02: the spot price and the shared folder are features that an account may lack."""
    poor = account(features=[Feature.PORTS])
    assert stopping(found(poor)) == {"account"}
    assert stopping(found(poor, spot=True)) == {"account", "spot"}
    assert [one.severity for one in found(spot=True)] == [Severity.NOTE]


# ---------------------------------------------------------------------------------------------------------- severity

A_DOUBT = warning(Doubt.BACKUP, "backup_retention_days", "w")


def test_a_warning_is_set_aside_by_its_name_and_stays_visible() -> None:
    """CLU-08: it stops the cluster, says how to go on, and is shown as ignored afterwards."""
    with pytest.raises(BadInput, match=r"Or name backup in ignore_warnings|name backup in ignore_warnings"):
        require_none([A_DOUBT])
    [ignored] = without([A_DOUBT], [Doubt.BACKUP])
    assert (ignored.severity, ignored.field) == (Severity.IGNORED, "backup_retention_days")
    require_none([ignored])
    assert without([A_DOUBT], [Doubt.PERMISSIONS]) == (A_DOUBT,)


def test_an_error_cannot_be_set_aside() -> None:
    """CLU-08: it comes before warnings, with the kind that it is, and the other fields are named besides."""
    refused = error("node_count", "e", "a.", kind=QuotaExceeded)
    assert without([refused], list(Doubt)) == (refused,)
    with pytest.raises(QuotaExceeded, match=r"node_count: e\. a\. See also: backup_retention_days\."):
        require_none([A_DOUBT, refused, note("zone", "n")])


def test_notes_stop_nothing() -> None:
    require_none([note("zone", "n")])
    with pytest.raises(AccessDenied):
        require_none([note("zone", "n"), warning(Doubt.PERMISSIONS, "account", "w", kind=AccessDenied)])
