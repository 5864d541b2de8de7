"""Which IAM actions and resources a call to IAM itself needs ("Actions, resources, and condition keys for AWS IAM")."""

from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Call
from tests.worlds.aws.permissions import attached
from tests.worlds.aws.permissions.needs import Context, Need, asked_tags, held_tags, pass_role

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_LISTS = {
    "ListGroups": "group/",
    "ListInstanceProfiles": "instance-profile/",
    "ListPolicies": "policy/",
    "ListRoles": "role/",
    "ListUsers": "user/",
}
"""Lists are judged by the path that they look under."""

_OF_NO_ONE = {"GetAccountAuthorizationDetails", "GetAccountSummary", "SimulateCustomPolicy", "GetAccountPasswordPolicy"}

_OWN = {"GetUser", "CreateAccessKey", "DeleteAccessKey", "UpdateAccessKey", "ListAccessKeys", "ChangePassword"}
"""Without a UserName these are about the caller."""


def needs(world: "World", call: Call) -> list[Need]:
    """Return what a call to IAM needs."""
    arn, tags = _resource(call)
    context: Context = {**asked_tags(call.params.get("Tags", [])), **held_tags(tags, "iam")}
    if call.params.get("TagKeys"):
        context["aws:tagkeys"] = list(call.params["TagKeys"])
    if call.params.get("PolicyArn") and call.operation.startswith(("Attach", "Detach")):
        context["iam:policyarn"] = [call.params["PolicyArn"]]
    if call.params.get("PermissionsBoundary"):
        context["iam:permissionsboundary"] = [call.params["PermissionsBoundary"]]
    if call.params.get("AWSServiceName"):
        context["iam:awsservicename"] = [call.params["AWSServiceName"]]
    found = [Need(f"iam:{call.operation}", arn, context)]
    if call.operation in ("CreateRole", "CreateUser", "CreatePolicy", "CreateInstanceProfile") and call.params.get(
        "Tags"
    ):
        found.append(Need(f"iam:Tag{call.operation.removeprefix('Create')}", arn, context))
    if call.operation == "AddRoleToInstanceProfile":
        found.append(pass_role(_named(call, "role", call.params["RoleName"])[0], "ec2.amazonaws.com"))
    return found


def _resource(call: Call) -> tuple[str, dict[str, str]]:
    params = call.params
    if call.operation in _LISTS:
        path = str(params.get("PathPrefix") or "/").lstrip("/")
        return f"arn:aws:iam::{call.account}:{_LISTS[call.operation]}{path}", {}
    if call.operation in _OF_NO_ONE:
        return "*", {}
    if call.operation == "CreateServiceLinkedRole":
        service = params["AWSServiceName"]
        return f"arn:aws:iam::{call.account}:role/aws-service-role/{service}/AWSServiceRoleFor*", {}
    for member, kind in (
        ("InstanceProfileName", "instance-profile"),
        ("RoleName", "role"),
        ("GroupName", "group"),
        ("UserName", "user"),
        ("PolicyName", "policy"),
    ):
        if params.get(member):
            return _named(call, kind, params[member])
    return _by_arn(call)


def _by_arn(call: Call) -> tuple[str, dict[str, str]]:
    arn = call.params.get("PolicyArn") or call.params.get("PolicySourceArn")
    if arn:
        policy = attached.store(call.account).managed_policies.get(arn)
        return arn, {tag["Key"]: tag["Value"] for tag in policy.get_tags()} if policy else {}
    if call.operation in _OWN and not call.principal.is_root:
        return call.principal.identity, {}
    return "*", {}


def _named(call: Call, kind: str, name: str) -> tuple[str, dict[str, str]]:
    iam = attached.store(call.account)
    every: dict[str, Any] = {
        "group": iam.groups,
        "instance-profile": iam.instance_profiles,
        "policy": {},
        "role": iam.roles,
        "user": iam.users,
    }
    found = next((entity for entity in list(every[kind].values()) if entity.name == name), None)
    if found is None:
        path = str(call.params.get("Path") or "/") if call.operation.startswith("Create") else "/"
        return f"arn:aws:iam::{call.account}:{kind}{path}{name}", {}
    return found.arn, {tag["Key"]: tag["Value"] for tag in getattr(found, "tags", None) or []}
