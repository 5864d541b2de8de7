"""Where a local cluster keeps its things, and how its nodes are numbered. Standard library only.

::

    <cluster folder>/
        place.json        how the cluster stands here (Place)
        lock              held while something of it is changed
        control           the socket of the process that keeps the nodes (where there is one)
        log               what that process said
        home/             the empty home folder of all sessions: a heavy .bashrc costs 0.3 s for each command
        shared/           what the nodes share
        hosts passwd shadow group resolv.conf   what nodes with a root of their own see in /etc
        nodes/<index>/    host_key host_key.pub authorized_keys sshd_config pid log launched root/
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

PORT = 2522
"""Where we reach a node with a network of its own."""

MOST_NODES = 200
OWN_FILES = ("hosts", "passwd", "shadow", "group", "resolv.conf")
"""What nodes with a root folder of their own see in /etc in place of the machine's."""

SESSION_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def mark_of(uuid: str, index: int) -> str:
    """Return what every process of a node has in its environment as ``LOCAL_NODE``."""
    return f"{uuid}/node{index}"


def identity() -> str:
    """Return what tells this process from every other, also from one that gets its number later."""
    started = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    return f"{os.getpid()} {started}"


def last_line(log: Path) -> str:
    """Return the last line of a log that says something."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "no reason told")


@dataclass(frozen=True)
class Place:
    """How one cluster stands on this machine: chosen once, kept in its folder.

    ``tier`` is a name of ``blocks.local_machine.Hosts``, ``network`` the first three parts of the loopback
    addresses of its nodes, ``port`` where they listen there, ``says`` a line for people.

    What nodes with a network of their own are called and where they stand in it is told by methods, so that a test
    world can have nodes of other names and addresses.
    """

    folder: Path
    uuid: str
    user: str
    tier: str = ""
    network: str = ""
    port: int = PORT
    says: str = ""

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return what the folder says; none where nothing stands."""
        try:
            kept = json.loads((folder / "place.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(folder=folder, **kept)

    def write(self) -> None:
        """Keep it in the folder, in one step."""
        kept = asdict(self)
        del kept["folder"]
        part = self.folder / "place.json.part"
        part.write_text(json.dumps(kept), encoding="utf-8")
        part.replace(self.folder / "place.json")

    @property
    def shared(self) -> Path:
        """The folder that all nodes share."""
        return self.folder / "shared"

    @property
    def home(self) -> Path:
        """The empty home folder of all sessions."""
        return self.folder / "home"

    @property
    def control(self) -> Path:
        """The socket of the process that keeps the nodes."""
        return self.folder / "control"

    @property
    def log(self) -> Path:
        """What that process said."""
        return self.folder / "log"

    @property
    def nodes(self) -> Path:
        """The folder with one folder for each node."""
        return self.folder / "nodes"

    def node(self, index: int) -> Path:
        """Return the folder of one node."""
        return self.nodes / str(index)

    def loopback(self, index: int) -> str:
        """Return the loopback address of a node."""
        return f"{self.network}.{index}"

    def name_of(self, index: int) -> str:
        """Return a node's name, which is its host name where it has one."""
        return f"node{index}"

    def inner_address(self, index: int) -> str:
        """Return the address of a node in the cluster's own network."""
        return f"10.77.0.{10 + index}"

    def link_address(self, index: int) -> str:
        """Return a node's MAC address, made from its IP address: to the others it is the same when it comes back."""
        return "02:4e:" + ":".join(f"{int(part):02x}" for part in self.inner_address(index).split("."))

    @property
    def controller(self) -> str:
        """The address of the cluster's own network at which we stand."""
        return "10.77.0.1"

    @property
    def inner_bits(self) -> int:
        """How many leading bits all addresses of the cluster's own network have in common."""
        return 24

    @property
    def foreseen(self) -> range:
        """The indexes whose names and links are known to all nodes before there is such a node."""
        return range(1, MOST_NODES + 1)

    @property
    def home_there(self) -> str:
        """The home folder of all sessions, as nodes see it."""
        return str(self.home)

    @property
    def since(self) -> float:
        """When the cluster was given its place, in seconds of the file system's clock."""
        return (self.folder / "place.json").stat().st_mtime


def environment(place: Place, index: int) -> dict[str, str]:
    """Return all that a node's first process finds in its environment."""
    return {
        "PATH": SESSION_PATH,
        "LANG": "C.UTF-8",
        "HOME": place.home_there,
        "LOCAL_NODE": mark_of(place.uuid, index),
    }


def indexes(place: Place) -> list[int]:
    """Return the indexes of the nodes that have a folder, sorted."""
    try:
        return sorted(int(entry.name) for entry in place.nodes.iterdir() if entry.name.isdecimal())
    except FileNotFoundError:
        return []
