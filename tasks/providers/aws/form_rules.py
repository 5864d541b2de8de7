"""What the fields of an AWS cluster's form must be to go together: asked of nobody, before anything else.

A field's own shape is in ``blocks/aws_cluster.py`` and is checked when a run is submitted.
"""

import base64
import binascii
import ipaddress
from collections.abc import Callable, Iterator

from blocks.aws_account import AwsAccount, Feature, Variant
from blocks.aws_cluster import AwsClusterSpec, Doubt, OnFailure, Service
from blocks.errors import BadInput
from blocks.exposure import is_everyone, normalised
from tasks.providers.aws.findings import PlanFinding, error, note, warning
from tasks.providers.aws.policies import NODE_PREFIX, ROLE_PREFIX

SHORTEST_RETENTION_DAYS = 7
SMALLEST_RSA_BITS = 2048

_RESERVED_TAGS = ("aws:", "groundwork:")
_OUR_TAG = "Name"


def findings(spec: AwsClusterSpec, account: AwsAccount) -> list[PlanFinding]:
    """Return all that is wrong or doubtful with a form, in the order of its fields."""
    return [found for rule in _RULES for found in rule(spec, account)]


def _nodes(spec: AwsClusterSpec, _: AwsAccount) -> Iterator[PlanFinding]:
    if spec.minimum_nodes > spec.node_count:
        yield error("minimum_nodes", f"{spec.minimum_nodes} are more than the {spec.node_count} nodes of node_count")
    elif spec.minimum_nodes > 1 and spec.on_failure is not OnFailure.GO_ON_SMALLER:
        yield error(
            "minimum_nodes", f"it belongs to on_failure {OnFailure.GO_ON_SMALLER}", "Choose that, or leave it 1."
        )


def _network(spec: AwsClusterSpec, account: AwsAccount) -> Iterator[PlanFinding]:
    if spec.vpc_id and not spec.subnet_id:
        yield error("vpc_id", "a network of yours needs a subnet of yours", "Give subnet_id too.")
    if spec.subnet_id and not spec.vpc_id:
        yield error("subnet_id", "it needs the network that it is in", "Give vpc_id too.")
    if spec.security_group_id and not spec.vpc_id:
        yield error("security_group_id", "it needs the network that it is in", "Give vpc_id too.")
    if account.variant is Variant.RESTRICTED:
        yield from _restricted(spec, account)


def _restricted(spec: AwsClusterSpec, account: AwsAccount) -> Iterator[PlanFinding]:
    if spec.vpc_id != account.vpc_id:
        yield error("vpc_id", f"the account lets us work in {account.vpc_id} only", "Give that one, or leave it empty.")
    if not spec.security_group_id:
        yield error("security_group_id", "a restricted account makes no security groups", "Give one of that network.")
    if spec.bucket:
        yield error("bucket", "a restricted account gives us no buckets", "Leave it empty.")


def _place(spec: AwsClusterSpec, _: AwsAccount) -> Iterator[PlanFinding]:
    if spec.zone and spec.zone[:-1] != spec.region:
        yield error("zone", f"it is not in {spec.region}", f"Take one as {spec.region}a, or leave it empty.")
    elif spec.zone and spec.subnet_id:
        yield error("zone", "the subnet says in which zone nodes stand", "Leave it empty, or subnet_id.")


def _profile(spec: AwsClusterSpec, account: AwsAccount) -> Iterator[PlanFinding]:
    if account.variant is Variant.RESTRICTED:
        if spec.instance_profile != account.instance_profile:
            text = f"the account lets us give nodes {account.instance_profile} only"
            yield error("instance_profile", text, "Give that one, or leave it empty.")
    elif spec.instance_profile and not spec.instance_profile.startswith(NODE_PREFIX):
        yield error("instance_profile", f"our policies let us use names that begin with {NODE_PREFIX} only")


def _bucket(spec: AwsClusterSpec, _: AwsAccount) -> Iterator[PlanFinding]:
    if spec.bucket and not spec.bucket.startswith(ROLE_PREFIX):
        yield error("bucket", f"our policies let us use buckets whose names begin with {ROLE_PREFIX} only")
    elif ".." in spec.bucket:
        yield error("bucket", "two dots in a row are in no bucket's name")


