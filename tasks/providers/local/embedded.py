"""Tier 3: SSH servers of Python packages alone, for machines without sshd. One process keeps those of a cluster."""

import itertools
import sys
from collections.abc import Collection

from blocks.errors import NoCapacity
from tasks.providers.local import layout, processes
from tasks.providers.local.control import AT_ONCE, Refused, Request, ask, keeper_pid
from tasks.providers.local.detached import DidNotStart, start_detached
from tasks.providers.local.layout import Place


class Embedded:
    """SSH servers in one process for each cluster."""

    port = 0
    has_own_network = False
    says = "SSH servers of Python alone, on loopback addresses"

    def missing(self) -> str:
        """Return what this machine lacks for it."""
        return "" if sys.platform == "linux" else "this is not Linux"

    def start(self, place: Place, indexes: Collection[int], *, lock: int) -> None:
        """Start these nodes where they are not up."""
        if not indexes:
            return
        try:
            if keeper_pid(place.control) is None:
                start_detached("tasks.providers.local.servers", [str(place.folder)], place=place, lock=lock, bare=False)
            missing = iter(sorted(set(indexes) - ask(place.control, Request("up"))))
            while some := list(itertools.islice(missing, AT_ONCE)):
                ask(place.control, Request("start", some))
        except (DidNotStart, Refused, OSError) as error:
            raise NoCapacity(str(error), where="this machine") from error

    def up(self, place: Place) -> set[int]:
        """Return the indexes of the nodes that are up."""
        return self._tell(place, Request("up"))

    def kill(self, place: Place, indexes: Collection[int]) -> None:
        """End these nodes with all their processes, and return when they are gone."""
        self._tell(place, Request("kill", sorted(indexes)))
        marks = {layout.mark_of(place.uuid, index) for index in indexes}
        processes.end_nodes((), marks.__contains__)

    def clear(self, place: Place) -> None:
        """End everything of the cluster, and return when it is gone; files stay."""
        pid = keeper_pid(place.control)
        whole = f"{place.uuid}/"
        processes.end_nodes([] if pid is None else [pid], lambda mark: mark.startswith(whole))
        processes.delete_shared_memory(place.since)

    def _tell(self, place: Place, request: Request) -> set[int]:
        try:
            return ask(place.control, request)
        except (ConnectionError, FileNotFoundError):
            return set()  # With their keeper all servers are gone.
        except Refused as error:
            raise NoCapacity(str(error), where="this machine") from error
