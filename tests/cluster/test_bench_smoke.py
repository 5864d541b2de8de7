"""The bench itself: its report has every row and every goal. No time is judged here."""

import pytest

from tests.bench.__main__ import measure
from tests.bench.report import Goal, show


def test_the_bench_measures_every_way_and_judges_every_goal(capsys: pytest.CaptureFixture[str]) -> None:
    rows, goals = measure(launch=[4], create=[2, 4], rounds=1, output_mb=2)
    code = show(rows, goals)
    lines = capsys.readouterr().out.splitlines()
    assert [(row.what, row.nodes) for row in rows] == [
        ("launch to end", 4), ("create and enter", 2), ("create and enter", 4), ("2 MB of output", 1),
    ]  # fmt: skip
    assert set(rows[0].times_s) == {"ours", "by hand, warm SSH", "by hand, cold SSH"}
    assert len(goals) == 3
    assert len(lines) == len(rows) + len(goals) + 1
    assert (lines[-1] == "OK: all goals met") == (code == 0)


def test_a_missed_goal_is_named_and_fails_the_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert show([], [Goal("launch on 4 nodes", 1.2, 1.1), Goal("create", 1.0, 1.5)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "MISSED: launch on 4 nodes"
