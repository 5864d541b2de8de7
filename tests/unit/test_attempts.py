"""Which ends of a program are tried again (JOB-13, JOB-14)."""

from datetime import UTC, datetime

import pytest

from blocks.job import Attempt, Cause, Ending, JobRecord, JobSpec, JobState
from tasks.attempts import wants_attempt

FINISHED = Ending(state=JobState.FINISHED, reason="-")
CANCELLED = Ending(state=JobState.CANCELLED, reason="-")


def ended(cause: Cause) -> Ending:
    state = JobState.TIMED_OUT if cause is Cause.TIMEOUT else JobState.FAILED
    return Ending(state=state, reason="-", cause=cause)


def job(*endings: Ending | None, **asked: object) -> JobRecord:
    spec = {"name": "x", "source": "https://example.org/o/r", "command": "ex.py"}
    attempts = [Attempt(number=number, ending=ending) for number, ending in enumerate(endings, 1)]
    return JobRecord(id="x", spec=JobSpec.model_validate(spec | asked), attempts=attempts, created_at=datetime.now(UTC))


def test_the_first_attempt_is_wanted_and_one_that_has_not_ended_is_gone_on_with() -> None:
    assert wants_attempt(job())
    assert wants_attempt(job(None))
    assert wants_attempt(job(ended(Cause.PROGRAM), None, retries=1))


@pytest.mark.parametrize("ending", [FINISHED, CANCELLED])
def test_what_ended_well_or_was_cancelled_is_over(ending: Ending) -> None:
    assert not wants_attempt(job(ending, retries=5, retry_on=list(Cause)))


@pytest.mark.parametrize("cause", list(Cause))
def test_only_what_the_user_named_is_tried_again(cause: Cause) -> None:
    """JOB-13, JOB-14."""
    for other in Cause:
        assert wants_attempt(job(ended(other), retries=1, retry_on=[cause])) == (other is cause)
    assert not wants_attempt(job(ended(cause), retries=1, retry_on=[]))


def test_as_often_as_the_user_said() -> None:
    failed = ended(Cause.PROGRAM)
    assert not wants_attempt(job(failed))
    assert wants_attempt(job(failed, failed, retries=2))
    assert not wants_attempt(job(failed, failed, failed, retries=2))


def test_a_timeout_is_not_tried_again_unless_it_is_named() -> None:
    """As the seed has it: "retry on timeout: no"."""
    assert not wants_attempt(job(ended(Cause.TIMEOUT), retries=3))
    assert wants_attempt(job(ended(Cause.INFRASTRUCTURE), retries=3))
