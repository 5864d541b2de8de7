"""The bench of AWS in short: how many calls a cluster takes does not depend on time, so that much is judged here."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.bench.aws import least
from tests.bench.aws.measuring import COLD, WARM, goals, goals_of_calls, ours_of
from tests.bench.aws.timeline import changes, name_of
from tests.bench.report import show
from tests.drill.lane import Lane, lane_in
from tests.worlds.aws_world import AwsWorld
from tests.worlds.prefect_server import PrefectServer

NODES = 8


@pytest.fixture
def lane(house: PrefectServer, no_accounts: AwsWorld) -> Iterator[Lane]:
    with lane_in(house, no_accounts) as opened:
        yield opened


def test_a_cluster_takes_few_calls(lane: Lane, capsys: pytest.CaptureFixture[str]) -> None:
    """OPS-16: a cold one changes what making the topology needs, and no more; a warm one stays under forty calls."""
    runs = ours_of(lane, NODES)
    assert [(run.way, run.nodes) for run in runs] == [(COLD, NODES), (WARM, NODES)]
    assert [str(goal) for run in runs for goal in goals_of_calls(run) if not goal.is_met] == []
    done = [call for call in changes(lane.aws.calls()) if not call["error"]]
    made = Counter(name_of(call) for call in done if ":assumed-role/" in call["principal"])
    twice = least.calls(least.REGION, least.CLUSTER, least.CLUSTER)
    assert made - twice == Counter({"ec2:CreateRoute": 1}), "the private subnets' way out, when nodes are of use"
    judged = goals(runs)
    code = show(runs, judged)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(runs) + len(judged) + 1
    assert (lines[-1] == "OK: all goals met") == (code == 0)
