"""Local clusters outlive who made them, whatever happens to it, and whatever happens to them."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.local_machine import Hosts
from tests.worlds.local_hosts import TIERS, LocalWorld, local_world, wait_until

DEADLINE_S = 60
ROOT = Path(__file__).parents[2]

LAUNCHER = """
import json, sys
from blocks.cluster import Cluster
from blocks.cluster_spec import LocalClusterSpec
from blocks.local_machine import Hosts
from tasks.providers.local.provider import LocalProvider
told = json.loads(sys.argv[1])
cluster = Cluster(uuid=told["uuid"], spec=LocalClusterSpec(name="t"))
provider = LocalProvider(Hosts(told["tier"]))
ground = provider.prepare(cluster)
print("go", flush=True)
provider.launch(cluster, ground, told["indexes"], public_key=told["public_key"])
"""


@pytest.fixture(params=TIERS)
def world(request: pytest.FixtureRequest) -> Iterator[LocalWorld]:
    with local_world(request.param) as world:
        yield world


def start_launcher(world: LocalWorld, *indexes: int) -> subprocess.Popen[bytes]:
    told = {"uuid": world.cluster.uuid, "tier": world.tier, "indexes": indexes, "public_key": world.public_key}
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, json.dumps(told)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
    )


def test_clusters_outlive_who_launched_them(world: LocalWorld) -> None:
    with start_launcher(world, 1, 2) as launcher:
        _, said = launcher.communicate(timeout=DEADLINE_S)
    assert launcher.returncode == 0, said
    assert world.up() == [1, 2]
    with pytest.raises(ProcessLookupError):  # Nothing of the cluster is in the launcher's process group.
        os.killpg(launcher.pid, signal.SIGKILL)
    with world.session(2) as session:
        session.run(["true"])


@pytest.mark.parametrize("seed", range(3))
def test_a_launch_killed_midway_is_finished_by_the_next(world: LocalWorld, seed: int) -> None:
    moment_s = random.Random(seed).uniform(0, 0.25)
    with start_launcher(world, 1, 2, 3) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == b"go\n", launcher.stderr and launcher.stderr.read()
        try:
            launcher.wait(timeout=moment_s)
        except subprocess.TimeoutExpired:
            launcher.kill()
    world.launch(1, 2, 3)
    assert world.up() == [1, 2, 3]
    with world.session(3) as session:
        session.run(["true"])
    expected = 1 if world.tier is Hosts.EMBEDDED else 3
    wait_until(lambda: len(world.first_processes()) == expected)  # One that found its address taken ends by itself.


def test_two_launchers_at_once_double_nothing(world: LocalWorld) -> None:
    with start_launcher(world, 1, 2, 3) as one, start_launcher(world, 1, 2, 3) as other:
        said = [launcher.communicate(timeout=DEADLINE_S)[1] for launcher in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), said
    assert world.up() == [1, 2, 3]
    assert len(world.first_processes()) == (1 if world.tier is Hosts.EMBEDDED else 3)
