"""Which IAM actions, resources and condition keys each call needs (AWS: Service Authorization Reference)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from tests.worlds.aws.call import Call
from tests.worlds.aws.permissions import actions_ec2, actions_efs, actions_iam, actions_kms, actions_s3
from tests.worlds.aws.permissions.needs import Context, Need, asked_tags, held_tags, pass_role

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

PREFIXES = {
    "ce": "ce",
    "cloudformation": "cloudformation",
    "cloudwatch": "cloudwatch",
    "dynamodb": "dynamodb",
    "ec2": "ec2",
    "efs": "elasticfilesystem",
    "iam": "iam",
    "kms": "kms",
    "logs": "logs",
    "pricing": "pricing",
    "resourcegroupstaggingapi": "tag",
    "s3": "s3",
    "sagemaker": "sagemaker",
    "secretsmanager": "secretsmanager",
    "service-quotas": "servicequotas",
    "ssm": "ssm",
    "sts": "sts",
}
"""The prefix of each service's IAM actions, by boto3's name of the service."""

_NEVER = {"sts:GetCallerIdentity", "sts:GetSessionToken"}
"""Allowed to everyone (STS API reference: "No permissions are required")."""


def needs(world: "World", call: Call) -> list[Need]:
    """Return what a call needs; the resource ``*`` where AWS judges the action and no resource."""
    if call.name in _NEVER:
        return []
    found = _SERVICES.get(call.service, _others)(world, call)
    return [*found, *_passed(call), *_also(call)]


def _others(world: "World", call: Call) -> list[Need]:
    action = f"{PREFIXES[call.service]}:{call.operation}"
    asked = _asked(call.params)
    arns = _ARNS[call.service](call) if call.service in _ARNS else []
    return [Need(action, arn, {**asked, **_held(call, arn)}) for arn in arns] or [Need(action, "*", asked)]


def _asked(params: dict[str, Any]) -> Context:
    tags = params.get("Tags") or params.get("tags") or []
    if isinstance(tags, dict):
        return asked_tags([{"Key": name, "Value": value} for name, value in tags.items()])
    key, value = ("TagKey", "TagValue") if tags and "TagKey" in tags[0] else ("Key", "Value")
    names = params.get("TagKeys") or []
    return asked_tags(tags, key=key, value=value) or ({"aws:tagkeys": list(names)} if names else {})


def _held(call: Call, arn: str) -> Context:
    reader = _TAGS.get(call.service)
    return held_tags(reader(get_backend(call.service)[call.account][call.region], arn)) if reader else {}


def _arn(call: Call, service: str, name: str) -> str:
    return f"arn:aws:{service}:{call.region}:{call.account}:{name}"


def _ssm(call: Call) -> list[str]:
    params = call.params
    if call.operation == "SendCommand":
        owner = "" if params["DocumentName"].startswith("AWS-") else call.account
        names = params.get("InstanceIds") or ["*"]
        instances = [f"arn:aws:ec2:{call.region}:{call.account}:instance/{name}" for name in names]
        return [f"arn:aws:ssm:{call.region}:{owner}:document/{params['DocumentName']}", *instances]
    names = [params.get("Name"), *params.get("Names", []), params.get("Path")]
    if params.get("ResourceType") == "Parameter":
        names.append(params.get("ResourceId"))
    if "Parameter" not in call.operation and "Tags" not in call.operation:
        return []
    return [_arn(call, "ssm", f"parameter/{name.strip('/')}") for name in names if name]


def _ssm_tags(backend: Any, arn: str) -> dict[str, str]:
    name = arn.partition(":parameter/")[2]
    kept = backend._resource_tags.get("Parameter", {})
    return dict(kept.get(name) or kept.get(f"/{name}") or {})


def _also(call: Call) -> list[Need]:
    """Return the rights to tag what is made and to use the key of a secret parameter, actions of their own.

    By the API references of PutParameter, GetParameter and CreateLogGroup.
    """
    if call.name == "logs:CreateLogGroup" and call.params.get("tags"):
        return [Need("logs:TagResource", _logs(call)[0], _asked(call.params))]
    if call.name == "ssm:PutParameter":
        found = [
            Need("ssm:AddTagsToResource", arn, _asked(call.params)) for arn in _ssm(call) if call.params.get("Tags")
        ]
        is_secret = call.params.get("Type") == "SecureString"
        return found + actions_kms.through(call, call.params.get("KeyId") if is_secret else None, ("kms:Encrypt",))
    if call.service == "ssm" and call.params.get("WithDecryption"):
        kept = get_backend("ssm")[call.account][call.region]._parameters
        names = [call.params.get("Name"), *call.params.get("Names", [])]
        keys = {kept[name][-1].keyid for name in names if kept.get(name)}
        return [need for key in keys for need in actions_kms.through(call, key, ("kms:Decrypt",))]
    return []


def _secrets(call: Call) -> list[str]:
    asked = call.params.get("SecretId") or call.params.get("Name")
    if not asked or asked.startswith("arn:"):
        return [asked] if asked else []
    secrets = get_backend("secretsmanager")[call.account][call.region].secrets
    found = secrets.get(asked) if asked in secrets else None
    return [found.arn if found else _arn(call, "secretsmanager", f"secret:{asked}-??????")]


def _secret_tags(backend: Any, arn: str) -> dict[str, str]:
    found = next((secret for secret in list(backend.secrets.values()) if secret.arn == arn), None)
    return {tag["Key"]: tag["Value"] for tag in (found.tags or [])} if found else {}


def _dynamodb(call: Call) -> list[str]:
    names = [call.params.get("TableName"), *(call.params.get("RequestItems") or {})]
    actions = [one[kind].get("TableName") for one in call.params.get("TransactItems") or [] for kind in one]
    asked = [name for name in dict.fromkeys([*names, *actions]) if name]
    arns = [name if name.startswith("arn:") else _arn(call, "dynamodb", f"table/{name}") for name in asked]
    if call.params.get("IndexName"):
        return [f"{arn}/index/{call.params['IndexName']}" for arn in arns]
    return arns or [call.params["ResourceArn"]] if "ResourceArn" in call.params else arns


def _logs(call: Call) -> list[str]:
    name = call.params.get("logGroupName") or call.params.get("logGroupNamePrefix")
    if not name:
        return [call.params["resourceArn"]] if "resourceArn" in call.params else []
    stream = call.params.get("logStreamName")
    return [_arn(call, "logs", f"log-group:{name}" + (f":log-stream:{stream}" if stream else ":*"))]


def _cloudformation(call: Call) -> list[str]:
    name = call.params.get("StackName")
    if not name:
        return []
    return [name if name.startswith("arn:") else _arn(call, "cloudformation", f"stack/{name}/*")]


_ARNS: dict[str, Callable[[Call], list[str]]] = {
    "cloudformation": _cloudformation,
    "dynamodb": _dynamodb,
    "logs": _logs,
    "secretsmanager": _secrets,
    "ssm": _ssm,
}

_TAGS: dict[str, Callable[[Any, str], dict[str, str]]] = {
    "secretsmanager": _secret_tags,
    "ssm": _ssm_tags,
}

_SERVICES: dict[str, Callable[["World", Call], list[Need]]] = {
    "ec2": actions_ec2.needs,
    "efs": actions_efs.needs,
    "iam": actions_iam.needs,
    "kms": actions_kms.needs,
    "s3": actions_s3.needs,
}

_ROLE_MEMBERS = ("RoleARN", "RoleArn", "ExecutionRole", "ExecutionRoleArn", "roleArn", "serviceRole")


def _passed(call: Call) -> list[Need]:
    """Return the right to pass the role that a request gives to a service."""
    if call.service in ("iam", "sts"):
        return []
    told = {call.params.get(member): f"{call.service}.amazonaws.com" for member in _ROLE_MEMBERS}
    told[call.params.get("DeliverLogsPermissionArn")] = "vpc-flow-logs.amazonaws.com"
    return [pass_role(role, service) for role, service in told.items() if role]
