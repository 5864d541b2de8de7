"""What the IAM of an account knows of an identity: its policies, its bounds, its tags. Read from moto's store."""

from dataclasses import dataclass, field
from typing import Any

from moto.backends import get_backend

from tests.worlds.aws.permissions.policies import Kind, Policy


@dataclass(frozen=True)
class Identity:
    """A user, role or group. ``entity`` is moto's object of it, ``kind`` its word in an ARN."""

    entity: Any
    kind: Kind
    policies: list[Policy] = field(default_factory=list)
    boundary: Policy | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name, without its path."""
        return str(self.entity.name)


def store(account: str) -> Any:
    """Return moto's store of an account's IAM."""
    return get_backend("iam")[account]["aws"]


def entity(arn: str) -> Any:
    """Return moto's user, role or group of an ARN; None where there is none."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[4].isdigit():
        return None
    iam = store(parts[4])
    kind = parts[5].partition("/")[0]
    entities = {"role": iam.roles, "user": iam.users, "group": iam.groups}.get(kind, {})
    return next((found for found in list(entities.values()) if found.arn == arn), None)


def identity(arn: str) -> Identity | None:
    """Return what is known of an ARN's user, role or group, with a user's groups' policies; None where it is gone."""
    found = entity(arn)
    if found is None:
        return None
    kind: Kind = arn.split(":", 5)[5].partition("/")[0]
    policies = _policies(found, kind)
    if kind == "user":
        for group in store(found.account_id).get_groups_for_user(found.name):
            policies += _policies(group, "group")
    tags = {tag["Key"]: tag["Value"] for tag in getattr(found, "tags", None) or []}
    return Identity(found, kind, policies, _boundary(found), tags)


def _policies(holder: Any, kind: Kind) -> list[Policy]:
    inline = [Policy.read(text, f"{kind}_{holder.name}_{name}", kind) for name, text in list(holder.policies.items())]
    return [*inline, *(managed(policy) for policy in list(holder.managed_policies.values()))]


def managed(policy: Any) -> Policy:
    """Return moto's managed policy as it stands now: its default version."""
    text = next(version.document for version in policy.versions if version.version_id == policy.default_version_id)
    return Policy.read(text, policy.name, "aws-managed" if ":iam::aws:" in policy.arn else "user-managed")


def _boundary(found: Any) -> Policy | None:
    arn = getattr(found, "permissions_boundary_arn", None)
    policy = store(found.account_id).managed_policies.get(arn) if arn else None
    return managed(policy) if policy else None
