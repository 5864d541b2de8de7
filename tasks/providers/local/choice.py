"""Which of the three ways to make nodes a cluster takes, and at which addresses it stands."""

import functools
import hashlib
import socket
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from blocks.errors import GroundworkError, NoCapacity
from blocks.local_machine import Hosts
from tasks.home import cluster_folder
from tasks.keys import key_pair
from tasks.providers.local import folders, layout, sshd
from tasks.providers.local.embedded import Embedded
from tasks.providers.local.layout import Place
from tasks.providers.local.loopback import Loopback
from tasks.providers.local.namespaces import Namespaces
from tasks.providers.local.tier import Tier
from tasks.ssh import Login, wait_for_login

TIERS: dict[Hosts, Tier] = {
    Hosts.NAMESPACES: Namespaces(),
    Hosts.LOOPBACK: Loopback(),
    Hosts.EMBEDDED: Embedded(),
}
"""The ways, the best one first."""

TRIAL = "trial-"
"""How the name of a cluster begins that was made only to see whether a way works."""

_TRIAL_LIMIT_S = 10


@dataclass(frozen=True)
class Choice:
    """A way that works here, and why it was taken, in one line."""

    name: Hosts
    says: str

    @property
    def tier(self) -> Tier:
        """The way itself."""
        return TIERS[self.name]


@functools.cache
def chosen(hosts: Hosts) -> Choice:
    """Return the way to make nodes on this machine. Tried for real, once in a process.

    Raises:
        NoCapacity: No way, or not the one asked for, works here; with the reasons.
    """
    refused: list[str] = []
    for name in TIERS if hosts is Hosts.AUTO else (hosts,):
        reason = why_not(name)
        if not reason:
            because = f", because {'; '.join(refused)}" if refused else ""
            return Choice(name, f"{name}: {TIERS[name].says}{because}")
        refused.append(f"{name}: {reason}")
    raise NoCapacity(
        "; ".join(refused),
        where="this machine",
        advice="Install openssh-server and iproute2." if hosts is Hosts.AUTO else "Choose hosts: auto.",
    )


@functools.cache
def why_not(name: Hosts) -> str:
    """Return why a way does not work on this machine; empty where it does. Tried for real, once in a process."""
    return TIERS[name].missing() or _trial(name)


def place_for(folder: Path, uuid: str, hosts: Hosts) -> Place:
    """Choose how and where a cluster stands. Makes nothing that lasts.

    Raises:
        NoCapacity: No way, or not the one asked for, works here; with the reasons.
    """
    choice = chosen(hosts)
    return _place(folder, uuid, choice.name, says=choice.says)


def listens_at(place: Place, tier: Tier, index: int) -> tuple[str, int]:
    """Return the address and port at which a node's own server listens."""
    return (place.inner_address(index), 22) if tier.has_own_network else (place.loopback(index), place.port)


def _place(folder: Path, uuid: str, name: Hosts, *, says: str) -> Place:
    for attempt in range(100):
        seed = hashlib.sha256(f"{uuid}/{attempt}".encode()).digest()
        network = f"127.{64 + seed[0] % 190}.{seed[1]}"
        port = TIERS[name].port or 20_000 + int.from_bytes(seed[2:4], "big") % 10_000
        if _is_free(f"{network}.1", port):
            return Place(folder, uuid, sshd.user_name(), name, network, port, says)
    raise NoCapacity("no loopback network is free", where="this machine", advice="Release some clusters.")


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError:
            return False
    return True


def _trial(name: Hosts) -> str:
    """Make a cluster of one node, enter it, remove it. Only a login tells: much can be refused on the way to it."""
    uuid = f"{TRIAL}{uuid4()}"
    folder = cluster_folder(uuid)
    folders.make(folder)
    with folders.locked(folder) as lock:
        place = _place(folder.resolve(), uuid, name, says="a trial")
        place.write()
        try:
            _enter_one_node(place, TIERS[name], lock)
        except GroundworkError as error:
            return f"{error.what} ({layout.last_line(place.node(1) / 'log')})"
        finally:
            TIERS[name].clear(place)
            folders.delete(folder)
    return ""


def _enter_one_node(place: Place, tier: Tier, lock: int) -> None:
    private, public = key_pair()
    sshd.write_cluster_files(place)
    address, port = listens_at(place, tier, 1)
    sshd.write_node_files(place, 1, address=address, port=port, public_key=public)
    tier.start(place, [1], lock=lock)
    node = sshd.told_node(place, 1, has_own_network=tier.has_own_network, is_up=True)
    session = wait_for_login(node, Login(place.user, private), timeout_s=_TRIAL_LIMIT_S)
    try:
        session.run(["true"])
    finally:
        session.close()
