"""The policy simulator: SimulatePrincipalPolicy and SimulateCustomPolicy, which moto does not have.

By the IAM API reference of both. The results of one action over several resources stand in ResourceSpecificResults; the
result itself is their sum, and its EvalResourceName a pattern and no resource of the caller's.
"""

import functools
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from botocore.session import get_session
from moto.iam.aws_managed_policies import aws_managed_policies_data

from tests.worlds.aws.call import Answer, Call, CannotAnswer, Principal, Refused
from tests.worlds.aws.permissions import attached, judging
from tests.worlds.aws.permissions.policies import Decision, Policy, Question, decide
from tests.worlds.aws.rules import answer

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_SERVICES = {
    "cloudformation": "cloudformation",
    "cloudwatch": "cloudwatch",
    "dynamodb": "dynamodb",
    "ec2": "ec2",
    "elasticfilesystem": "efs",
    "iam": "iam",
    "kms": "kms",
    "logs": "logs",
    "s3": "s3",
    "sagemaker": "sagemaker",
    "secretsmanager": "secretsmanager",
    "servicequotas": "service-quotas",
    "ssm": "ssm",
    "sts": "sts",
    "tag": "resourcegroupstaggingapi",
}
"""boto3's name of a service, by the prefix of its IAM actions."""


@answer("iam", "SimulatePrincipalPolicy")
def simulate_principal(world: "World", call: Call) -> Answer:
    """Say what the policies of a user, role or group allow; further policies may be given."""
    arn = call.params["PolicySourceArn"]
    known = _entity(call, arn)
    policies = [*known.policies, *_read(call, "PolicyInputList")]
    bounds = _read(call, "PermissionsBoundaryPolicyInputList") or ([known.boundary] if known.boundary else [])
    return _simulate(world, call, policies, bounds, arn)


@answer("iam", "SimulateCustomPolicy")
def simulate_custom(world: "World", call: Call) -> Answer:
    """Say what the policies given allow."""
    bounds = _read(call, "PermissionsBoundaryPolicyInputList")
    return _simulate(world, call, _read(call, "PolicyInputList"), bounds, call.params.get("CallerArn", ""))


def _entity(call: Call, arn: str) -> attached.Identity:
    match = re.fullmatch(r"arn:aws:iam::(\d{12}):(user|role|group)/(?:.*/)?([^/]+)", arn)
    if match is None:
        raise Refused("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name.", 400)
    found = attached.identity(arn) if match[1] == call.account else None
    if found is None:
        raise Refused("NoSuchEntity", f"The {match[2]} with name {match[3]} cannot be found.", 404)
    return found


def _read(call: Call, member: str) -> list[Policy]:
    policies = []
    for number, text in enumerate(call.params.get(member, []), 1):
        try:
            policies.append(Policy.read(text, f"{member}.{number}"))
        except ValueError as error:
            raise Refused("InvalidInput", f"Invalid Input Policy: {error}", 400) from error
    return policies


def _simulate(world: "World", call: Call, policies: list[Policy], bounds: list[Policy], caller: str) -> Answer:
    for member in ("ResourcePolicy", "ResourceHandlingOption", "OrderedOrganizationPolicyInputList"):
        if call.params.get(member):
            raise CannotAnswer(f"{member} is not modelled")
    if call.params.get("PolicyExclusionList"):
        raise CannotAnswer("PolicyExclusionList is not modelled")
    context = {
        entry["ContextKeyName"].lower(): [str(value) for value in entry.get("ContextKeyValues", [])]
        for entry in call.params.get("ContextEntries", [])
    }
    principal = Principal(caller, call.account, "")
    results = []
    for action in call.params["ActionNames"]:
        _check(action)
        questions = [
            Question(action, resource, context, principal) for resource in call.params.get("ResourceArns") or ["*"]
        ]
        denied = judging.is_denied_by_organization(world, call.account, action)
        results.append(_result(questions, policies, bounds, denied=denied))
    return {"EvaluationResults": results, "IsTruncated": False}


def _check(action: str) -> None:
    prefix, colon, name = action.partition(":")
    is_known = prefix not in _SERVICES or name.lower() in _actions(prefix)
    if not colon or not re.fullmatch(r"[A-Za-z0-9]+", name) or not is_known:
        raise Refused("InvalidInput", f"Invalid Input Actions: {action}", 400)


@functools.cache
def _actions(prefix: str) -> frozenset[str]:
    """All actions of a service, in small letters: its operations, and whatever AWS's own policies name besides."""
    operations = get_session().get_service_model(_SERVICES[prefix]).operation_names
    named = re.findall(rf'"{prefix}:([A-Za-z0-9]+)"', aws_managed_policies_data)
    return frozenset(name.lower() for name in (*operations, *named))


def _result(questions: list[Question], policies: list[Policy], bounds: list[Policy], *, denied: bool) -> Answer:
    specific = [_specific(question, policies, bounds, denied=denied) for question in questions]
    outcomes = [told["EvalResourceDecision"] for told in specific]
    result: dict[str, Any] = {
        "EvalActionName": questions[0].action,
        "EvalResourceName": _pattern(questions[0].resource),
        "EvalDecision": next((told for told in ("explicitDeny", "implicitDeny") if told in outcomes), "allowed"),
        "MatchedStatements": _once(row for told in specific for row in told["MatchedStatements"]),
        "MissingContextValues": _once(key for told in specific for key in told["MissingContextValues"]),
    }
    if denied:
        result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": False}
    if bounds:
        is_inside = all(told["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] for told in specific)
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": is_inside}
    if questions[0].resource != "*":
        result |= {"ResourceSpecificResults": specific, "EvalDecisionDetails": {}}
    return result


def _specific(question: Question, policies: list[Policy], bounds: list[Policy], *, denied: bool) -> Answer:
    decision, bound = decide(policies, question), decide(bounds, question)
    outcome = decision.outcome
    if denied or (bounds and bound.outcome == "explicitDeny"):
        outcome = "explicitDeny"
    elif bounds and not bound.is_allowed and decision.is_allowed:
        outcome = "implicitDeny"
    told = {
        "EvalResourceName": question.resource,
        "EvalResourceDecision": outcome,
        "MatchedStatements": _statements(decision),
        "MissingContextValues": _once([*decision.missing, *bound.missing]),
    }
    if bounds:
        told["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": bound.is_allowed}
    return told


def _statements(decision: Decision) -> list[dict[str, str]]:
    return [{"SourcePolicyId": policy.name, "SourcePolicyType": policy.kind} for policy in decision.matched]


def _pattern(arn: str) -> str:
    """Return an ARN as AWS's list of resource types shows it, with names of parts in place of parts."""
    if arn.count(":") < 5:
        return "*"
    _, _, service, region, account, name = arn.split(":", 5)
    kind, slash, _ = name.partition("/")
    place = f"{'${Region}' if region else ''}:{'${Account}' if account else ''}"
    return f"arn:${{Partition}}:{service}:{place}:{f'{kind}/${{Name}}' if slash and account else '${Name}'}"


def _once(items: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found
