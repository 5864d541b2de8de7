"""Tier 2: an sshd for each node on a loopback address of its own. Nodes share all else with the machine."""

import json
import os
import pwd
import sys
import time
from collections.abc import Collection
from pathlib import Path

from blocks.errors import NoCapacity
from tasks.providers.local import layout, processes
from tasks.providers.local.detached import DidNotStart, start_detached
from tasks.providers.local.layout import Place
from tasks.providers.local.sshd import program

_NO_SHELLS = ("nologin", "false")
_LIMIT_S = 30


class Loopback:
    """An sshd for each node, which no process of ours looks after."""

    port = 0
    has_own_network = False
    says = "an sshd for each node, on a loopback address"

    def missing(self) -> str:
        """Return what this machine lacks for it."""
        if sys.platform != "linux":
            return "this is not Linux"
        if program("sshd") is None:
            return "sshd not found"
        try:
            shell = pwd.getpwuid(os.getuid()).pw_shell
        except KeyError:
            return f"user {os.getuid()} has no account"
        return "your account has no login shell" if Path(shell).name in _NO_SHELLS else ""

    def start(self, place: Place, indexes: Collection[int], *, lock: int) -> None:
        """Start these nodes where they are not up, side by side."""
        missing = sorted(set(indexes) - self.up(place))
        if not missing:
            return
        self._require_free(place, missing)
        arguments = [str(place.folder), program("sshd") or "sshd", json.dumps(missing)]
        try:
            if os.getuid() == 0:
                Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # As the system's own service does: sshd insists.
            start_detached("tasks.providers.local.first", arguments, place=place, lock=lock)
        except (DidNotStart, OSError) as error:
            raise NoCapacity(str(error), where="this machine") from error
        self._wait_for_listeners(place, missing)

    def _require_free(self, place: Place, indexes: Collection[int]) -> None:
        """Refuse addresses at which somebody else listens: later he could not be told from the node.

        Raises:
            NoCapacity: With the address.
        """
        listening = processes.listening()
        for index in indexes:
            if (place.loopback(index), place.port) in listening:
                raise NoCapacity(f"{place.loopback(index)}:{place.port} is taken", where=place.name_of(index))

    def _wait_for_listeners(self, place: Place, indexes: Collection[int]) -> None:
        """Wait until the nodes listen.

        Raises:
            NoCapacity: One of them died, or does not listen in time.
        """
        deadline = time.monotonic() + _LIMIT_S
        while True:
            alive, listening = self.up(place), processes.listening()
            silent = [index for index in indexes if (place.loopback(index), place.port) not in listening]
            dead = [index for index in indexes if index not in alive]
            if dead or (silent and time.monotonic() > deadline):
                index = (dead or silent)[0]
                raise NoCapacity(layout.last_line(place.node(index) / "log"), where=place.name_of(index))
            if not silent:
                return
            time.sleep(0.01)

    def up(self, place: Place) -> set[int]:
        """Return the indexes of the nodes that are up."""
        return set(self._firsts(place, layout.indexes(place)))

    def kill(self, place: Place, indexes: Collection[int]) -> None:
        """End these nodes with all their processes, and return when they are gone."""
        marks = {layout.mark_of(place.uuid, index) for index in indexes}
        logs = [place.node(index) / "log" for index in indexes]
        processes.end_nodes(self._firsts(place, indexes).values(), marks.__contains__, logs)

    def clear(self, place: Place) -> None:
        """End everything of the cluster, and return when it is gone; files stay."""
        indexes = layout.indexes(place)
        logs = [place.node(index) / "log" for index in indexes]
        whole = f"{place.uuid}/"
        processes.end_nodes(self._firsts(place, indexes).values(), lambda mark: mark.startswith(whole), logs)
        processes.delete_shared_memory(place.since)

    def _firsts(self, place: Place, indexes: Collection[int]) -> dict[int, int]:
        found = {index: processes.living(place.node(index) / "pid") for index in indexes}
        return {index: pid for index, pid in found.items() if pid is not None}
