"""Policies as IAM takes them: what is malformed, whom a trust policy may name, and how long a policy may be.

By "IAM and AWS STS quotas" and "Grammar of the IAM JSON policy language"; the words of refusals as public reports of
real ones quote them. Moto looks at the grammar, but not at a new role's trust policy, nor at principals and lengths.
"""

import json
import re
from typing import TYPE_CHECKING, Any

from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.policy_validation import IAMPolicyDocumentValidator, IAMTrustPolicyDocumentValidator

from tests.worlds.aws.call import Call, Refused
from tests.worlds.aws.permissions import attached
from tests.worlds.aws.permissions.conditions import as_list
from tests.worlds.aws.permissions.policies import Policy
from tests.worlds.aws.rules import refuse

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

INLINE_CHARACTERS = {"role": 10240, "user": 2048, "group": 5120}
"""All inline policies of one role, user or group together, without white space."""
MANAGED_CHARACTERS = 6144
TRUST_CHARACTERS = 2048


@refuse("iam", "CreateRole")
def new_trust(world: "World", call: Call) -> None:
    """A role's trust policy must be one, and name principals that exist."""
    _check_trust(call.params["AssumeRolePolicyDocument"])


@refuse("iam", "UpdateAssumeRolePolicy")
def changed_trust(world: "World", call: Call) -> None:
    """The same of a trust policy that is changed."""
    _check_trust(call.params["PolicyDocument"])


@refuse("iam", "CreatePolicy", "CreatePolicyVersion")
def managed(world: "World", call: Call) -> None:
    """A managed policy must be one, and not too long."""
    _check_permissions(call.params["PolicyDocument"])
    if _length(call.params["PolicyDocument"]) > MANAGED_CHARACTERS:
        raise Refused("LimitExceeded", f"Cannot exceed quota for PolicySize: {MANAGED_CHARACTERS}", 409)


@refuse("iam", "PutRolePolicy", "PutUserPolicy", "PutGroupPolicy")
def inline(world: "World", call: Call) -> None:
    """An inline policy must be one, and all of a role not too long together."""
    _check_permissions(call.params["PolicyDocument"])
    kind = call.operation.removeprefix("Put").removesuffix("Policy").lower()
    name = call.params[f"{kind.capitalize()}Name"]
    iam = attached.store(call.account)
    holders = list({"role": iam.roles, "user": iam.users, "group": iam.groups}[kind].values())
    holder = next((found for found in holders if found.name == name), None)
    kept = {**(holder.policies if holder else {}), call.params["PolicyName"]: call.params["PolicyDocument"]}
    if sum(_length(text) for text in kept.values()) > INLINE_CHARACTERS[kind]:
        text = f"Maximum policy size of {INLINE_CHARACTERS[kind]} bytes exceeded for {kind} {name}"
        raise Refused("LimitExceeded", text, 409)


def _length(text: str) -> int:
    return len(re.sub(r"\s", "", text))


def _malformed(text: str) -> Refused:
    return Refused("MalformedPolicyDocument", text, 400)


def _check_permissions(text: str) -> None:
    try:
        IAMPolicyDocumentValidator(text).validate()
        policy = Policy.read(text)
    except MalformedPolicyDocument as error:
        raise _malformed(error.message) from error
    except ValueError as error:
        raise _malformed(f"Syntax errors in policy: {error}") from error
    if any("Principal" in statement or "NotPrincipal" in statement for statement in policy.statements):
        raise _malformed("Policy document should not specify a principal.")


def _check_trust(text: str) -> None:
    if _length(text) > TRUST_CHARACTERS:
        raise Refused("LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {TRUST_CHARACTERS}", 409)
    try:
        json.loads(text)
    except ValueError as error:
        raise _malformed("This policy contains invalid Json") from error
    try:
        IAMTrustPolicyDocumentValidator(text).validate()
        policy = Policy.read(text)
    except MalformedPolicyDocument as error:
        raise _malformed(error.message) from error
    except ValueError as error:
        raise _malformed(f"Syntax errors in policy: {error}") from error
    for statement in policy.statements:
        _check_principals(statement.get("Principal", statement.get("NotPrincipal")))


def _check_principals(principals: Any) -> None:
    if principals is None:
        raise _malformed("Missing required field Principal")
    if principals == "*":
        return
    if not isinstance(principals, dict) or not principals:
        raise _malformed("Syntax errors in policy.")
    for kind, entries in principals.items():
        for entry in as_list(entries):
            if kind not in _EXISTS or not _EXISTS[kind](str(entry)):
                raise _malformed(f'Invalid principal in policy: "{kind}":"{entry}"')


def _is_identity(entry: str) -> bool:
    if entry == "*" or re.fullmatch(r"(arn:aws:iam::)?(?!0{12})\d{12}(?(1):root)", entry):
        return True
    session = re.fullmatch(r"arn:aws:sts::(\d{12}):assumed-role/([^/*?]+)/([^/*?]+)", entry)
    if session:
        roles = list(attached.store(session[1]).roles.values())
        return any(role.name == session[2] for role in roles)
    return attached.entity(entry) is not None


def _is_service(entry: str) -> bool:
    return re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com", entry) is not None


def _is_provider(entry: str) -> bool:
    known = ("cognito-identity.amazonaws.com", "www.amazon.com", "graph.facebook.com", "accounts.google.com")
    return entry in known or re.fullmatch(r"arn:aws:iam::\d{12}:(saml|oidc)-provider/.+", entry) is not None


_EXISTS = {"AWS": _is_identity, "Service": _is_service, "Federated": _is_provider}
"""By the kind of a principal, whether IAM takes an entry. Every account but 000000000000 exists in the world."""
