"""run-job with programs that nobody here wrote, and with packages of their own, out of a git server over HTTP."""

import math
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.cluster import Cluster
from blocks.errors import RequirementsRefused
from blocks.job import JobRecord
from flows.cluster_life import delete_cluster
from flows.jobs import run_job
from flows.local_clusters import create_local_cluster
from tasks import records
from tasks.home import home
from tests.worlds import flow_runs
from tests.worlds.flow_runs import block, require_completed
from tests.worlds.git_server import GitServer
from tests.worlds.mpi4py_demos import demos
from tests.worlds.package_index import PackageIndex
from tests.worlds.prefect_server import PrefectServer

RUN_JOB = "run-job/on-demand"
CLUSTER = block("cluster", "real")


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with GitServer(tmp_path_factory.mktemp("git")) as server:
        yield server


@pytest.fixture(scope="module")
def source(git: GitServer) -> str:
    """The address of mpi4py's demos, as a repository."""
    repository = git.repository("mpi4py/demos")
    shutil.copytree(demos(), repository.work, dirs_exist_ok=True)
    repository.push()
    return git.url("mpi4py/demos")


@pytest.fixture(scope="module")
def cluster(house: PrefectServer) -> Iterator[Cluster]:
    create_local_cluster(name="real", node_count=2, slots_per_node=2)
    made = records.read("real")
    yield made
    delete_cluster(cluster=made)


def folder_of(name: str) -> Path:
    """The folder of the newest job of that name."""
    return home() / "jobs" / f"{name}-{str(flow_runs.latest(f'run-{name}').id)[:8]}"


def record_of(name: str) -> JobRecord:
    return JobRecord.model_validate_json((folder_of(name) / "job.json").read_text())


def output_of(name: str, stream: str = "stdout") -> str:
    return (folder_of(name) / "attempt-1" / f"{stream}.log").read_text()


def run_to_its_end(name: str, **wish: object) -> str:
    """Run a job through the Prefect worker; what it wrote."""
    require_completed(flow_runs.run(RUN_JOB, name=name, cluster=CLUSTER, **wish))
    return output_of(name)


def measured(table: str) -> dict[int, float]:
    """A benchmark's table: figures by size."""
    rows = [line.split() for line in table.splitlines() if line and not line.startswith("#")]
    return {int(row[0]): float(row[1]) for row in rows}


@pytest.mark.drill
def test_mpi4pys_demos(house: PrefectServer, cluster: Cluster, source: str) -> None:
    """As they are, on four ranks of two nodes, with right answers."""
    hello = run_to_its_end("hello", source=source, command="helloworld.py")
    told = re.findall(r"Hello, World! I am process (\d) of 4 on (\S+)\.", hello)
    assert sorted(rank for rank, _ in told) == ["0", "1", "2", "3"]
    pipe = f"sh -c 'printf \"100000\\n0\\n\" | {sys.executable} -m mpi4py compute-pi/cpi-cco.py'"
    pi = run_to_its_end("pi", source=source, command=pipe, raw=True)
    answer = re.search(r"pi is approximately ([\d.]+), error is ([\d.]+)", pi)
    assert answer is not None, pi
    assert abs(float(answer[1]) - math.pi) < 1e-9
    run_to_its_end("reductions", source=source, folder="reductions", command="test_reductions.py -q")
    assert re.findall(r"^OK$", output_of("reductions", "stderr"), re.MULTILINE) == ["OK"] * 4
    turns = run_to_its_end("turns", source=source, folder="sequential", command="test_seq.py")
    assert sorted(re.findall(r"process (\d) of 4", turns)) == ["0", "1", "2", "3"]
    assert record_of("turns").environment_hash == ""


@pytest.mark.drill
def test_mpi4pys_benchmarks(house: PrefectServer, cluster: Cluster, source: str) -> None:
    """Those of the Ohio State University: a figure for each size, of one byte up to a megabyte and more."""
    sizes = {0, *(1 << power for power in range(21))}
    for program, ranks in (("latency", 2), ("bcast", 4), ("allgather", 4), ("scatter", 4)):
        table = run_to_its_end(f"osu-{program}", source=source, command=f"osu_{program}.py", ranks=ranks, timeout="10m")
        figures = measured(table)
        assert set(figures) >= sizes - {0}, program
        assert all(figure > 0 for size, figure in figures.items() if size), program
    table = run_to_its_end("osu-bw", source=source, command="osu_bw.py", ranks=2, timeout="10m")
    figures = measured(table)
    assert figures[1 << 20] > figures[1], "a large message is moved no quicker than a byte"


