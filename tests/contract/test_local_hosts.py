"""Local nodes in namespaces are hosts of their own: name, network, processes, links that can be cut."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.errors import NodeUnreachable, WrongState
from blocks.local_machine import Hosts
from tasks.ssh import Login, connect
from tests.worlds.local_hosts import LocalWorld, running_provider, wait_until


@pytest.fixture
def pair() -> Iterator[LocalWorld]:
    with running_provider(Hosts.NAMESPACES) as world:
        yield world


def test_each_has_its_name_network_and_processes(pair: LocalWorld) -> None:
    for index in (1, 2):
        with pair.session(index) as session:
            assert session.run(["hostname"]).text == f"node{index}"
            names = session.run(["getent", "hosts", "node1", "node2", "node200", "controller"]).text
            assert names.split()[::2] == ["10.77.0.11", "10.77.0.12", "10.77.0.210", "10.77.0.1"]
            session.run(["sh", "-c", "echo mine >/dev/shm/mine"])
            assert session.run(["ls", "/dev/shm"]).text == "mine"
            assert session.run(["cat", "/proc/sys/kernel/hostname"]).text == f"node{index}"
            seen = session.run(["sh", "-c", "ls -d /proc/[0-9]* | wc -l"]).text
            assert int(seen) < 12
    assert not Path("/dev/shm/mine").exists()


def test_an_unknown_name_costs_little(pair: LocalWorld) -> None:
    with pair.session(1) as session:
        assert session.run(["getent", "hosts", "no-such-name.example"], check=False, timeout_s=8).code != 0


def test_a_cut_link_loses_packets_until_it_is_mended(pair: LocalWorld) -> None:
    node, login = pair.nodes()[2], Login(pair.ground.user, pair.private_key)
    with pair.session(1) as other, pair.session(2) as session:
        pair.faults.cut(pair.cluster, 2)
        assert pair.up() == [1, 2]  # Nothing is told: the node lives.
        with pytest.raises(NodeUnreachable):
            connect(node, login, timeout_s=5)
        other.run(["true"])
        wait_until(lambda: not session.is_open)
        pair.faults.mend(pair.cluster, 2)
    with pair.session(2) as session:
        assert session.run(["hostname"]).text == "node2"


def test_a_node_that_came_back_is_known_to_its_peers(pair: LocalWorld) -> None:
    if not shutil.which("ssh"):
        pytest.skip("no OpenSSH client here")
    pair.write_peer_files()
    with pair.session(1) as session:
        session.run(pair.peer_command(2, "true"))
        pair.faults.kill(pair.cluster, 2)
        pair.provider.start(pair.cluster)
        with pair.session(2):
            session.run(pair.peer_command(2, "true"), timeout_s=10)


def test_links_are_cut_only_where_there_are_any() -> None:
    with running_provider(Hosts.EMBEDDED, 1) as world:
        assert not world.faults.can_cut
        with pytest.raises(WrongState):
            world.faults.cut(world.cluster, 1)
