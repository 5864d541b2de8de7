"""Local clusters for tests: which ways to make nodes work here, and clusters that leave nothing behind."""

import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from blocks.cluster import Cluster, Node
from blocks.cluster_spec import LocalClusterSpec
from blocks.ground import Ground
from blocks.local_machine import Hosts
from tasks.home import cluster_folder
from tasks.keys import key_pair
from tasks.providers.local import choice
from tasks.providers.local.faults import LocalFaults
from tasks.providers.local.provider import LocalProvider, clusters
from tasks.ssh import Login, Session, wait_for_login

TIERS = [Hosts.NAMESPACES, Hosts.LOOPBACK, Hosts.EMBEDDED]
LOGIN_LIMIT_S = WAIT_LIMIT_S = 60


@cache
def why_not(tier: Hosts) -> str:
    """Why a way to make nodes does not work on this machine; empty where it does. Asked once."""
    with local_home():
        return choice.why_not(tier)


def working_tiers() -> list[Hosts]:
    """The ways that work on this machine, the best one first."""
    return [tier for tier in TIERS if not why_not(tier)]


def require(tier: Hosts) -> None:
    """Skip the test where a way does not work; in CI, where all must, fail."""
    reason = why_not(tier)
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"{tier}: {reason}")
    if reason:
        pytest.skip(f"{tier}: {reason}")


@contextmanager
def local_home() -> Iterator[Path]:
    """A home of Groundwork with a short path, in place of the present one; released and deleted at the end."""
    before = os.environ.get("GROUNDWORK_HOME")
    home = Path(tempfile.mkdtemp(prefix="gw-"))
    os.environ["GROUNDWORK_HOME"] = str(home)
    try:
        yield home
    finally:
        for uuid in clusters():
            LocalProvider().release(Cluster(uuid=uuid, spec=LocalClusterSpec(name="left")))
        if before is None:
            del os.environ["GROUNDWORK_HOME"]
        else:
            os.environ["GROUNDWORK_HOME"] = before
        shutil.rmtree(home, ignore_errors=True)


@dataclass
class LocalWorld:
    """One cluster on this machine, with what a test needs to act on it and to look at it."""

    tier: Hosts
    provider: LocalProvider
    faults: LocalFaults
    cluster: Cluster
    private_key: str
    public_key: str

    @property
    def folder(self) -> Path:
        """Where all that the cluster owns lives."""
        return cluster_folder(self.cluster.uuid)

    @property
    def shared(self) -> Path:
        """The shared folder, as this machine sees it."""
        return self.folder / "shared"

    @property
    def ground(self) -> Ground:
        """What the provider prepared."""
        return self.provider.prepare(self.cluster)

    def launch(self, *indexes: int) -> None:
        """Launch nodes."""
        self.provider.launch(self.cluster, self.ground, indexes, public_key=self.public_key)

    def nodes(self) -> dict[int, Node]:
        """The nodes that exist, by index."""
        return {node.index: node for node in self.provider.nodes(self.cluster)}

    def up(self) -> list[int]:
        """The indexes of the nodes that are up."""
        return [index for index, node in self.nodes().items() if node.is_up]

    @contextmanager
    def session(self, index: int, *, limit_s: float = LOGIN_LIMIT_S) -> Iterator[Session]:
        """Enter a node."""
        login = Login(self.ground.user, self.private_key)
        session = wait_for_login(self.nodes()[index], login, timeout_s=limit_s)
        try:
            yield session
        finally:
            session.close()

    def processes(self) -> dict[int, str]:
        """The living processes of this machine that belong to the cluster: pid and command line."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                line, told = _read(entry / "cmdline"), _read(entry / "environ")
                if self.cluster.uuid in line or f"LOCAL_NODE={self.cluster.uuid}/" in told:
                    found[int(entry.name)] = line
        return found

    def first_processes(self) -> set[int]:
        """The first process of each node, or what keeps all nodes where they share one."""
        wanted = "local.servers" if self.tier is Hosts.EMBEDDED else "[listener]"
        return {pid for pid, line in self.processes().items() if wanted in line}

    def write_peer_files(self) -> None:
        """Put on the shared folder what the OpenSSH client needs on a node to reach its peers, strictly."""
        port = self.ground.peer_port
        name = "{}" if port == 22 else f"[{{}}]:{port}"
        lines = [f"{name.format(node.address)} {node.host_key}\n" for node in self.nodes().values()]
        (self.shared / "known_hosts").write_text("".join(lines))
        (self.shared / "key").touch(mode=0o600)
        (self.shared / "key").write_text(self.private_key)

    def peer_command(self, index: int, *argv: str) -> list[str]:
        """What a node runs to run something on its peer."""
        shared, ground = self.ground.shared, self.ground
        options = [
            "BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "ConnectTimeout=10",
            f"UserKnownHostsFile={shared}/known_hosts", "GlobalKnownHostsFile=/dev/null",
        ]  # fmt: skip
        flags = [flag for option in options for flag in ("-o", option)]
        place = ["-p", str(ground.peer_port), f"{ground.user}@{self.nodes()[index].address}"]
        return ["ssh", "-F", "none", "-i", f"{shared}/key", *flags, *place, shlex.join(argv)]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace").replace("\0", "\n")
    except OSError:
        return ""


@contextmanager
def local_world(tier: Hosts) -> Iterator[LocalWorld]:
    """A cluster that is not prepared yet, under a home of its own; released at the end."""
    require(tier)
    with local_home():
        private_key, public_key = key_pair()
        cluster = Cluster(spec=LocalClusterSpec(name="t", node_count=4))
        provider = LocalProvider(tier)
        world = LocalWorld(tier, provider, LocalFaults(tier), cluster, private_key, public_key)
        try:
            yield world
        finally:
            provider.release(cluster)


@contextmanager
def running_provider(tier: Hosts, node_count: int = 2) -> Iterator[LocalWorld]:
    """A cluster of nodes that run; released at the end."""
    with local_world(tier) as world:
        world.launch(*range(1, node_count + 1))
        yield world


def wait_until(what: Callable[[], bool]) -> None:
    """Wait for something to come true, with plenty of time."""
    deadline = time.monotonic() + WAIT_LIMIT_S
    while not what():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
