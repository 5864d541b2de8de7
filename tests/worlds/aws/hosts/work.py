"""What is done to the hosts of one VPC, in the order in which it was asked, in a thread of its own."""

import itertools
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from blocks.cluster import Node
from tasks.providers.local import folders, sshd
from tasks.providers.local.namespaces import Namespaces
from tasks.ssh import Login, connect
from tests.worlds.aws.hosts.files import RUN_SCRIPT, Host, furnish
from tests.worlds.aws.hosts.vpc import Vpc

Kind = Literal["up", "down", "gone"]

ANSWER_LIMIT_S = 60


class HostTier(Namespaces):
    """Hosts of their own, as local clusters have them, kept by ``birth``."""

    keeper = "tests.worlds.aws.hosts.birth"


TIER = HostTier()


class VpcWork:
    """The hosts of one VPC.

    Args:
        vpc: The place.
        world_key: The world's own key pair (private, public), by which it runs user data.
        mount_all: Called with a host that is up, to mount what its ``/etc/fstab`` says.
        failed: Called with what went wrong.
    """

    def __init__(
        self,
        vpc: Vpc,
        *,
        world_key: tuple[str, str],
        mount_all: Callable[[Host], None],
        failed: Callable[[str], object],
    ) -> None:
        self.vpc = vpc
        self._private_key, self._public_key = world_key
        self._mount_all, self._failed = mount_all, failed
        self._todo: deque[tuple[Kind, Host]] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def put(self, kind: Kind, host: Host) -> None:
        """Have something done to a host, after all that was asked before."""
        with self._changed:
            self._todo.append((kind, host))
            self._changed.notify()

    def close(self) -> None:
        """End all hosts and return when they are gone; files stay."""
        with self._changed:
            self._is_closed = True
            self._todo.clear()
            self._changed.notify()
        self._thread.join()
        TIER.clear(self.vpc)

    def _work(self) -> None:
        do = {"up": self._up, "down": self._down, "gone": self._gone}
        while (batch := self._next()) is not None:
            kind, hosts = batch
            try:
                do[kind](hosts)
            except Exception:  # noqa: BLE001 # told to the test: a host that is missing proves nothing
                if not self._is_closed:
                    self._failed(f"the hosts of {self.vpc.folder.name}: {traceback.format_exc()}")

    def _next(self) -> tuple[Kind, list[Host]] | None:
        """Return what is to be done next, with all hosts of which the same was asked in a row; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._todo or self._is_closed)
            if self._is_closed:
                return None
            kind = self._todo[0][0]
            hosts = [host for _, host in itertools.takewhile(lambda todo: todo[0] == kind, self._todo)]
            for _ in hosts:
                self._todo.popleft()
            return kind, hosts

    def _up(self, hosts: list[Host]) -> None:
        with folders.locked(self.vpc.folder) as lock:
            for host in hosts:
                furnish(host, self._public_key)
            TIER.start(self.vpc, [host.index for host in hosts], lock=lock)
        for host in hosts:
            self._wait_until_it_answers(host)
            self._mount_all(host)
            if host.is_new:
                host.has_booted()
                self._run_user_data(host)
            host.is_ready = True

    def _down(self, hosts: list[Host]) -> None:
        with folders.locked(self.vpc.folder):
            TIER.kill(self.vpc, [host.index for host in hosts])

    def _gone(self, hosts: list[Host]) -> None:
        self._down(hosts)
        for host in hosts:
            folders.delete(host.node)
        if not any(self.vpc.nodes.iterdir()):
            TIER.clear(self.vpc)

    def _wait_until_it_answers(self, host: Host) -> None:
        """Wait until a host's SSH server says what it is.

        Raises:
            TimeoutError: It does not in time.
        """
        deadline = time.monotonic() + ANSWER_LIMIT_S
        while not self._is_closed:
            with (
                suppress(OSError),
                socket.create_connection((self.vpc.loopback(host.index), self.vpc.port), timeout=5) as trial,
            ):
                if trial.recv(4) == b"SSH-":
                    return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{host.event.instance_id} does not answer at {host.event.private_address}:22")
            time.sleep(0.02)

    def _run_user_data(self, host: Host) -> None:
        if not host.first_boot.script:
            return
        told: Node = sshd.told_node(host.vpc, host.index, has_own_network=True, is_up=True)
        session = connect(told, Login(host.vpc.user, self._private_key))
        try:
            session.run(["sh", "-c", RUN_SCRIPT], stdin=host.first_boot.script)
        finally:
            session.close()
