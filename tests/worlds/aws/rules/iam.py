"""What IAM refuses beside malformed policies: too many of something, and what is in use.

By "IAM and AWS STS quotas" and the errors of each operation in the IAM API reference.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.permissions import attached, service_roles
from tests.worlds.aws.rules import answer, refuse

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

MANAGED_POLICIES = 10
"""Managed policies on one role, user or group."""

_ON_ROLES = (
    "AttachRolePolicy",
    "DeleteRole",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
)


def _conflict(text: str) -> Refused:
    return Refused("DeleteConflict", text, 409)


def _find(entities: Any, name: str) -> Any:
    """Return a role, user or group by its name; None is left to moto, which says NoSuchEntity."""
    return next((found for found in list(entities.values()) if found.name == name), None)


@answer("iam", "AttachRolePolicy", "AttachUserPolicy", "AttachGroupPolicy")
def attach(world: "World", call: Call) -> Answer:
    """Attach a managed policy, ten at most. Attached already is as good."""
    kind = call.operation.removeprefix("Attach").removesuffix("Policy")
    iam = attached.store(call.account)
    holder = _find({"Role": iam.roles, "User": iam.users, "Group": iam.groups}[kind], call.params[f"{kind}Name"])
    if holder is not None and call.params["PolicyArn"] in holder.managed_policies:
        return {}
    if holder is not None and len(holder.managed_policies) >= MANAGED_POLICIES:
        raise Refused("LimitExceeded", f"Cannot exceed quota for PoliciesPer{kind}: {MANAGED_POLICIES}", 409)
    return world.moto(call)


@refuse("iam", "DeletePolicy")
def policy_in_use(world: "World", call: Call) -> None:
    """A policy goes when nothing has it and it has one version only."""
    iam = attached.store(call.account)
    arn = call.params["PolicyArn"]
    holders = [*iam.roles.values(), *iam.users.values(), *iam.groups.values()]
    if any(
        arn in holder.managed_policies or getattr(holder, "permissions_boundary_arn", "") == arn for holder in holders
    ):
        raise _conflict("Cannot delete a policy attached to entities.")
    found = iam.managed_policies.get(arn)
    if found is not None and len(found.versions) > 1:
        text = (
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions."
        )
        raise _conflict(f"{text} The default version is deleted with the policy.")


@refuse("iam", "DeleteUser")
def user_in_use(world: "World", call: Call) -> None:
    """A user goes when it has no keys, groups, devices, certificates and password; moto looks at its policies."""
    iam = attached.store(call.account)
    user = _find(iam.users, call.params["UserName"])
    for what in _of_user(iam, user) if user else ():
        raise _conflict(f"Cannot delete entity, must {what} first.")


def _of_user(iam: Any, user: Any) -> Iterator[str]:
    if user.access_keys:
        yield "delete access keys"
    if iam.get_groups_for_user(user.name):
        yield "remove user from all groups"
    if user.mfa_devices:
        yield "delete MFA device"
    if user.signing_certificates:
        yield "delete signing certificates"
    if user.password:
        yield "delete login profile"


@refuse("iam", "DeleteGroup")
def group_in_use(world: "World", call: Call) -> None:
    """A group goes when it has neither users nor policies."""
    group = _find(attached.store(call.account).groups, call.params["GroupName"])
    if group is None:
        return
    if group.users:
        raise _conflict("Cannot delete entity, must remove users from group first.")
    if group.managed_policies:
        raise _conflict("Cannot delete entity, must detach all policies first.")
    if group.policies:
        raise _conflict("Cannot delete entity, must delete policies first.")


@refuse("iam", "RemoveRoleFromInstanceProfile")
def role_not_in_profile(world: "World", call: Call) -> None:
    """Only what is in a profile can be taken out of it; moto stumbles."""
    profile = attached.store(call.account).instance_profiles.get(call.params["InstanceProfileName"])
    name = call.params["RoleName"]
    if profile is not None and name not in [role.name for role in profile.roles]:
        text = f"Role with name {name} in instance profile with name {profile.name} cannot be found."
        raise Refused("NoSuchEntity", text, 404)


@refuse("iam", "CreateRole", "PutRolePermissionsBoundary")
def unknown_boundary(world: "World", call: Call) -> None:
    """A boundary must exist: without it, moto would bind nothing."""
    arn = call.params.get("PermissionsBoundary")
    if arn and arn not in attached.store(call.account).managed_policies:
        # CreateRole's model does not list NoSuchEntity.
        code, status = ("InvalidInput", 400) if call.operation == "CreateRole" else ("NoSuchEntity", 404)
        raise Refused(code, f"Scope ARN: {arn} does not exist or is not attachable.", status)


@refuse("iam", *_ON_ROLES)
def role_of_a_service(world: "World", call: Call) -> None:
    """A service-linked role is changed by its service alone."""
    role = _find(attached.store(call.account).roles, call.params["RoleName"])
    if role is not None and ":role/aws-service-role/" in role.arn:
        text = f"Cannot perform the operation on the protected role '{role.name}' - this role is only modifiable by AWS"
        raise Refused("UnmodifiableEntity", text, 400)


@answer("iam", "CreateServiceLinkedRole")
def service_linked(world: "World", call: Call) -> Answer:
    """Make a service's own role, under the name that AWS gives it; a second one is refused."""
    iam = attached.store(call.account)
    suffix = f"_{call.params['CustomSuffix']}" if call.params.get("CustomSuffix") else ""
    own_name = service_roles.name_of(call.params["AWSServiceName"])
    name = f"{own_name}{suffix}" if own_name else ""
    try:
        told = None if _find(iam.roles, name) else world.moto(call)
    except Refused as refused:
        if refused.code != "EntityAlreadyExists":
            raise
        told = None
    if told is None:
        text = f"Service role name {name} has been taken in this account, please try a different suffix."
        raise Refused("InvalidInput", text, 400)
    if own_name:
        role = _find(iam.roles, told["Role"]["RoleName"])
        role.name = name
        told["Role"] |= {"RoleName": role.name, "Arn": role.arn}
    return told
