"""What policies decide (AWS: "Policy evaluation logic"): an explicit deny first, then an allow, else no."""

import functools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.worlds.aws.call import Principal
from tests.worlds.aws.permissions import conditions
from tests.worlds.aws.permissions.conditions import Context, as_list

Outcome = Literal["allowed", "explicitDeny", "implicitDeny"]
Kind = Literal["user", "group", "role", "aws-managed", "user-managed", "resource", "none"]
"""Where a policy comes from, in the words of the policy simulator."""

Statement = Mapping[str, Any]

_OLD = "2008-10-17"
"""Policies of this version know no variables."""


_parsed = functools.lru_cache(4096)(json.loads)


@dataclass(frozen=True)
class Policy:
    """A policy that is read. ``name`` and ``kind`` tell where it comes from."""

    name: str
    kind: Kind
    statements: tuple[Statement, ...]
    has_variables: bool = True

    @classmethod
    def read(cls, document: str | Mapping[str, Any], name: str = "", kind: Kind = "none") -> "Policy":
        """Read a policy's document.

        Raises:
            ValueError: It is no policy.
        """
        told = _parsed(document) if isinstance(document, str) else document
        if not isinstance(told, Mapping) or not told.get("Statement"):
            raise ValueError("a policy is an object with a Statement")
        statements = as_list(told["Statement"])
        for statement in statements:
            _check(statement)
        return cls(name, kind, tuple(statements), told.get("Version", _OLD) != _OLD)


def _check(statement: Any) -> None:
    if not isinstance(statement, Mapping):
        raise ValueError("a statement is an object")  # noqa: TRY004 # one error for every policy that is none
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise ValueError("a statement's Effect is Allow or Deny")
    if ("Action" in statement) == ("NotAction" in statement):
        raise ValueError("a statement has either Action or NotAction")
    for operator, keys in statement.get("Condition", {}).items():
        if not isinstance(keys, Mapping) or not conditions.is_operator(operator):
            raise ValueError(f"{operator} is no condition operator")


@dataclass(frozen=True)
class Question:
    """May ``principal`` do ``action`` to ``resource``, in this context?"""

    action: str
    resource: str
    context: Context = field(default_factory=dict)
    principal: Principal | None = None


@dataclass
class Decision:
    """What policies say to a question.

    ``matched`` are the policies whose statements decided. ``missing`` are the condition keys that the statements about
    this action and resource ask for and the question does not tell. ``is_direct`` is whether an allowing statement
    names the principal itself and not only its account.
    """

    outcome: Outcome = "implicitDeny"
    matched: list[Policy] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    is_direct: bool = False

    @property
    def is_allowed(self) -> bool:
        """Whether the answer is yes."""
        return self.outcome == "allowed"


def decide(policies: Iterable[Policy], question: Question) -> Decision:
    """Return what policies decide together."""
    decision = Decision()
    for policy in policies:
        for statement in policy.statements:
            _weigh(decision, policy, statement, question)
    return decision


def _weigh(decision: Decision, policy: Policy, statement: Statement, question: Question) -> None:
    context = question.context
    named = _names(statement, question.principal)
    if not (named and _covers(statement, policy, question)):
        return
    condition = statement.get("Condition", {})
    asked = {key.lower(): key for key in conditions.keys_of(condition)}
    decision.missing += [key for small, key in asked.items() if small not in context and key not in decision.missing]
    if not conditions.holds(condition, context):
        return
    outcome: Outcome = "explicitDeny" if statement["Effect"] == "Deny" else "allowed"
    if decision.outcome == "explicitDeny" and outcome == "allowed":
        return
    if outcome != decision.outcome:
        decision.outcome, decision.matched = outcome, []
    decision.matched.append(policy)
    decision.is_direct = decision.is_direct or (outcome == "allowed" and named == "direct")


def _covers(statement: Statement, policy: Policy, question: Question) -> bool:
    if not _has_action(statement, question.action):
        return False
    context = question.context if policy.has_variables else {}
    if "Resource" in statement:
        return any(_fits(pattern, question.resource, context) for pattern in as_list(statement["Resource"]))
    if "NotResource" in statement:
        return not any(_fits(pattern, question.resource, context) for pattern in as_list(statement["NotResource"]))
    return True  # a trust policy speaks of the role that it belongs to


def _has_action(statement: Statement, action: str) -> bool:
    def is_named(pattern: str) -> bool:
        return re.fullmatch(conditions.glob(pattern.lower(), {}) or "", action.lower()) is not None

    if "Action" in statement:
        return any(is_named(pattern) for pattern in as_list(statement["Action"]))
    return not any(is_named(pattern) for pattern in as_list(statement["NotAction"]))


def _fits(pattern: str, resource: str, context: Context) -> bool:
    expression = conditions.glob(pattern, context)
    return expression is not None and re.fullmatch(expression, resource, re.DOTALL) is not None


def _names(statement: Statement, principal: Principal | None) -> Literal["", "account", "direct"]:
    if "NotPrincipal" in statement:
        return "" if _named(statement["NotPrincipal"], principal) else "direct"
    return _named(statement["Principal"], principal) if "Principal" in statement else "direct"


def _named(principals: Any, principal: Principal | None) -> Literal["", "account", "direct"]:
    if principals == "*":
        return "direct"
    if principal is None or "AWS" not in principals:
        return ""
    entries = {str(entry) for entry in as_list(principals["AWS"])}
    if entries & {"*", principal.arn, principal.identity} and not principal.is_root:
        return "direct"
    account = {principal.account, f"arn:aws:iam::{principal.account}:root"}
    if principal.is_root and entries & {*account, "*"}:
        return "direct"
    return "account" if entries & account else ""
