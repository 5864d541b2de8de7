"""The provider contract, asked of each way to make local nodes (OPS-01, CLU-19)."""

import grp
import os
import random
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.cluster import Cluster
from blocks.cluster_spec import LocalClusterSpec
from blocks.errors import HostKeyChanged, NoCapacity, NodeUnreachable, WrongState
from blocks.local_machine import Hosts
from tasks.home import home
from tasks.keys import key_pair
from tasks.providers.local.provider import clusters
from tasks.ssh import Login, connect
from tests.worlds.local_hosts import TIERS, LocalWorld, local_world, running_provider, wait_until

DEADLINE_S = 60
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> Hosts:
    return request.param


@pytest.fixture
def world(tier: Hosts) -> Iterator[LocalWorld]:
    with local_world(tier) as world:
        yield world


@pytest.fixture
def pair(tier: Hosts) -> Iterator[LocalWorld]:
    with running_provider(tier) as world:
        yield world


def sshd_may_give_terminals() -> bool:
    leader, follower = os.openpty()
    try:
        return os.getuid() == 0 or os.fstat(follower).st_gid == grp.getgrnam("tty").gr_gid
    finally:
        os.close(leader)
        os.close(follower)


def test_a_second_call_changes_nothing(pair: LocalWorld) -> None:
    ground, nodes = pair.ground, pair.nodes()
    with pair.session(1) as session, pair.session(2):
        before = pair.first_processes()
        pair.launch(1, 2)
        pair.provider.start(pair.cluster)
        assert session.run(["echo", "still here"]).text == "still here"
    assert pair.ground == ground
    assert pair.nodes() == nodes
    assert pair.first_processes() == before


def test_nodes_are_entered_by_their_own_host_key_only(pair: LocalWorld) -> None:
    nodes = pair.nodes()
    login = Login(pair.ground.user, pair.private_key)
    with pair.session(1) as session:
        assert session.run(["sh", "-c", 'echo "$LOCAL_NODE"']).text == f"{pair.cluster.uuid}/node1"
    with pytest.raises(HostKeyChanged):
        connect(nodes[1].model_copy(update={"host_key": nodes[2].host_key}), login)
    with pytest.raises(NodeUnreachable):
        connect(nodes[1], Login(pair.ground.user, key_pair()[0]))


def test_commands_get_input_output_and_codes(pair: LocalWorld) -> None:
    with pair.session(1) as session:
        data = random.Random(7).randbytes(3_000_000)
        done = session.run(["sh", "-c", "cat; echo no >&2; exit 3"], stdin=data, check=False)
        assert (done.code, done.stdout, done.stderr) == (3, data, b"no\n")
        assert session.run(["sh", "-c", "kill -9 $$"], check=False).code == -1
        awkward = "a b'c\"d$HOME\\\n*"
        assert session.run(["printf", "%s", awkward]).stdout.decode() == awkward


@pytest.mark.skipif(not shutil.which("ssh"), reason="no OpenSSH client here")
def test_nodes_give_terminals(pair: LocalWorld) -> None:
    if pair.tier is Hosts.LOOPBACK and not sshd_may_give_terminals():
        pytest.skip("this machine's terminals do not belong to group tty, and only root may change that")
    pair.write_peer_files()
    with pair.session(1) as session:
        command = pair.peer_command(2, "sh", "-c", "test -t 0 && tty && exit 4")
        done = session.run([command[0], "-tt", *command[1:]], check=False)
        assert done.code == 4, done.stderr
        assert "/dev/pts/" in done.text


@pytest.mark.skipif(not shutil.which("ssh"), reason="no OpenSSH client here")
def test_peers_reach_each_other_and_share_files(pair: LocalWorld) -> None:
    pair.write_peer_files()
    with pair.session(1) as session:
        session.write(f"{pair.ground.shared}/said", b"by node1")
        for index in (1, 2):
            told = session.run(
                pair.peer_command(index, "sh", "-c", 'cat "$0"; echo " $LOCAL_NODE"', f"{pair.ground.shared}/said")
            )
            assert told.text == f"by node1 {pair.cluster.uuid}/node{index}"
    assert (pair.shared / "said").stat().st_uid == os.getuid()


def test_python_and_mpiexec_are_where_the_ground_says(pair: LocalWorld) -> None:
    with pair.session(2) as session:
        assert session.run([pair.ground.python, "-c", "print(6 * 7)"]).text == "42"
        assert session.run(["id", "-u"]).text == str(os.getuid())


def test_nothing_of_our_environment_reaches_nodes(tier: Hosts) -> None:
    canary = f"canary-{random.randrange(10**12)}"
    os.environ["CANARY_SECRET"] = canary
    try:
        with running_provider(tier) as world, world.session(1) as session:
            assert canary not in session.run(["env"]).text
            for pid in world.processes():
                assert canary not in Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    finally:
        del os.environ["CANARY_SECRET"]


def test_nodes_come_and_go(world: LocalWorld) -> None:
    world.launch(1, 2)
    world.launch(3)
    before = world.nodes()
    assert (list(before), world.up()) == ([1, 2, 3], [1, 2, 3])
    with world.session(1) as stays:
        world.provider.terminate(world.cluster, [2, 77])
        assert list(world.nodes()) == [1, 3]
        world.provider.terminate(world.cluster, [2])
        world.launch(1, 2, 3)
        after = world.nodes()
        assert stays.run(["echo", "on"]).text == "on"
    assert (after[1], after[3]) == (before[1], before[3])
    assert after[2].address == before[2].address
    assert after[2].host_key != before[2].host_key
    with world.session(2) as session:
        session.run(["true"])