VERSION = """
import sys
from mpi4py import MPI
import tiny
told = MPI.COMM_WORLD.gather((tiny.version, sys.prefix))
if MPI.COMM_WORLD.rank == 0:
    print(len(told), *sorted(set(told))[0], len(set(told)))
"""


def test_a_jobs_own_packages(
    house: PrefectServer, cluster: Cluster, git: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by the source, installed once: the second job, of another commit, finds them; the record says which."""
    repository = git.repository("ada/own")
    repository.commit({"job/own.py": VERSION, "job/pyproject.toml": "[project]\ndependencies = ['tiny<2']\n"})
    wish = {"source": git.url("ada/own"), "folder": "job", "command": "own.py"}
    with PackageIndex() as index:
        index.wheel("tiny", "1.0")
        index.wheel("tiny", "2.0")
        for name, value in index.environment.items():
            monkeypatch.setenv(name, value)
        run_job(name="first", cluster=cluster, **wish)
        first = record_of("first")
        prefix = f"{cluster.require_ground().shared}/.groundwork/environments/{first.environment_hash}"
        assert output_of("first") == f"4 1.0 {prefix} 1\n"
        log = flow_runs.wait_until(
            lambda: (said := flow_runs.log(flow_runs.latest("run-first").id)) and "made in" in said and said, what="log"
        )
        assert f"environment {first.environment_hash[:12]}: made in " in log
        assert f"environment of {first.id}" in flow_runs.steps(flow_runs.latest("run-first").id)
        assert index.asked
        index.asked.clear()
        repository.commit({"job/pyproject.toml": "[project]\nname = 'own'\ndependencies = ['Tiny <2.0']\n# so\n"})
        repository.commit({"job/pyproject.toml": "[project]\nname = 'own'\ndependencies = ['Tiny <2']\n# so\n"})
        run_job(name="second", cluster=cluster, **wish)
        second = record_of("second")
        assert (second.environment_hash, second.commit != first.commit) == (first.environment_hash, True)
        assert (output_of("second"), index.asked) == (output_of("first"), [])
        repository.commit({"job/requirements.txt": "# more\ntiny\nnosuch>1\n"})
        with pytest.raises(RequirementsRefused, match=r"^requirements.txt: .*nosuch"):
            run_job(name="third", cluster=cluster, **wish)
        assert record_of("third").attempts == []
        repository.commit({"job/requirements.txt": "-e .\n"})
        with pytest.raises(RequirementsRefused, match=r"^job/requirements.txt, line 1: the option -e"):
            run_job(name="fourth", cluster=cluster, **wish)


BODO = """
import bodo
import numpy as np
import pandas as pd

@bodo.jit(spawn=False)
def answer(n):
    frame = pd.DataFrame({"key": np.arange(n) % 7, "value": np.arange(n) * 0.5})
    by_key = frame[frame.key == 3]
    return bodo.get_size(), len(frame), frame.value.sum(), by_key.value.sum(), frame.value.max()

told = answer(1_000_003)
if bodo.get_rank() == 0:
    print(*told)
"""


@pytest.mark.drill
def test_a_bodo_program(house: PrefectServer, cluster: Cluster, git: GitServer) -> None:
    """From the user's package index, on four ranks, with the MPI that bodo brings; numpy says the same here."""
    import numpy as np

    git.repository("ada/bodo").commit({"ex.py": BODO, "requirements.txt": "bodo==2026.10\npandas<3.1\n"})
    said = run_to_its_end(
        "bodo", source=git.url("ada/bodo"), command="ex.py", environment={"BODO_SPAWN_MODE": "0"}, timeout="10m"
    )
    ranks, count, total, by_key, largest = (float(word) for word in said.split())
    values = np.arange(1_000_003) * 0.5
    assert (ranks, count, largest) == (4, 1_000_003, values.max())
    assert math.isclose(total, values.sum())
    assert math.isclose(by_key, values[np.arange(1_000_003) % 7 == 3].sum())
    assert record_of("bodo").environment_hash
