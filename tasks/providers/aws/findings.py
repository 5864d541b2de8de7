"""What was found before a cluster is made: what stops it, what a person may set aside, what is good to know."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from blocks.aws_cluster import Doubt
from blocks.errors import BadInput, GroundworkError


class Severity(StrEnum):
    """How much a finding matters. A warning stops the cluster unless its doubt is in ``ignore_warnings``."""

    ERROR = "error"
    WARNING = "warning"
    IGNORED = "ignored"
    NOTE = "note"


@dataclass(frozen=True)
class PlanFinding:
    """One thing that was found.

    Args:
        severity: Whether it stops the cluster.
        field: The form's field that it is about.
        text: What was found.
        advice: What to try.
        doubt: Of a warning: the name by which it is set aside.
        kind: Of an error: what is raised.
    """

    severity: Severity
    field: str
    text: str
    advice: str = ""
    doubt: Doubt | None = None
    kind: type[GroundworkError] = BadInput

    @property
    def error(self) -> GroundworkError:
        """What is raised when this stops the cluster."""
        if self.doubt is None:
            return self.kind(self.text, where=self.field, advice=self.advice)
        advice = f"{self.advice} Or name {self.doubt} in ignore_warnings.".strip()
        return self.kind(self.text, where=self.field, advice=advice)


def error(field: str, text: str, advice: str = "", *, kind: type[GroundworkError] = BadInput) -> PlanFinding:
    """Return a finding that stops the cluster."""
    return PlanFinding(Severity.ERROR, field, text, advice, kind=kind)


def warning(
    doubt: Doubt, field: str, text: str, advice: str = "", *, kind: type[GroundworkError] = BadInput
) -> PlanFinding:
    """Return a finding that stops the cluster unless its doubt is set aside."""
    return PlanFinding(Severity.WARNING, field, text, advice, doubt, kind)


def note(field: str, text: str) -> PlanFinding:
    """Return a finding that stops nothing."""
    return PlanFinding(Severity.NOTE, field, text)


def without(findings: Iterable[PlanFinding], ignored: Iterable[Doubt]) -> tuple[PlanFinding, ...]:
    """Return the findings with those set aside that a person named; errors cannot be set aside."""
    doubts = set(ignored)
    return tuple(
        PlanFinding(Severity.IGNORED, found.field, found.text, found.advice, found.doubt, found.kind)
        if found.severity is Severity.WARNING and found.doubt in doubts
        else found
        for found in findings
    )


def require_none(findings: Iterable[PlanFinding]) -> None:
    """Refuse what errors and warnings stop: the first one is told, and how many there are besides.

    Raises:
        GroundworkError: BadInput with the field, QuotaExceeded or AccessDenied.
    """
    stopping = [found for found in findings if found.severity in (Severity.ERROR, Severity.WARNING)]
    if not stopping:
        return
    first = min(stopping, key=lambda found: found.severity is Severity.WARNING).error
    others = ", ".join(dict.fromkeys(found.field for found in stopping if found.error.what != first.what))
    if others:
        first = type(first)(first.what, where=first.where, advice=f"{first.advice} See also: {others}.".strip())
    raise first
