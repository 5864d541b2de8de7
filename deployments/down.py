"""Close the house: flow runs are told to cancel and undo, then Prefect worker and server end. Clusters stay."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from deployments.asking import ask
from deployments.detached import start_time, wait_until
from deployments.settings import POOL, House, house
from deployments.telling import command, say
from deployments.up import one_at_a_time, server_of, standing, worker_of

UNDO_S = 60
"""Prefect gives a cancelled flow run 30 s from TERM to KILL, after some seconds until it is told."""


def close_house() -> bool:
    """Close the house, within limits, whatever state it is in. Tells whether there was anything to close."""
    place = standing(house())
    with one_at_a_time(place):
        return close(place)


def close(place: House) -> bool:
    """Do what ``close_house`` does, for a caller who holds ``one_at_a_time``."""
    server, worker = server_of(place), worker_of(place)
    was_open = server.find() is not None or worker.find() is not None
    if worker.find() is not None:
        _cancel_runs(place)
    worker.end(limit_s=30)
    _end_stray_runs(place)
    server.end(limit_s=20)
    return was_open


def _cancel_runs(place: House) -> None:
    runs = _active_runs(place)
    if not runs:
        return
    say(f"Cancelling {len(runs)} flow runs ...")
    for run in runs:
        ask(place, f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}, "force": True})
    wait_until(lambda: not _active_runs(place), limit_s=UNDO_S, every_s=0.5)


def _active_runs(place: House) -> list[str]:
    filters = {
        "flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}},
        "work_pools": {"name": {"any_": [POOL]}},
    }
    return [str(run["id"]) for run in ask(place, "/flow_runs/filter", filters) or []]


def _end_stray_runs(place: House) -> None:
    """End the flow runs that a killed Prefect worker left behind. They too may undo before they are killed."""
    for signum, limit_s in ((signal.SIGTERM, 30), (signal.SIGKILL, 10)):
        strays = _flow_run_processes(place)
        for pid in strays:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
        wait_until(lambda: not any(start_time(pid) for pid in strays), limit_s=limit_s)  # noqa: B023


def _flow_run_processes(place: House) -> list[int]:
    """Return the processes of our flow runs: Prefect's engine, with our folder in its environment."""
    ours = f"PREFECT_HOME={place.folder}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                environment = (process / "environ").read_bytes().split(b"\0")
                is_run = any(entry.startswith(b"PREFECT__FLOW_RUN_ID=") for entry in environment)
                words = (process / "cmdline").read_bytes().split(b"\0")
                if is_run and ours in environment and any(word.startswith(b"prefect") for word in words):
                    found.append(int(process.name))
    return found


def main() -> None:
    """Close the house and say so."""
    say("Groundwork is down; clusters stay as they are." if close_house() else "Groundwork was not up.")


if __name__ == "__main__":
    command("down", main)
