"""Which of the actions that features need an account does not allow: asked of IAM's policy simulator, not tried.

By "SimulatePrincipalPolicy" in the IAM API Reference. The simulator reads the policies of our role or user, its
permissions boundary and the organisation's policies; nothing is made, and no example needs to exist.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from blocks.aws_account import AwsAccount, Feature, Finding
from blocks.errors import AccessDenied
from tasks.providers.aws.policies import Need, needs
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import ContextEntryTypeDef, EvaluationResultTypeDef

MOST_ACTIONS = 100
"""Actions in one question at most."""

_AT_ONCE = 4
_ALLOWED = "allowed"
_SILENT = "IAM did not say"
_BY_ORGANISATION = "an organisation's policy"

_Context = tuple[tuple[str, str], ...]
_Key = tuple[_Context, str, str]
"""Context, action, resource."""

_Verdicts = dict[_Key, str]
"""``allowed``, or who or what does not allow it."""


class _Question(NamedTuple):
    """Actions of one service that are asked in the same context. The answer is about each action on each resource."""

    context: _Context
    actions: tuple[str, ...]
    resources: tuple[str, ...]


def missing(session: AwsSession, account: AwsAccount) -> list[Finding]:
    """Return what each feature of an account lacks: a finding for each action, or a good one for the feature.

    Where the question itself is not allowed, one finding says so: that is unverified, and not bad.

    Args:
        session: Our session in the account.
        account: Whose features are asked about.

    Raises:
        CredentialsInvalid: AWS does not know us.
    """
    caller = session.caller()
    if caller.arn.endswith(":root"):
        return [
            _unverified("these are keys of the account's root user, whom policies do not bind", "Use a role instead.")
        ]
    asked = needs(
        account.variant,
        account.features,
        account_id=caller.account_id,
        vpc_id=account.vpc_id,
        instance_profile=account.instance_profile,
        region=account.default_region,
    )
    try:
        verdicts = _ask(session.client("iam"), account.role_arn or caller.arn, asked)
    except AccessDenied as error:
        return [
            _unverified(
                f"what is allowed cannot be asked: {error.what}",
                "Allow iam:SimulatePrincipalPolicy on it, or ask whoever manages the organisation; until then what is "
                "missing shows only when it is used.",
            )
        ]
    return list(_findings(asked, verdicts))


def _unverified(why: str, advice: str) -> Finding:
    return Finding(subject=Feature.CLUSTERS.value, state="unverified", text=f"{why}. {advice}")


def _ask(iam: "IAMClient", arn: str, asked: Sequence[Need]) -> _Verdicts:
    questions = list(_questions(asked))

    def ask(question: _Question) -> _Verdicts:
        with translated(f"permissions of {arn}"):
            return _simulate(iam, arn, question)

    # The first one alone: where asking is not allowed, it is refused once.
    verdicts = ask(questions[0])
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for told in threads.map(ask, questions[1:]):
            verdicts.update(told)
    return verdicts


def _questions(asked: Iterable[Need]) -> Iterator[_Question]:
    alike: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[set[str], set[str]]] = defaultdict(
        lambda: (set(), set())
    )
    for need in asked:
        service = "*" if need.resources == ("*",) else need.action.partition(":")[0]
        actions, resources = alike[service, _context(need)]
        actions.add(need.action)
        resources.update(need.resources)
    for (_, context), (actions, resources) in alike.items():
        every = sorted(actions)
        for start in range(0, len(every), MOST_ACTIONS):
            yield _Question(context, tuple(every[start : start + MOST_ACTIONS]), tuple(sorted(resources)))


def _context(need: Need) -> _Context:
    return tuple(sorted(need.context.items()))


def _simulate(iam: "IAMClient", arn: str, question: _Question) -> _Verdicts:
    context: list[ContextEntryTypeDef] = [
        {
            "ContextKeyName": key,
            "ContextKeyValues": [value],
            "ContextKeyType": "boolean" if value in ("true", "false") else "string",
        }
        for key, value in question.context
    ]
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn,
        ActionNames=list(question.actions),
        ResourceArns=list(question.resources),
        ContextEntries=context,
    )
    results = [result for page in pages for result in page["EvaluationResults"]]
    return {key: verdict for result in results for key, verdict in _read(result, question)}


def _read(result: "EvaluationResultTypeDef", question: _Question) -> Iterator[tuple[_Key, str]]:
    action = result["EvalActionName"]
    by_organisation = not result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)
    each = result.get("ResourceSpecificResults", [])
    for one in each:
        verdict = _verdict(one["EvalResourceDecision"], by_organisation=by_organisation)
        yield (question.context, action, one["EvalResourceName"]), verdict
    if not each:
        resource = question.resources[0] if len(question.resources) == 1 else result.get("EvalResourceName", "")
        yield (question.context, action, resource), _verdict(result["EvalDecision"], by_organisation=by_organisation)


def _verdict(decision: str, *, by_organisation: bool) -> str:
    if decision != _ALLOWED and by_organisation:
        return _BY_ORGANISATION
    return {"explicitDeny": "an explicit deny", "implicitDeny": "no policy allows it"}.get(decision, decision)


def _findings(asked: Sequence[Need], verdicts: Mapping[_Key, str]) -> Iterator[Finding]:
    features = list(dict.fromkeys(need.feature for need in asked))
    for feature in features:
        reasons: dict[str, dict[str, str]] = defaultdict(dict)
        own = [need for need in asked if need.feature is feature]
        for need in own:
            for resource in need.resources:
                verdict = verdicts.get((_context(need), need.action, resource), _SILENT)
                if verdict != _ALLOWED:
                    reasons[need.action][_kind(resource)] = verdict
        for action, kinds in reasons.items():
            yield _lack(feature, action, kinds)
        if not reasons:
            count = len({need.action for need in own})
            yield Finding(subject=feature.value, state="good", text=f"all {count} actions are allowed")


def _lack(feature: Feature, action: str, kinds: Mapping[str, str]) -> Finding:
    on = ", ".join(sorted(kind for kind in kinds if kind))
    why = " and ".join(sorted(set(kinds.values())))
    what = f"{action} is not allowed{f' on {on}' if on else ''} ({why}). Without it: {feature.price}."
    return Finding(subject=feature.value, state="unverified" if why == _SILENT else "bad", text=what)


def _kind(resource: str) -> str:
    """Return what kind of thing an example's ARN is, as ``instance`` or ``log-group``; empty for ``*``."""
    if resource == "*":
        return ""
    _, _, service, _, _, name = resource.split(":", 5)
    if service == "s3":
        return "object" if "/" in name else "bucket"
    return name.replace(":", "/").partition("/")[0] if service != "codepipeline" else "pipeline"
