"""Tell what a node has, as one line of JSON: its name, its cores, its Python.

Runs on a node with nothing but Python's standard library. ``cores`` are cores, not threads: two logical CPUs of one
core count once, and CPUs that this process may not use do not count.
"""

import json
import os
import platform
import sys
from pathlib import Path


def cores() -> int:
    """Count the cores that this process may use; without the kernel's word on it, its logical CPUs."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    try:
        return len({_core(cpu) for cpu in usable})
    except OSError:
        return len(usable)


def _core(cpu: int) -> tuple[str, str]:
    topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
    return (topology / "physical_package_id").read_text(), (topology / "core_id").read_text()


if __name__ == "__main__":
    print(json.dumps({"name": platform.node(), "cores": cores(), "python": sys.version.split()[0]}))
