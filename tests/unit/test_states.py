"""The states of clusters and jobs (CLU-09, JOB-10)."""

from collections import deque

import pytest

from blocks.cluster import LEGAL_CHANGES, State, is_legal
from blocks.cluster_spec import LocalClusterSpec
from blocks.job import JobState

# Said again here on purpose: the seed's names, and the edges that must never be.
SEED = {
    "NEW": {State.REQUESTED},
    "FINISHED": {State.RUNNING},
    "FAILED": {State.FAILED},
    "STOPPED": {State.STOPPED},
    "DELETED": {State.DELETED},
}
NEVER = [
    (State.REQUESTED, State.RUNNING),
    (State.PROVISIONING, State.RUNNING),
    (State.BOOTSTRAPPING, State.RUNNING),
    (State.STOPPED, State.RUNNING),
    (State.STOPPED, State.UPDATING),
    (State.DELETING, State.RUNNING),
    (State.RUNNING, State.DELETED),
    (State.FAILED, State.RUNNING),
]


def test_every_state_has_a_seed_name() -> None:
    for state in State:
        expected = next((name for name, states in SEED.items() if state in states), "INPROGRESS")
        assert state.seed_state == expected


@pytest.mark.parametrize(("old", "new"), NEVER)
def test_a_cluster_never_skips_its_checks(old: State, new: State) -> None:
    assert not is_legal(old, new)


def test_nothing_comes_back_from_deleted() -> None:
    assert [new for new in State if is_legal(State.DELETED, new)] == [State.DELETED]


def test_every_state_is_reached_from_requested_and_can_be_left_for_good() -> None:
    reached, waiting = {State.REQUESTED}, deque([State.REQUESTED])
    while waiting:
        old = waiting.popleft()
        for new in State:
            if new not in reached and is_legal(old, new):
                reached.add(new)
                waiting.append(new)
    assert reached == set(State)
    assert all(is_legal(state, State.DELETING) for state in State if state is not State.DELETED)


def test_running_is_reached_through_verification_or_a_checked_change_only() -> None:
    before = {old for old, news in LEGAL_CHANGES.items() if State.RUNNING in news}
    assert before == {State.VERIFYING, State.UPDATING, State.STARTING}


def test_jobs_have_the_seed_names() -> None:
    assert {state.seed_state for state in JobState} == {
        "NEW",
        "INPROGRESS",
        "FINISHED",
        "FAILED",
        "CANCELLED",
        "TIMEOUT",
    }


def test_equal_definitions_have_equal_digests_and_others_do_not() -> None:
    """CLU-01: whatever door a definition comes in by."""
    typed = LocalClusterSpec(name="a", node_count=4)
    read = LocalClusterSpec.model_validate_json('{"node_count": 4, "name": "a"}')
    assert typed.digest == read.digest
    assert typed.digest != LocalClusterSpec(name="a", node_count=5).digest
    assert typed.digest != LocalClusterSpec(name="a", account="local-machine/other").digest
