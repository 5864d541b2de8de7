"""Nodes behind a jump host: a node of a local cluster is the jump host, and the others have no other way in."""

import dataclasses
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.cluster import Node
from blocks.errors import HostKeyChanged, NodeUnreachable
from blocks.jump_host import JumpHost
from blocks.local_machine import Hosts
from tasks.keys import key_pair
from tasks.ssh import Login, Sessions, connect
from tasks.ssh_jump import Jump
from tests.worlds.local_hosts import LocalWorld, running_provider, wait_until


@pytest.fixture(scope="module")
def world() -> Iterator[LocalWorld]:
    """Three nodes; the first is the jump host."""
    with running_provider(Hosts.NAMESPACES, 3) as world:
        for index in (1, 2, 3):
            with world.session(index):
                pass
        yield world


def gate(world: LocalWorld, **other: Any) -> JumpHost:
    """The block of the jump host, with some of it changed."""
    node = world.nodes()[1]
    told = {
        "host": node.ssh_host,
        "port": node.ssh_port,
        "user": world.ground.user,
        "host_key": node.host_key,
        "private_key": SecretStr(world.private_key),
    }
    return JumpHost(**{**told, **other})


def behind(world: LocalWorld, *indexes: int) -> list[Node]:
    """Nodes at the addresses that they have among themselves, which nobody outside reaches."""
    port, nodes = world.ground.peer_port, world.nodes()
    return [nodes[index].model_copy(update={"ssh_host": nodes[index].address, "ssh_port": port}) for index in indexes]


def login(world: LocalWorld, host: JumpHost | None = None) -> Login:
    return Login(world.ground.user, world.private_key, Jump(host or gate(world)))


def connections_to(world: LocalWorld) -> int:
    """How many connections this machine has open to the jump host."""
    node = world.nodes()[1]
    there = f"{int.from_bytes(IPv4Address(node.ssh_host).packed, 'little'):08X}:{node.ssh_port:04X}"
    lines = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(remote == there and state == "01" for _, _, remote, state, *_ in lines)


def test_all_nodes_share_one_connection_to_the_jump_host(world: LocalWorld) -> None:
    """CON-09, NET-12: without it private nodes are out of reach, or a cluster opens as many doors as it has nodes."""
    nodes = behind(world, 2, 3)
    with pytest.raises(NodeUnreachable):
        connect(nodes[0], Login(world.ground.user, world.private_key), timeout_s=2)
    wait_until(lambda: connections_to(world) == 0)
    data = os.urandom(3_000_000)
    with Sessions(login(world)) as sessions:
        opened = sessions.to_all(nodes)
        names = [session.run(["hostname"]).text for session in opened]
        assert connections_to(world) == 1
        opened[0].write(f"{world.ground.shared}/data", data)
        assert opened[1].read(f"{world.ground.shared}/data") == data
        assert opened[0].run(["wc", "-c"], stdin=data).text == str(len(data))
        # One node's end is not the other's.
        opened[0].close()
        assert opened[1].run(["hostname"]).text == names[1]
    assert names == [node.name for node in nodes]
    wait_until(lambda: connections_to(world) == 0)


def test_host_keys_are_strict_at_both(world: LocalWorld) -> None:
    """SEC-13: a jump host that is not the known one gets no login; a good one does not vouch for nodes."""
    (node,), nodes = behind(world, 2), world.nodes()
    with pytest.raises(HostKeyChanged, match=r"^jump host .*: shows another host key"):
        connect(node, login(world, gate(world, host_key=nodes[2].host_key)))
    with pytest.raises(HostKeyChanged, match=f"^{node.name}: shows another host key"):
        connect(node.model_copy(update={"host_key": nodes[3].host_key}), login(world))


def test_a_refusal_says_who_refused(world: LocalWorld) -> None:
    """CON-09: one who looks for the fault at the node when it is the jump host's looks for long."""
    (node,) = behind(world, 2)
    strange = SecretStr(key_pair()[0])
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for wrong in ({"host": "127.0.0.1", "port": closed.getsockname()[1]}, {"private_key": strange}):
            with pytest.raises(NodeUnreachable, match=f"^{node.name}: jump host .*: no SSH login"):
                connect(node, login(world, gate(world, **wrong)))
    with pytest.raises(NodeUnreachable, match=f"^{node.name}: jump host .*: does not get through to .*:7 "):
        connect(node.model_copy(update={"ssh_port": 7}), login(world))
    with pytest.raises(NodeUnreachable, match=f"^{node.name}: no SSH login .Authentication failed"):
        connect(node, dataclasses.replace(login(world), private_key=strange.get_secret_value()))


def test_who_waits_for_a_failing_jump_host_shares_the_try(world: LocalWorld) -> None:
    """CON-09: without it 128 nodes try a dead jump host one after the other, for twenty minutes."""
    nodes, tried = behind(world, *[2] * 16), []
    with socket.create_server(("127.0.0.1", 0)) as dead:

        def hang_up() -> None:
            while True:
                try:
                    caller, _ = dead.accept()
                except OSError:
                    return
                tried.append(caller)
                threading.Timer(1, caller.close).start()

        threading.Thread(target=hang_up, daemon=True).start()
        way = login(world, gate(world, host="127.0.0.1", port=dead.getsockname()[1]))
        with ThreadPoolExecutor(len(nodes)) as pool:
            ends = [pool.submit(connect, node, way) for node in nodes]
        assert {type(end.exception()) for end in ends} == {NodeUnreachable}
        dead.shutdown(socket.SHUT_RDWR)
    assert len(tried) == 1


def test_a_dead_node_behind_a_living_jump_host_is_noticed(world: LocalWorld) -> None:
    """CON-09, JOB-11: the jump host's connection stays good, so nothing else tells. Who is only silent is not dead."""
    dead, living = behind(world, 2, 3)
    with Sessions(login(world)) as sessions, ThreadPoolExecutor(1) as pool:
        cut, other = sessions.to_all([dead, living])
        silent = pool.submit(other.run, ["sh", "-c", "sleep 14; echo awake"])
        begun = time.monotonic()
        world.faults.cut(world.cluster, 2)
        try:
            with pytest.raises(NodeUnreachable, match=f"^{dead.name}: the SSH connection was lost"):
                cut.run(["sleep", "60"])
            assert time.monotonic() - begun < 30
        finally:
            world.faults.mend(world.cluster, 2)
        assert silent.result().text == "awake"
        assert sessions.to(dead).run(["hostname"]).text == dead.name


def test_a_jump_host_that_was_away_is_entered_again(world: LocalWorld) -> None:
    """CON-09: without it one restart of the jump host ends all that a long run still wants of its nodes."""
    (node,) = behind(world, 2)
    with Sessions(login(world)) as sessions:
        session = sessions.to(node)
        world.faults.kill(world.cluster, 1)
        wait_until(lambda: not session.is_open)
        with pytest.raises(NodeUnreachable, match="the SSH connection was lost"):
            session.run(["hostname"])
        world.provider.start(world.cluster)
        assert sessions.to(node).run(["hostname"]).text == node.name
