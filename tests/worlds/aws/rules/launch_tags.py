"""Tags given in the call that makes something: ``TagSpecifications`` ("Tag your Amazon EC2 resources")."""

from tests.worlds.aws.call import Call, Refused

MOST = 50


def tags_for(call: Call, kind: str) -> dict[str, str]:
    """Return the tags that a call gives to the resources of a kind that it makes."""
    return tags_in(call.params.get("TagSpecifications") or [], kind)


def tags_in(specifications: list[dict[str, object]], kind: str) -> dict[str, str]:
    """Return the tags that a list of tag specifications has for a kind of resource."""
    found: dict[str, str] = {}
    for specification in specifications:
        if specification.get("ResourceType") == kind:
            tags = specification.get("Tags") or []
            found |= {tag["Key"]: tag.get("Value", "") for tag in tags}
    return found


def check_tags(specifications: list[dict[str, object]], kinds: frozenset[str]) -> None:
    """Refuse tags that AWS does not give.

    Args:
        specifications: As the call has them.
        kinds: The resources that the call makes.
    """
    for specification in specifications:
        kind = specification.get("ResourceType")
        if kind not in kinds:
            raise Refused(
                "InvalidParameterValue", f"'{kind}' is not a valid taggable resource type for this operation."
            )
        tags = tags_in([specification], str(kind))
        if any(key.lower().startswith("aws:") for key in tags):
            raise Refused("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
        if len(tags) > MOST:
            raise Refused("TagLimitExceeded", f"The maximum number of tags for a {kind} is {MOST}")
