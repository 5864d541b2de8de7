"""What Prefect and our steps around it cost a job: a whole run beside its program alone, and beside an empty flow."""

import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

from prefect import flow

from blocks.cluster import Cluster
from flows.cluster_life import delete_cluster
from flows.jobs import run_job
from flows.local_clusters import create_local_cluster
from tasks import cluster_keys, mpi, records
from tasks.runner import Launch, Runner
from tasks.ssh import Login, Sessions
from tests.bench.launching import PROGRAM, NoLog
from tests.bench.report import Row
from tests.worlds.git_server import GitServer
from tests.worlds.prefect_server import living_in, new_house_with_database

WHOLE, PROGRAM_ALONE, EMPTY = "run-job", "its program alone", "an empty flow"


@flow
def nothing() -> None:
    """What a flow run costs that does nothing."""


def measure(nodes: int, rounds: int) -> Row:
    """Run a job through a real Prefect server, from a real git server, on a warm cluster."""
    row = Row("a job through Prefect", nodes)
    with new_house_with_database() as house, tempfile.TemporaryDirectory() as folder, GitServer(Path(folder)) as git:
        house.up()
        with living_in(house):
            git.repository("ada/bench").commit({"where.py": PROGRAM})
            create_local_cluster(name="bench", node_count=nodes, slots_per_node=1)
            cluster = records.read("bench")
            whole = {"source": git.url("ada/bench"), "command": "where.py", "cluster": cluster}
            key = cluster_keys.find(cluster)
            assert key is not None
            login = Login(cluster.require_ground().user, key.private_key.get_secret_value())
            with Sessions(login) as sessions, Runner(sessions.to(cluster.head), cluster) as runner:
                ways: dict[str, Callable[[], object]] = {
                    WHOLE: lambda: run_job(name="bench", **whole),
                    PROGRAM_ALONE: _program_alone(sessions, runner, cluster),
                    EMPTY: nothing,
                }
                row.take_turns(rounds, ways)
            delete_cluster(cluster=cluster)
    return row


def _program_alone(sessions: Sessions, runner: Runner, cluster: Cluster) -> Callable[[], None]:
    numbers = count(1)
    shared, ranks = cluster.require_ground().shared, len(cluster.nodes)
    sessions.to(cluster.head).write(f"{shared}/where.py", PROGRAM.encode())

    def launch() -> None:
        job_id = f"alone-{next(numbers)}"
        words = mpi.program("where.py", raw=False)
        runner.submit(Launch(job_id=job_id, argv=words, workdir=shared, ranks=ranks, timeout_s=600))
        runner.follow(job_id, NoLog())

    return launch
