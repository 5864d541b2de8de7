"""STS: roles assumed by their trust policies, and who one is.

By the STS API reference and "How to use an external ID". A refused AssumeRole never tells whether the role exists.
"""

from typing import TYPE_CHECKING, Any

from tests.worlds.aws import identity
from tests.worlds.aws.call import Answer, Call, CannotAnswer, Principal, Refused
from tests.worlds.aws.keys import Key
from tests.worlds.aws.permissions import attached, judging
from tests.worlds.aws.permissions.needs import Need, asked_tags
from tests.worlds.aws.permissions.policies import Decision, Policy, Question, decide
from tests.worlds.aws.rules import answer
from tests.worlds.aws.rules.births import is_too_new

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_CHAINED_S = 3600
"""The longest session of a role that was assumed by a role."""


@answer("sts", "GetCallerIdentity")
def who(world: "World", call: Call) -> Answer:
    """Say who calls; nobody can be denied this."""
    return {"UserId": call.principal.user_id, "Account": call.account, "Arn": call.principal.arn}


@answer("sts", "AssumeRole")
def assume(world: "World", call: Call) -> Answer:
    """Give out a session of a role, where its trust policy and the caller's own policies allow it."""
    for member in ("SerialNumber", "TokenCode", "SourceIdentity", "ProvidedContexts", "TransitiveTagKeys"):
        if call.params.get(member):
            raise CannotAnswer(f"{member} is not modelled")
    if call.principal.is_root:
        raise Refused("AccessDenied", "Roles may not be assumed by root accounts.", 403)
    role = attached.entity(call.params["RoleArn"])
    text = f"User: {call.principal.arn} is not authorized to perform: sts:AssumeRole on resource: "
    if role is None or is_too_new(world, role.id, "new_role_delay_s") or not _is_trusted(world, call, role):
        raise Refused("AccessDenied", text + call.params["RoleArn"], 403)
    seconds = _seconds(call, role)
    name = call.params["RoleSessionName"]
    arn = f"arn:aws:sts::{role.account_id}:assumed-role/{role.name}/{name}"
    principal = Principal(arn, role.account_id, f"{role.id}:{name}", role.arn)
    tags = tuple((tag["Key"], tag["Value"]) for tag in call.params.get("Tags", []))
    key = world.keys.session(
        principal, identity.until(seconds).timestamp(), policies=_session_policies(call, role), tags=tags
    )
    told = {"AssumedRoleId": principal.user_id, "Arn": arn}
    return {"Credentials": _credentials(key, seconds), "AssumedRoleUser": told}


@answer("sts", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetFederationToken")
def other_ways(world: "World", call: Call) -> Answer:
    """Moto would give a session to everyone."""
    raise CannotAnswer("this way to a session is not modelled")


@answer("sts", "GetSessionToken")
def session_token(world: "World", call: Call) -> Answer:
    """Give out a session of the calling user."""
    if call.params.get("SerialNumber"):
        raise CannotAnswer("SerialNumber is not modelled")
    if call.principal.role:
        raise Refused("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
    most = 3600 if call.principal.is_root else 129600
    seconds = min(int(call.params.get("DurationSeconds") or 43200), most)
    key = world.keys.session(call.principal, identity.until(seconds).timestamp(), parent=call.access_key)
    return {"Credentials": _credentials(key, seconds)}


@answer("sts", "DecodeAuthorizationMessage")
def decode(world: "World", call: Call) -> Answer:
    """Say in JSON what an encoded authorization message of this world says."""
    try:
        return {"DecodedMessage": judging.decode(world, call.params["EncodedMessage"])}
    except KeyError as error:
        text = "Message cannot be decoded as it is not a valid encoded authorization message."
        raise Refused("InvalidAuthorizationMessageException", text, 400) from error


def _credentials(key: Key, seconds: int) -> Answer:
    return {
        "AccessKeyId": key.access_key,
        "SecretAccessKey": key.secret,
        "SessionToken": key.token,
        "Expiration": identity.until(seconds),
    }


def _is_trusted(world: "World", call: Call, role: Any) -> bool:
    actions = ["sts:AssumeRole", *(["sts:TagSession"] if call.params.get("Tags") else [])]
    return all(_is_allowed(world, call, role, action) for action in actions)


def _is_allowed(world: "World", call: Call, role: Any, action: str) -> bool:
    context = judging.about(world, call) | asked_tags(call.params.get("Tags", []))
    context["sts:rolesessionname"] = [call.params["RoleSessionName"]]
    context |= {f"aws:resourcetag/{tag['Key'].lower()}": [tag["Value"]] for tag in role.tags or []}
    if call.params.get("ExternalId"):
        context["sts:externalid"] = [call.params["ExternalId"]]
    trust = decide([_trust(role)], Question(action, role.arn, context, call.principal))
    return trust.is_allowed and _is_free_to(world, call, Need(action, role.arn, context), trust, role)


def _is_free_to(world: "World", call: Call, need: Need, trust: Decision, role: Any) -> bool:
    """Tell whether the caller's own policies let it: a principal that the trust names itself needs none at home."""
    reason = judging.why_not(world, call, need)
    is_home = call.account == role.account_id
    return not reason or (is_home and trust.is_direct and reason.startswith("because no identity-based policy"))


def _trust(role: Any) -> Policy:
    text = role.assume_role_policy_document
    return Policy.read(text, role.name, "resource")


def _seconds(call: Call, role: Any) -> int:
    seconds = int(call.params.get("DurationSeconds") or 3600)
    if seconds > int(role.max_session_duration or 3600):
        text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise Refused("ValidationError", text, 400)
    if call.principal.role and seconds > _CHAINED_S:
        text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        raise Refused("ValidationError", text, 400)
    return seconds


def _session_policies(call: Call, role: Any) -> tuple[str, ...]:
    arns = [told["arn"] for told in call.params.get("PolicyArns", [])]
    managed = attached.store(role.account_id).managed_policies
    found = [policy for arn in arns if (policy := managed.get(arn)) is not None]
    if len(found) < len(arns):
        raise Refused("MalformedPolicyDocument", "PolicyArns name a policy that does not exist.", 400)
    texts = [version.document for policy in found for version in policy.versions if version.is_default_version]
    inline = call.params.get("Policy")
    if inline:
        try:
            Policy.read(inline)
        except ValueError as error:
            raise Refused(
                "MalformedPolicyDocument", f"The policy is not in the valid JSON format: {error}", 400
            ) from error
        texts.append(inline)
    return tuple(texts)
