"""Process 1 of a cluster with namespaces of its own: makes nodes, ends them, links them. Standard library only.

It lives in the cluster's own user, network, mount, host name, IPC and process namespaces, and each node in another
set inside them, so killing this one process removes every node, link and file system at once. Started by
``namespaces``; run by a plain user it is root over its own namespaces only, and nodes map back to the user. As root
it must not use a user namespace: sshd's ``setgroups`` fails there for user 0.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from tasks.providers.local import kernel
from tasks.providers.local.control import Keeper, Refused, Request
from tasks.providers.local.detached import leave_caller, raise_file_limit, say_ready
from tasks.providers.local.layout import Place
from tasks.providers.local.newborn import OwnRoot, become_node, own_root
from tasks.providers.local.relay import Relay

OWN = (
    kernel.NEW_NETWORK | kernel.NEW_MOUNTS | kernel.NEW_HOSTNAME | kernel.NEW_IPC | kernel.NEW_PIDS
)  # fmt: skip


@dataclass
class Birth:
    """A node that is being made: its process, and the pipes by which the two wait for each other."""

    index: int
    name: str
    pid: int
    says: int
    hears: int

    def expect(self, word: str) -> None:
        """Wait for the next word of the newborn.

        Raises:
            Refused: It said something else, or died.
        """
        said = os.read(self.says, 1024).decode()
        if said != word:
            raise Refused(f"{self.name}: {said or 'died at birth'}")

    def close(self) -> None:
        """Let go of the pipes."""
        os.close(self.says)
        os.close(self.hears)


@dataclass
class Alive:
    """A node that is up."""

    pid: int
    relay: Relay = field(repr=False)


class Supervisor:
    """The nodes of one cluster, by index."""

    def __init__(self, place: Place, *, ip: str, newborn: Callable[[int, int, int], NoReturn]) -> None:
        self._place, self._ip, self._newborn = place, ip, newborn
        self._alive: dict[int, Alive] = {}

    def lay_network(self) -> None:
        """Make the switch that all nodes are plugged into, and our own address on it."""
        self._link(
            "link set lo up",
            "link add br0 type bridge",
            f"addr add {self._place.controller}/{self._place.inner_bits} dev br0",
            "link set br0 up",
        )

    async def act(self, request: Request, listeners: Sequence[socket.socket]) -> set[int]:
        """Do what was asked and return the indexes that are up afterwards."""
        if request.verb == "start":
            asked = dict(zip(request.indexes, listeners, strict=True))
            try:
                await self._start(asked)
            finally:
                for listener in asked.values():
                    listener.close()
        elif request.verb == "kill":
            self._kill(request.indexes)
        elif request.verb in ("cut", "mend"):
            self._switch(request.indexes, state="down" if request.verb == "cut" else "up")
        return set(self._alive)

    def reap(self) -> None:
        """Take note of nodes that died by themselves, and bury every child."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for index in [index for index, alive in self._alive.items() if alive.pid == pid]:
                self._forget(index)

    async def _start(self, listeners: dict[int, socket.socket]) -> None:
        births: list[Birth] = []
        try:
            for index in sorted(listeners.keys() - self._alive.keys()):
                births.append(self._bear(index))  # noqa: PERF401 # those born before a failure must be buried
            for birth in births:
                birth.expect("apart")
            self._plug(births)
            for birth in births:
                os.write(birth.hears, b".")
            for birth in births:
                birth.expect("linked")
        except (OSError, Refused):
            self._bury(births)
            raise
        finally:
            for birth in births:
                birth.close()
        for birth in births:
            relay = Relay(listeners.pop(birth.index), self._place.inner_address(birth.index))
            self._alive[birth.index] = Alive(birth.pid, relay)
            await relay.open()

    def _bear(self, index: int) -> Birth:
        """Fork a process that is the first of its own process namespace and becomes the node."""
        says, tell = os.pipe()
        listen, hears = os.pipe()
        kernel.unshare(kernel.NEW_PIDS)
        pid = os.fork()
        if pid == 0:
            self._newborn(index, tell, listen)
        kernel.same_pids_again()
        os.close(tell)
        os.close(listen)
        return Birth(index, self._place.name_of(index), pid, says, hears)

    def _bury(self, births: Collection[Birth]) -> None:
        for birth in births:
            os.kill(birth.pid, signal.SIGKILL)
            os.waitpid(birth.pid, 0)

    def _plug(self, births: Collection[Birth]) -> None:
        # The link of a node that died goes away some time after it: not always before it comes back, or just then.
        left = {name for _, name in socket.if_nameindex()}
        for link in left & {f"v{birth.index}" for birth in births}:
            subprocess.run([self._ip, "link", "del", link], capture_output=True, check=False)
        commands = []
        for birth in births:
            link = f"v{birth.index}"
            far = f"peer name eth0 address {self._place.link_address(birth.index)} netns {birth.pid}"
            commands += [f"link add {link} type veth {far}", f"link set {link} master br0 up"]
        self._link(*commands)

    def _switch(self, indexes: Collection[int], *, state: str) -> None:
        self._link(*(f"link set v{index} {state}" for index in self._alive.keys() & set(indexes)))

    def _kill(self, indexes: Collection[int]) -> None:
        doomed = {index: self._alive[index].pid for index in self._alive.keys() & set(indexes)}
        for pid in doomed.values():
            os.kill(pid, signal.SIGKILL)
        for index, pid in doomed.items():
            os.waitpid(pid, 0)  # The kernel lets the first process of a namespace end after all others in it.
            self._forget(index)

    def _forget(self, index: int) -> None:
        self._alive.pop(index).relay.close()

    def _link(self, *commands: str) -> None:
        if not commands:
            return
        done = subprocess.run(
            [self._ip, "-batch", "-"], input="\n".join(commands), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Refused(f"ip: {done.stderr.strip().splitlines()[0] if done.stderr else done.returncode}")


def main(folder: str, tools: str) -> None:
    """Stand the supervisor up: called in a process of its own (``detached``)."""
    place = Place.read(Path(folder))
    if place is None:
        sys.exit("there is no such cluster")
    sshd, ip = json.loads(tools)
    newborn = enter_namespaces(place, (sshd, ip), own_root)
    asyncio.run(supervise(Supervisor(place, ip=ip, newborn=newborn), place))


def enter_namespaces(place: Place, tools: tuple[str, str], make_root: OwnRoot) -> Callable[[int, int, int], NoReturn]:
    """Leave the caller and its namespaces for a set of our own; return what a forked child does to become a node."""
    user = (os.getuid(), os.getgid())
    plain = user[0] != 0
    kernel.unshare(OWN | (kernel.NEW_USER if plain else 0))
    if plain:
        kernel.map_user(inside=(0, 0), outside=user)
    leave_caller()
    kernel.mount("none", "/", flags=kernel.PRIVATE)
    kernel.mount("proc", "/proc", "proc")
    raise_file_limit()

    def newborn(index: int, tell: int, listen: int) -> NoReturn:
        own_user = user if plain else None
        become_node(place, index, tools=tools, user=own_user, pipes=(tell, listen), make_root=make_root)

    return newborn


async def supervise(supervisor: Supervisor, place: Place) -> None:
    """Lay the network, say that we are ready, and keep the nodes for good."""
    supervisor.lay_network()
    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, supervisor.reap)
    Keeper(place.control, supervisor.act).listen()
    say_ready()
    await asyncio.Event().wait()