def _retention(spec: AwsClusterSpec, _: AwsAccount) -> Iterator[PlanFinding]:
    if 0 < spec.backup_retention_days < SHORTEST_RETENTION_DAYS:
        yield error(
            "backup_retention_days", f"backups are kept for {SHORTEST_RETENTION_DAYS} days at least; 0: no backups"
        )
    elif spec.backup_retention_days:
        yield warning(
            Doubt.BACKUP, "backup_retention_days", "it is remembered, and no backups are made yet", "Choose 0."
        )


def _not_yet(spec: AwsClusterSpec, _: AwsAccount) -> Iterator[PlanFinding]:
    if spec.auto_shutdown != "never":
        text = "it is remembered, and no cluster ends by itself yet"
        yield warning(Doubt.AUTO_SHUTDOWN, "auto_shutdown", text, "Choose never, and delete-cluster when you are done.")


def _keys(spec: AwsClusterSpec, _: AwsAccount) -> Iterator[PlanFinding]:
    for number, key in enumerate(spec.ssh_public_keys, 1):
        wrong = _wrong_with(key)
        if wrong:
            yield error("ssh_public_keys", f"key {number} {wrong}", "Copy the whole line of the .pub file.")
    if len({key.split()[1] for key in spec.ssh_public_keys}) < len(spec.ssh_public_keys):
        yield error("ssh_public_keys", "the same key is there twice")


def _wrong_with(key: str) -> str:
    """Say what is wrong with a public key; its parts are as RFC 4253, section 6.6, and RFC 4251 say."""
    kind, text = key.split()[:2]
    try:
        parts = _parts(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return "is cut off or damaged"
    if parts[0] != kind.encode():
        return f"says {kind} and is another kind"
    if kind == "ssh-rsa":
        bits = int.from_bytes(parts[2], "big").bit_length() if len(parts) == 3 else 0
        if bits < SMALLEST_RSA_BITS:
            return f"has {bits} bits; RSA needs {SMALLEST_RSA_BITS}"
    if kind == "ssh-ed25519" and [len(part) for part in parts[1:]] != [32]:
        return "is cut off or damaged"
    return ""


def _parts(data: bytes) -> list[bytes]:
    parts = []
    while data:
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length or not length:
            raise ValueError("cut off")
        parts.append(data[4 : 4 + length])
        data = data[4 + length :]
    return parts


def _addresses(spec: AwsClusterSpec, _: AwsAccount) -> Iterator[PlanFinding]:
    field = "allowed_addresses"
    try:
        blocks = [ipaddress.ip_network(normalised(text, field=field)) for text in spec.allowed_addresses]
    except BadInput as wrong:
        yield error(field, wrong.what, wrong.advice)
        return
    if is_everyone(map(str, blocks)):
        yield warning(Doubt.WIDE_ADDRESSES, field, "ssh would be open to everyone", "Give your own addresses.")
    for block in blocks:
        if 0 < block.prefixlen < block.max_prefixlen:
            advice = f"Give single ones, as {block.network_address}/{block.max_prefixlen}."
            yield warning(Doubt.WIDE_ADDRESSES, field, f"{block} lets {block.num_addresses} addresses in", advice)
    if Service.SSH in spec.services and not blocks:
        yield error("services", "ssh is opened to addresses, and none is named", "Name them in allowed_addresses.")


def _tags(spec: AwsClusterSpec, _: AwsAccount) -> Iterator[PlanFinding]:
    for key in spec.tags:
        if key.lower().startswith(_RESERVED_TAGS) or key == _OUR_TAG:
            yield error("tags", f"{key} is not yours to set", "aws: is AWS's; groundwork: and Name are ours.")


def _features(spec: AwsClusterSpec, account: AwsAccount) -> Iterator[PlanFinding]:
    if spec.spot and Feature.SPOT not in account.features:
        yield error("spot", f"account {account.name} was connected without it", "Run show-aws-onboarding with it.")
    elif spec.spot:
        yield note("spot", "AWS takes spot nodes back at two minutes' notice, and they cannot be stopped, only deleted")
    if Feature.EFS not in account.features:
        text = f"account {account.name} was connected without efs, on which the shared folder lies"
        yield error("account", text, "Run show-aws-onboarding with it, and give the role the new policies.")


_RULES: tuple[Callable[[AwsClusterSpec, AwsAccount], Iterator[PlanFinding]], ...] = (
    _nodes,
    _network,
    _place,
    _profile,
    _bucket,
    _retention,
    _not_yet,
    _keys,
    _addresses,
    _tags,
    _features,
)
