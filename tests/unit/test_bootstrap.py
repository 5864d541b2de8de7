"""Hostfiles and node counts as other programs read them (CON-03, CON-05)."""

import json
import os
import subprocess
import sys

from blocks.cluster import Node
from tasks import bootstrap

NODES = [
    Node(
        index=i, name=f"node{i}", address=f"10.77.0.{10 + i}", ssh_host="127.0.0.1", ssh_port=22, host_key="k", slots=i
    )
    for i in (1, 2)
]


def test_both_dialects() -> None:
    assert bootstrap.mpich_hostfile(NODES) == "10.77.0.11:1\n10.77.0.12:2\n"
    assert bootstrap.openmpi_hostfile(NODES) == "10.77.0.11 slots=1\n10.77.0.12 slots=2\n"


def test_cores_are_those_that_lscpu_counts() -> None:
    """CON-05: cores, not threads, and only those this process may use."""
    look = [sys.executable, "-I", "-S", str(bootstrap.ON_NODE / "look.py")]
    seen = json.loads(subprocess.run(look, capture_output=True, check=True).stdout)
    table = subprocess.run(["lscpu", "-p=CPU,CORE,SOCKET"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(",") for line in table.splitlines() if not line.startswith("#")]
    usable = os.sched_getaffinity(0)
    assert seen["cores"] == len({(core, socket) for cpu, core, socket in rows if int(cpu) in usable})
    one = subprocess.run(["taskset", "-c", str(min(usable)), *look], capture_output=True, check=True).stdout
    assert json.loads(one)["cores"] == 1
