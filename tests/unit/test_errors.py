"""Errors: one line, and whole again after Prefect pickled them."""

import pickle

import pytest

from blocks import errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GroundworkError)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling(kind: type[errors.GroundworkError]) -> None:
    error = kind("no such thing", where="name", advice="Try another.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == "name: no such thing. Try another."
    assert (again.what, again.where, again.advice) == ("no such thing", "name", "Try another.")


def test_only_what_can_pass_later_is_tried_again() -> None:
    assert {kind.__name__ for kind in KINDS if kind.retryable} >= {"Throttled", "NodeUnreachable"}
    final = [kind for kind in KINDS if issubclass(kind, (errors.UserError, errors.JobError))]
    assert [kind for kind in final if kind.retryable] == [errors.SourceUnreachable, errors.IndexUnreachable]
    assert not errors.QuotaExceeded.retryable
    assert not errors.AccessDenied.retryable
