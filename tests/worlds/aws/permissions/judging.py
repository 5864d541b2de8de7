"""Whether policies allow a call: an organisation's, the caller's own, its bounds, its session's, and a bucket's.

By "Policy evaluation logic" in the IAM User Guide. The words of a refusal are those of "Troubleshoot access denied
error messages" there. Key policies of KMS are not judged: every key is as if its policy were AWS's default one, which
leaves the decision to IAM.
"""

import json
import re
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tests.worlds.aws.call import Call, CannotAnswer, Principal, Refused
from tests.worlds.aws.permissions import actions, attached, bucket_policies, conditions
from tests.worlds.aws.permissions.needs import Context, Need
from tests.worlds.aws.permissions.policies import Decision, Policy, Question, decide

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

MANAGEMENT_ACCOUNT = "111111111111"
"""The account whose identity the Prefect worker has; a service control policy does not bind it."""

_BY_IDENTITY = "no identity-based policy allows the {} action"
_BY_SESSION = "no session policy allows the {} action"
_BY_BOUNDARY = "no permissions boundary allows the {} action"
_BY_RESOURCE = "no resource-based policy allows the {} action"


class Messages:
    """What stands behind encoded authorization messages."""

    def __init__(self) -> None:
        self.plain: dict[str, str] = {}


def authorise(world: "World", call: Call) -> list[tuple[str, str]]:
    """Return the (IAM action, resource ARN) pairs that a call needs, all of them allowed.

    What is asked for only later, and will be denied, is kept in the call: ``denied_later``.

    Raises:
        Refused: A policy denies one of them, or none allows it; in the words of the call's service.
    """
    if call.name == "sts:AssumeRole":  # judged with the role's trust policy, where the session is made
        return [("sts:AssumeRole", call.params["RoleArn"])]
    needs = actions.needs(world, call)
    for need in needs:
        reason = why_not(world, call, need)
        if reason and not need.is_late:
            raise _refusal(world, call, need, reason)
        if reason:
            call.keep["denied_later"] = need.action
    return [(need.action, need.resource) for need in needs]


def why_not(world: "World", call: Call, need: Need) -> str:
    """Return why a need is not granted to the caller, in AWS's words; empty where it is granted."""
    if is_denied_by_organization(world, call.account, need.action):
        return "with an explicit deny in a service control policy"
    principal = call.principal
    context = {**about(world, call), "aws:resourceaccount": [_owner(need, principal)], **need.context}
    question = Question(need.action, need.resource, context, principal)
    by_bucket = bucket_policies.decision(question)
    if by_bucket.outcome == "explicitDeny":
        return "with an explicit deny in a resource-based policy"
    if principal.is_root:
        return _foreign_bucket(question, by_bucket)
    known = attached.identity(principal.identity)
    if known is None:
        raise CannotAnswer(f"no user or role is {principal.identity}")
    return _bounded(question, known, _session(world, call)) or _own(question, known, by_bucket)


def _owner(need: Need, principal: Principal) -> str:
    bucket = bucket_policies.owner(need.resource)
    named = need.resource.split(":")[4] if need.resource.count(":") >= 5 else ""
    return bucket or named or principal.account


def _bounded(question: Question, known: attached.Identity, session: list[Policy]) -> str:
    bounds = ((known.boundary, "a permissions boundary", _BY_BOUNDARY), (session, "a session policy", _BY_SESSION))
    for bound, name, words in bounds:
        if bound:
            decision = decide(bound if isinstance(bound, list) else [bound], question)
            if decision.outcome == "explicitDeny":
                return f"with an explicit deny in {name}"
            if not decision.is_allowed:
                return f"because {words.format(question.action)}"
    return ""


def _own(question: Question, known: attached.Identity, by_bucket: Decision) -> str:
    decision = decide(known.policies, question)
    if decision.outcome == "explicitDeny":
        return "with an explicit deny in an identity-based policy"
    is_foreign = bucket_policies.is_foreign(question)
    if is_foreign and not by_bucket.is_allowed:
        return f"because {_BY_RESOURCE.format(question.action)}"
    if decision.is_allowed or (by_bucket.is_allowed and by_bucket.is_direct and not is_foreign):
        return ""
    return f"because {_BY_IDENTITY.format(question.action)}"


