"""Tier 1: nodes with a host name, network, root folder and processes of their own, without being root."""

import itertools
import json
import os
import socket
import sys
from collections.abc import Collection
from contextlib import ExitStack

from blocks.errors import NoCapacity
from tasks.providers.local import layout, processes
from tasks.providers.local.control import AT_ONCE, Refused, Request, ask, keeper_pid
from tasks.providers.local.detached import DidNotStart, start_detached
from tasks.providers.local.layout import Place
from tasks.providers.local.sshd import program


class Namespaces:
    """Hosts of their own, kept by one supervisor for each cluster."""

    port = layout.PORT
    has_own_network = True
    says = "hosts of their own"
    keeper = "tasks.providers.local.supervisor"
    """The module whose ``main`` keeps the nodes of a cluster."""

    def missing(self) -> str:
        """Return what this machine lacks for it."""
        if sys.platform != "linux":
            return "this is not Linux"
        absent = [name for name in ("sshd", "ip") if program(name) is None]
        return f"{' and '.join(absent)} not found" if absent else ""

    def start(self, place: Place, indexes: Collection[int], *, lock: int) -> None:
        """Start these nodes where they are not up, side by side."""
        try:
            if not indexes:
                return
            if keeper_pid(place.control) is None:
                tools = json.dumps([program("sshd"), program("ip")])
                start_detached(self.keeper, [str(place.folder), tools], place=place, lock=lock)
            missing = iter(sorted(set(indexes) - ask(place.control, Request("up"))))
            while some := list(itertools.islice(missing, AT_ONCE)):
                with ExitStack() as stack:
                    listeners = [stack.enter_context(_listener(place, index)) for index in some]
                    ask(place.control, Request("start", some), listeners=listeners)
        except (DidNotStart, Refused, OSError) as error:
            raise NoCapacity(str(error), where="this machine") from error

    def up(self, place: Place) -> set[int]:
        """Return the indexes of the nodes that are up."""
        return self._tell(place, Request("up"))

    def kill(self, place: Place, indexes: Collection[int]) -> None:
        """End these nodes with all their processes, and return when they are gone."""
        self._tell(place, Request("kill", sorted(indexes)))

    def cut(self, place: Place, index: int) -> None:
        """Cut a node's link."""
        self._tell(place, Request("cut", [index]))

    def mend(self, place: Place, index: int) -> None:
        """Restore a node's link."""
        self._tell(place, Request("mend", [index]))

    def clear(self, place: Place) -> None:
        """End everything of the cluster, and return when it is gone; files stay."""
        pid = keeper_pid(place.control)
        if pid is not None:
            processes.end([pid])
        whole = f"{place.uuid}/"
        processes.end_nodes((), lambda mark: mark.startswith(whole))

    def _tell(self, place: Place, request: Request) -> set[int]:
        try:
            return ask(place.control, request)
        except (ConnectionError, FileNotFoundError):
            return set()  # With the supervisor every node is gone.
        except Refused as error:
            raise NoCapacity(str(error), where="this machine") from error


def _listener(place: Place, index: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((place.loopback(index), place.port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{place.loopback(index)}:{place.port}: {os.strerror(error.errno or 0)}") from error
    return listener
