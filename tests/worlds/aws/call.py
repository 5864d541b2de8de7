"""One request to the world, decoded; and the world's refusals."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

Answer = dict[str, Any]
"""An answer's members by the service model's names, as boto3 would show them."""


@dataclass(frozen=True)
class Principal:
    """Who calls. ``role`` is the ARN behind an assumed role's session; a root user has neither policies nor bounds."""

    arn: str
    account: str
    user_id: str
    role: str = ""

    @property
    def is_root(self) -> bool:
        """Whether this is the account's root user, whom no policy of the account binds."""
        return self.arn.endswith(":root")

    @property
    def identity(self) -> str:
        """The ARN whose policies count: the role's, for a session of it."""
        return self.role or self.arn


NOBODY = Principal("", "", "")


@dataclass
class Call:
    """A request as the service model tells it.

    ``service`` is boto3's name of the service, ``attempt`` counts one invocation's HTTP requests from 1. ``keep`` is a
    place for rules to hand something from before the answer to after it.
    """

    service: str
    operation: str
    params: dict[str, Any]
    region: str
    access_key: str
    attempt: int
    invocation: str
    principal: Principal = NOBODY
    keep: dict[str, Any] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The caller's account."""
        return self.principal.account

    @property
    def name(self) -> str:
        """``service:Operation``, as records and rules spell it."""
        return f"{self.service}:{self.operation}"

    def digest(self, *without: str) -> str:
        """A hash of all parameters but these: equal for equal requests."""
        told = {name: value for name, value in self.params.items() if name not in without}
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


class Refused(Exception):
    """The world refuses as AWS does: with its code, its words and its HTTP status.

    Args:
        code: AWS's error code, as a client reads it from ``error.response["Error"]["Code"]``.
        message: AWS's words.
        status: HTTP status.
        members: Further members of the error's shape (EFS tells the file system that exists).
    """

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


class Injected(Refused):
    """A fault that a test asked for: it is told as it is, whatever the service's model says."""


class CannotAnswer(Exception):
    """The world does not model what was asked. The caller gets HTTP 501, and the world remembers: tests fail of it."""


class NoReply(Exception):
    """The connection is closed without an answer."""