def _foreign_bucket(question: Question, by_bucket: Decision) -> str:
    if bucket_policies.is_foreign(question) and not by_bucket.is_allowed:
        return f"because {_BY_RESOURCE.format(question.action)}"
    return ""


def _session(world: "World", call: Call) -> list[Policy]:
    key = world.keys.find(call.access_key)
    return [Policy.read(text, kind="none") for text in key.policies] if key else []


def is_denied_by_organization(world: "World", account: str, action: str) -> bool:
    """Tell whether the organisation (setting ``scp_denied``: patterns of actions) denies an account an action."""
    patterns: Iterable[str] = world.settings.get("scp_denied", [])
    return account != MANAGEMENT_ACCOUNT and any(
        re.fullmatch(conditions.glob(pattern.lower(), {}) or "", action.lower()) for pattern in patterns
    )


def about(world: "World", call: Call) -> Context:
    """Return the condition keys that every request has ("AWS global condition context keys")."""
    principal = call.principal
    told = {
        "aws:currenttime": [world.clock.now().isoformat().replace("+00:00", "Z")],
        "aws:epochtime": [str(int(world.clock.now_s()))],
        "aws:principalaccount": [principal.account],
        "aws:principalisawsservice": ["false"],
        "aws:principalarn": [principal.identity],
        "aws:principaltype": [_type(principal)],
        "aws:requestedregion": [call.region],
        "aws:securetransport": ["true"],
        "aws:sourceip": ["127.0.0.1"],
        "aws:userid": [principal.user_id],
        "aws:viaawsservice": ["false"],
    }
    if _type(principal) == "User":
        told["aws:username"] = [principal.arn.rpartition("/")[2]]
    if principal.role:
        told["aws:multifactorauthpresent"] = ["false"]
    return {**told, **_tags(world, call)}


def _tags(world: "World", call: Call) -> Context:
    known = attached.identity(call.principal.identity)
    key = world.keys.find(call.access_key)
    tags = {**(known.tags if known else {}), **dict(key.tags if key else ())}
    return {f"aws:principaltag/{name.lower()}": [value] for name, value in tags.items()}


def _type(principal: Principal) -> str:
    return "Account" if principal.is_root else "AssumedRole" if principal.role else "User"


def _refusal(world: "World", call: Call, need: Need, reason: str) -> Refused:
    arn = call.principal.arn
    if call.service == "ec2" and need.action == "iam:CreateServiceLinkedRole":
        text = (
            "The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances."
        )
        return Refused("AuthFailure.ServiceLinkedRoleCreationNotPermitted", text, 403)
    if call.service == "ec2":
        resource = "" if need.resource == "*" else f" on resource: {need.resource}"
        text = f"You are not authorized to perform this operation. User: {arn} is not authorized to perform: "
        encoded = (
            ""
            if need.resource == "*"
            else f". Encoded authorization failure message: {_encode(world, call, need, reason)}"
        )
        return Refused("UnauthorizedOperation", f"{text}{need.action}{resource} {reason}{encoded}", 403)
    text = f"User: {arn} is not authorized to perform: {need.action} on resource: {need.resource} {reason}"
    if call.service in ("iam", "sts", "cloudformation", "s3", "cloudwatch"):
        return Refused("AccessDenied", text, 403)
    return Refused("AccessDeniedException", text, 403 if call.service == "efs" else 400)


def _encode(world: "World", call: Call, need: Need, reason: str) -> str:
    """Keep what an encoded authorization message tells, and return the message."""
    principal = call.principal
    context = {**about(world, call), **need.context}
    plain = {
        "allowed": False,
        "explicitDeny": "explicit deny" in reason,
        "matchedStatements": {"items": []},
        "failures": {"items": []},
        "context": {
            "principal": {"id": principal.user_id, "name": principal.arn.rpartition("/")[2], "arn": principal.arn},
            "action": need.action,
            "resource": need.resource,
            "conditions": {
                "items": [
                    {"key": key, "values": {"items": [{"value": value} for value in values]}}
                    for key, values in sorted(context.items())
                ]
            },
        },
    }
    message = secrets.token_urlsafe(300)
    world.of(Messages).plain[message] = json.dumps(plain)
    return message


def decode(world: "World", message: str) -> str:
    """Return what an encoded authorization message says, as JSON.

    Raises:
        KeyError: This world has sent no such message.
    """
    return world.of(Messages).plain[message]
