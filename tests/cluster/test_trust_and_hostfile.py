"""Whom nodes and we trust, and what the launcher is told about the nodes."""

import json
import threading
from collections.abc import Iterator

import pytest

from blocks.errors import HostKeyChanged, NodeUnreachable, VerificationFailed
from tasks import bootstrap, keys, verification
from tasks.bootstrap import Furniture
from tasks.ssh import Login, connect
from tests.worlds.live_cluster import LiveCluster, live_cluster


@pytest.fixture(scope="module")
def live() -> Iterator[LiveCluster]:
    with live_cluster(3) as cluster:
        yield cluster


def test_the_three_checks_are_good(live: LiveCluster) -> None:
    """CLU-19: hostfile, names and Python over every slot, node by node."""
    checks = verification.verify(live.cluster, live.sessions)
    verification.require_good(live.cluster, checks)
    assert {check.check for check in checks} == {"hostfile", "hostname", "python"}
    assert {check.node for check in checks if check.check == "python"} == {"node1", "node2", "node3"}


def test_the_hostfile_is_there_on_all_nodes_in_both_dialects(live: LiveCluster) -> None:
    """CON-03: the name that people know, and what MPICH, Intel MPI and Open MPI read."""
    cluster = live.cluster
    assert cluster.hostfile.endswith(f"/.hostfile-{cluster.uuid}")
    for node in cluster.nodes:
        session = live.sessions.to(node)
        assert session.read(cluster.hostfile).decode().splitlines() == [f"{n.address}:2" for n in cluster.nodes]
        openmpi = session.read(cluster.hostfile + ".openmpi").decode().splitlines()
        assert openmpi == [f"{n.address} slots=2" for n in cluster.nodes]


def test_a_reader_never_sees_half_a_hostfile(live: LiveCluster) -> None:
    """CON-03: the file is replaced in one step while others read it."""
    path = live.shared / f".hostfile-{live.cluster.uuid}"
    whole = live.cluster
    fewer = live.cluster.model_copy(update={"nodes": live.cluster.nodes[:1]})
    allowed = {bootstrap.mpich_hostfile(whole.nodes), bootstrap.mpich_hostfile(fewer.nodes)}
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(20):
            bootstrap.announce(live.head, fewer)
            bootstrap.announce(live.head, whole)
    finally:
        stop.set()
        reader.join()
    assert seen == allowed


def test_another_host_key_is_refused_before_anything_is_sent(live: LiveCluster) -> None:
    """CON-06, SEC-13: somebody else at a node's address gets nothing."""
    _, other = keys.key_pair()
    impostor = live.cluster.nodes[1].model_copy(update={"host_key": other})
    login = Login(live.cluster.require_ground().user, live.key.private_key.get_secret_value())
    with pytest.raises(HostKeyChanged, match="node2: shows another host key"):
        connect(impostor, login)


def test_nodes_refuse_each_other_with_another_host_key(live: LiveCluster) -> None:
    """CON-06: mpiexec's own way to the nodes is as strict as ours."""
    place = Furniture(live.cluster.require_ground().shared)
    known = live.head.read(f"{place.ssh}/known_hosts")
    _, other = keys.key_pair()
    address = live.cluster.nodes[2].address
    swapped = b"".join(
        line.split(b" ", 1)[0] + b" " + other.encode() + b"\n" if address.encode() in line else line
        for line in known.splitlines(keepends=True)
    )
    reach = ["sh", "-c", 'cd "$0" && ssh -F ssh_config -o ControlPath=none "$1" true', place.ssh, address]
    assert live.head.run(reach, check=False).code == 0
    try:
        live.head.write(f"{place.ssh}/known_hosts", swapped)
        refused = live.head.run(reach, check=False)
    finally:
        live.head.write(f"{place.ssh}/known_hosts", known)
    assert refused.code == 255
    assert b"host key" in refused.stderr.lower()


def test_an_address_used_again_by_a_new_node_is_trusted_with_its_new_key(live: LiveCluster) -> None:
    """CON-06: a node that is replaced gets a new host key, and nobody has to be told by hand."""
    cluster, old = live.cluster, live.cluster.nodes[2]
    live.provider.terminate(cluster, [3])
    assert [node.index for node in live.provider.nodes(cluster)] == [1, 2]
    live.provider.launch(cluster, cluster.require_ground(), [1, 2, 3], public_key=live.key.public_key)
    live.furnish()
    new = live.cluster.nodes[2]
    assert (new.name, new.address) == (old.name, old.address)
    assert new.host_key != old.host_key
    verification.require_good(cluster, verification.verify(cluster, live.sessions))


def test_no_agent_is_forwarded_and_no_other_key_is_taken(live: LiveCluster) -> None:
    """SEC-13: a node cannot use our agent, and a stranger's key opens nothing."""
    place = Furniture(live.cluster.require_ground().shared)
    there = live.cluster.nodes[1].address
    asked = live.head.run([place.sshx, there, "echo", "[$SSH_AUTH_SOCK]"])
    assert asked.text == "[]"
    strange, _ = keys.key_pair()
    with pytest.raises(NodeUnreachable, match="node1"):
        connect(live.cluster.nodes[0], Login(live.cluster.require_ground().user, strange))


def test_a_dead_node_is_named(live: LiveCluster) -> None:
    """CLU-19: a cluster with a dead node is not verified, and the node is named."""
    live.faults.kill(live.cluster, 2)
    try:
        with pytest.raises((NodeUnreachable, VerificationFailed), match="node2"):
            verification.verify(live.cluster, live.sessions)
    finally:
        live.provider.start(live.cluster)
        live.furnish()
    verification.require_good(live.cluster, verification.verify(live.cluster, live.sessions))


def test_a_program_reads_arguments_as_they_are(live: LiveCluster) -> None:
    """SEC-08: no word that we send is read by a shell."""
    odd = ["a b", "$(touch /tmp/x)", "`id`", "'", '"', "*", ";", "", "\n", "é", "-n"]
    echo = "import sys,json;print(json.dumps(sys.argv[1:]))"
    said = live.head.run([live.cluster.require_ground().python, "-I", "-S", "-c", echo, *odd])
    assert json.loads(said.text) == odd
