"""One right that a call needs: an IAM action on a resource, with what the request tells about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Context = dict[str, list[str]]


@dataclass(frozen=True)
class Need:
    """An IAM action on a resource's ARN. The context's keys are in small letters.

    A late one is asked for when the request is answered already: without it, what was made breaks.
    """

    action: str
    resource: str
    context: Context = field(default_factory=dict)
    is_late: bool = False


def asked_tags(tags: Iterable[Mapping[str, str]], *, key: str = "Key", value: str = "Value") -> Context:
    """Return the condition keys of the tags that a request asks for; empty where it asks for none."""
    told = {f"aws:requesttag/{tag[key].lower()}": [tag.get(value, "")] for tag in tags}
    names = [tag[key] for tag in tags]
    return {**told, "aws:tagkeys": names} if names else {}


def held_tags(tags: Mapping[str, str], prefix: str = "") -> Context:
    """Return the condition keys of the tags that a resource has; ``prefix`` adds the service's own form of them."""
    told = {f"aws:resourcetag/{name.lower()}": [value] for name, value in tags.items()}
    return told | ({f"{prefix}:resourcetag/{name.lower()}": [value] for name, value in tags.items()} if prefix else {})


def by_service(service: str) -> Context:
    """Return the condition keys of what a service does with the caller's rights ("Forward access sessions")."""
    return {"aws:viaawsservice": ["true"], "aws:calledvia": [service], "aws:calledviafirst": [service]}


def pass_role(role: str, service: str, about: str = "") -> Need:
    """Return the right to give a role to a service ("Grant a user permissions to pass a role to an AWS service")."""
    context = {"iam:passedtoservice": [service], **({"iam:associatedresourcearn": [about]} if about else {})}
    return Need("iam:PassRole", role, context)
