"""Which way to make nodes is taken where the best one is refused: in processes that really lack the rights."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.local_machine import Hosts
from tests.worlds.local_hosts import local_home, require

ROOT = Path(__file__).parents[2]

ASK = """
import json
from blocks.cluster import Cluster
from blocks.cluster_spec import LocalClusterSpec
from blocks.errors import NoCapacity
from blocks.local_machine import Hosts
from tasks.providers.local.faults import LocalFaults
from tasks.providers.local.provider import LocalProvider, clusters
cluster = Cluster(spec=LocalClusterSpec(name="t"))
try:
    LocalProvider(Hosts.NAMESPACES).prepare(cluster)
    refused = ""
except NoCapacity as error:
    refused = str(error)
says = LocalProvider().prepare(cluster).says
LocalProvider().release(cluster)
print(json.dumps({"refused": refused, "says": says, "can_cut": LocalFaults().can_cut, "left": clusters()}))
"""


def ask(*wrapper: str) -> dict[str, object]:
    """What a process under ``wrapper`` is told."""
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    with local_home():
        done = subprocess.run(
            [*wrapper, sys.executable, "-c", ASK],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "PYTHONPATH": path},
        )
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_the_best_way_is_taken_where_it_works() -> None:
    require(Hosts.NAMESPACES)
    told = ask()
    assert told == {"refused": "", "says": "namespaces: hosts of their own", "can_cut": True, "left": []}


@pytest.mark.skipif(not shutil.which("setpriv") or not shutil.which("unshare"), reason="no util-linux here")
def test_the_next_way_is_taken_where_namespaces_are_refused() -> None:
    """Root keeps sshd; a plain user, made root of a user namespace that may do nothing, has Python's servers only."""
    require(Hosts.NAMESPACES)
    bound = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
    plain = os.getuid() != 0
    told = ask(*(("unshare", "--user", "--map-root-user") if plain else ()), *bound)
    way = Hosts.EMBEDDED if plain else Hosts.LOOPBACK
    says = str(told["says"])
    assert says.startswith(f"{way}: ")
    assert ", because namespaces: " in says
    assert "Operation not permitted" in says
    assert "\n" not in says
    assert "Operation not permitted" in str(told["refused"])
    assert told["can_cut"] is False
    assert told["left"] == []
