"""How what we make in AWS is tagged, named and found again."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.providers.aws.policies import TAG

CLUSTER_TAG = "groundwork:cluster"
"""The uuid of the cluster that owns a thing. What all clusters of a region share does not have it."""

PART_TAG = "groundwork:part"
"""What a thing is for, as ``public-subnet-1``: by it a second run finds what the first one made."""


@dataclass(frozen=True)
class Owner:
    """Whose a thing is.

    Args:
        installation: The Groundwork that made it.
        cluster: The cluster's uuid; empty: all clusters of the region share it.
        extra: The user's own tags.
    """

    installation: str
    cluster: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def tags(self, part: str, name: str = "") -> dict[str, str]:
        """Return all tags of a thing; ``name`` is what AWS's console shows."""
        ours = {TAG: self.installation, PART_TAG: part, "Name": name or f"groundwork-{part}"}
        return {**self.extra, **ours, **({CLUSTER_TAG: self.cluster} if self.cluster else {})}

    def born(self, kind: str, part: str, name: str = "") -> list[Any]:
        """Return the tags as EC2's create calls take them (``TagSpecifications``) for one kind of thing."""
        return [{"ResourceType": kind, "Tags": listed(self.tags(part, name))}]

    def filters(self, *parts: str, **more: str) -> list[Any]:
        """Return EC2's filters for things of this owner; ``more`` are filters by name, ``_`` for ``-``."""
        found = [{"Name": f"tag:{TAG}", "Values": [self.installation]}]
        if self.cluster:
            found.append({"Name": f"tag:{CLUSTER_TAG}", "Values": [self.cluster]})
        if parts:
            found.append({"Name": f"tag:{PART_TAG}", "Values": list(parts)})
        return [*found, *({"Name": name.replace("_", "-"), "Values": [value]} for name, value in more.items())]

    def token(self, *words: object) -> str:
        """Return the client token of one effect: the same for the same words, as long as EC2 takes (64 letters)."""
        return hashlib.sha256("\0".join([self.installation, self.cluster, *map(str, words)]).encode()).hexdigest()


def listed(tags: Mapping[str, str]) -> list[Any]:
    """Return tags as most of AWS's calls take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def told(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return tags as a mapping, out of what a describe call tells."""
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in tags}
