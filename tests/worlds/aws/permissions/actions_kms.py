"""Which IAM actions and resources a call to KMS needs, and what services do there with the caller's rights.

By "Actions, resources, and condition keys for AWS Key Management Service", and "AWS KMS permissions" in its guide.
"""

from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from tests.worlds.aws.call import Call
from tests.worlds.aws.permissions.needs import Context, Need, asked_tags, by_service, held_tags

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_SERVICES = {"efs": "elasticfilesystem", "ec2": "ec2", "ssm": "ssm"}


def needs(world: "World", call: Call) -> list[Need]:
    """Return what a call to KMS needs."""
    params = call.params
    tags = params.get("Tags", [])
    asked = asked_tags(tags, key="TagKey", value="TagValue")
    if params.get("TagKeys"):
        asked["aws:tagkeys"] = list(params["TagKeys"])
    arns = [_arn(call, alias) for alias in [params.get("AliasName")] if alias]
    arns += [key_arn(call, key) for key in _keys(call)]
    if call.operation == "CreateGrant":
        asked["kms:grantisforawsresource"] = ["false"]
    action = f"kms:{call.operation}"
    found = [Need(action, arn, {**asked, **_about(call, arn)}) for arn in arns] or [Need(action, "*", asked)]
    if call.operation == "CreateKey" and tags:
        found.append(Need("kms:TagResource", _arn(call, "key/*"), asked))
    return found


def _keys(call: Call) -> list[str]:
    named = [call.params.get(member) for member in ("KeyId", "TargetKeyId", "SourceKeyId", "DestinationKeyId")]
    if call.operation == "DeleteAlias":
        named.append(_store(call).get_key_id_from_alias(call.params["AliasName"]))
    return [key for key in named if key]


def _store(call: Call) -> Any:
    return get_backend("kms")[call.account][call.region]


def _arn(call: Call, name: str) -> str:
    return f"arn:aws:kms:{call.region}:{call.account}:{name}"


def key_arn(call: Call, key: str) -> str:
    """Return the ARN of a key that a request names by its id, an alias or an ARN of either."""
    if "alias/" in key:
        alias = "alias/" + key.partition("alias/")[2]
        return _arn(call, f"key/{_store(call).get_key_id_from_alias(alias) or alias}")
    return key if key.startswith("arn:") else _arn(call, f"key/{key}")


def _about(call: Call, arn: str) -> Context:
    if ":key/" not in arn:
        return {}
    key_id = arn.rpartition("/")[2]
    told = held_tags(dict(_store(call).tagger.get_tag_dict_for_resource(key_id)))
    aliases = _aliases(call, key_id)
    return {**told, "kms:resourcealiases": aliases} if aliases else told


def _aliases(call: Call, key_id: str) -> list[str]:
    found = _store(call).keys.get(key_id)
    return sorted(found.aliases) if found else []


def through(call: Call, key: str | None, actions: tuple[str, ...]) -> list[Need]:
    """Return what a service does with a key in the caller's name; nothing with a key of AWS's own.

    Such requests tell ``kms:ViaService``, and grants ``kms:GrantIsForAWSResource``.
    """
    if not key or "alias/aws/" in key:
        return []
    arn, service = key_arn(call, key), f"{_SERVICES[call.service]}.{call.region}.amazonaws.com"
    if any(alias.startswith("alias/aws/") for alias in _aliases(call, arn.rpartition("/")[2])):
        return []
    context = {
        **_about(call, arn),
        **by_service(f"{_SERVICES[call.service]}.amazonaws.com"),
        "kms:viaservice": [service],
    }
    grant = {**context, "kms:grantisforawsresource": ["true"]}
    return [Need(action, arn, grant if action == "kms:CreateGrant" else context) for action in actions]