def test_stop_and_start_keep_files_addresses_and_keys(pair: LocalWorld) -> None:
    before = pair.nodes()
    (pair.shared / "kept").write_text("yes")
    for _ in range(2):
        pair.provider.stop(pair.cluster)
        assert (list(pair.nodes()), pair.up()) == ([1, 2], [])
    assert not pair.processes()
    pair.provider.start(pair.cluster)
    assert pair.nodes() == before
    with pair.session(2) as session:
        assert session.read(f"{pair.ground.shared}/kept") == b"yes"


def test_release_leaves_nothing(tier: Hosts) -> None:
    with running_provider(tier) as world:
        with world.session(1) as session:
            # One that left its session, hears no signal, and one that a closed pipe would not end.
            session.run(["sh", "-c", "trap '' HUP TERM INT; setsid sleep 1000 >/dev/null 2>&1 </dev/null &"])
            session.run(["mkdir", "-p", f"{world.ground.shared}/closed/inner"])
            session.run(["chmod", "000", f"{world.ground.shared}/closed/inner", f"{world.ground.shared}/closed"])
            assert any("sleep" in line for line in world.processes().values())
            world.provider.release(world.cluster)
        assert not world.processes()
        assert not world.folder.exists()
        assert not clusters()
        assert world.nodes() == {}
        world.provider.release(world.cluster)


def test_what_was_never_made_is_released_and_not_launched(world: LocalWorld) -> None:
    world.provider.release(world.cluster)
    world.provider.stop(world.cluster)
    world.provider.terminate(world.cluster, [1])
    assert world.nodes() == {}
    ground = world.ground
    world.provider.release(world.cluster)
    with pytest.raises(WrongState):
        world.provider.launch(world.cluster, ground, [1], public_key=world.public_key)
    assert not world.folder.exists()


def test_what_was_half_made_is_released(world: LocalWorld) -> None:
    folder = home() / "clusters" / world.cluster.uuid
    folder.mkdir(parents=True)
    assert clusters() == [world.cluster.uuid]
    world.provider.release(world.cluster)
    assert not clusters()


def test_a_taken_address_leaves_nothing_of_the_call(world: LocalWorld) -> None:
    world.launch(1)
    node = world.nodes()[1]
    with socket.socket() as squatter:
        squatter.bind((node.ssh_host.rpartition(".")[0] + ".3", node.ssh_port))
        squatter.listen()
        with pytest.raises(NoCapacity):
            world.launch(1, 2, 3)
        assert world.nodes() == {1: node}
    world.launch(2, 3)
    assert world.up() == [1, 2, 3]


def test_a_killed_node_is_dead_until_it_is_started(pair: LocalWorld) -> None:
    with pair.session(2) as session:
        session.run(["sh", "-c", "setsid sleep 1001 >/dev/null 2>&1 </dev/null &"])
        pair.faults.kill(pair.cluster, 2)
        assert pair.up() == [1]
        assert not any("1001" in line for line in pair.processes().values())
        wait_until(lambda: not session.is_open)
    pair.launch(1, 2)
    assert pair.up() == [1]
    with pair.session(1) as session:
        session.run(["true"])
    pair.provider.start(pair.cluster)
    with pair.session(2) as session:
        session.run(["true"])


def test_a_cluster_whose_processes_all_died_starts_and_is_released(pair: LocalWorld) -> None:
    before = pair.nodes()
    for _ in range(2):
        for pid in pair.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        wait_until(lambda: pair.up() == [])
        pair.provider.start(pair.cluster)
        assert pair.nodes() == before
    with pair.session(2) as session:
        session.run(["true"])


def test_long_and_awkward_folders_are_fine(tier: Hosts, tmp_path: Path) -> None:
    before = os.environ.get("GROUNDWORK_HOME")
    os.environ["GROUNDWORK_HOME"] = str(tmp_path / ("long " * 20).strip() / ("longer" * 10))
    try:
        with local_world(tier) as world:
            os.environ["GROUNDWORK_HOME"] = str(tmp_path / ("long " * 20).strip() / ("longer" * 10))
            world.launch(1)
            with world.session(1) as session:
                assert session.run(["sh", "-c", 'echo "$HOME"']).text.endswith("/home")
            world.provider.release(world.cluster)
    finally:
        del os.environ["GROUNDWORK_HOME"]
        if before is not None:
            os.environ["GROUNDWORK_HOME"] = before


def test_growth_by_node_is_small(tier: Hosts) -> None:
    """Twelve more nodes are there after one call, each entered by its own key."""
    with running_provider(tier, 1) as world:
        world.launch(*range(1, 14))
        assert world.up() == list(range(1, 14))
        with world.session(13) as session:
            session.run(["true"])


def test_auto_says_what_it_took_and_why(world: LocalWorld) -> None:
    assert world.ground.says.startswith(f"{world.tier}: ")
    assert "\n" not in world.ground.says


def test_a_cluster_keeps_to_its_way(world: LocalWorld) -> None:
    from tasks.providers.local.provider import LocalProvider

    ground = world.ground
    assert LocalProvider(Hosts.AUTO).prepare(world.cluster) == ground


def test_check_lets_through_what_fits(world: LocalWorld) -> None:
    world.provider.check(LocalClusterSpec(name="t", node_count=1))
    assert world.nodes() == {}
    assert isinstance(world.cluster, Cluster)
