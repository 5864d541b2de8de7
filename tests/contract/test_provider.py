"""The provider contract, asked of each way to make local nodes (OPS-01, CLU-19)."""

import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blocks.cluster import Cluster, LocalClusterSpec
from blocks.errors import HostKeyChanged, NoCapacity, NodeUnreachable, WrongState
from blocks.local_machine import Hosts
from tasks.home import home
from tasks.keys import key_pair
from tasks.providers.local.provider import clusters
from tasks.ssh import Login, connect
from tests.worlds.local_hosts import TIERS, LocalWorld, local_world, running_provider

DEADLINE_S = 60
ROOT = Path(__file__).parents[2]

LAUNCHER = """
import json, sys
from blocks.cluster import Cluster, LocalClusterSpec
from blocks.local_machine import Hosts
from tasks.providers.local.provider import LocalProvider
told = json.loads(sys.argv[1])
cluster = Cluster(uuid=told["uuid"], spec=LocalClusterSpec(name="t"))
provider = LocalProvider(Hosts(told["tier"]))
ground = provider.prepare(cluster)
print("go", flush=True)
provider.launch(cluster, ground, told["indexes"], public_key=told["public_key"])
"""


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


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def start_launcher(world: LocalWorld, *indexes: int) -> subprocess.Popen[bytes]:
    told = {"uuid": world.cluster.uuid, "tier": world.tier, "indexes": indexes, "public_key": world.public_key}
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, json.dumps(told)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
    )


def first_processes(world: LocalWorld) -> list[str]:
    """The first process of each node, or what keeps all nodes where they share one."""
    wanted = "local.servers" if world.tier is Hosts.EMBEDDED else "[listener]"
    return [line for line in world.processes().values() if wanted in line]


def write_peer_files(world: LocalWorld, *indexes: int) -> None:
    """What the OpenSSH client needs on a node to reach its peers, strictly."""
    nodes, port = world.nodes(), world.ground.peer_port
    name = "{}" if port == 22 else f"[{{}}]:{port}"
    lines = [f"{name.format(nodes[index].address)} {nodes[index].host_key}\n" for index in indexes]
    (world.shared / "known_hosts").write_text("".join(lines))
    (world.shared / "key").touch(mode=0o600)
    (world.shared / "key").write_text(world.private_key)


def peer_command(world: LocalWorld, index: int, *argv: str) -> list[str]:
    shared, ground = world.ground.shared, world.ground
    options = [
        "BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "ConnectTimeout=10",
        f"UserKnownHostsFile={shared}/known_hosts", "GlobalKnownHostsFile=/dev/null",
    ]  # fmt: skip
    flags = [flag for option in options for flag in ("-o", option)]
    address = world.nodes()[index].address
    port = str(ground.peer_port)
    return [
        "ssh",
        "-F",
        "none",
        "-i",
        f"{shared}/key",
        "-p",
        port,
        *flags,
        f"{ground.user}@{address}",
        shlex.join(argv),
    ]


def test_a_second_call_changes_nothing(pair: LocalWorld) -> None:
    ground, nodes = pair.ground, pair.nodes()
    with pair.session(1) as session, pair.session(2):
        before = first_processes(pair)
        pair.launch(1, 2)
        pair.provider.start(pair.cluster)
        assert session.run(["echo", "still here"]).text == "still here"
    assert pair.ground == ground
    assert pair.nodes() == nodes
    assert sorted(first_processes(pair)) == sorted(before)


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
    write_peer_files(pair, 1, 2)
    with pair.session(1) as session:
        command = peer_command(pair, 2, "sh", "-c", "test -t 0 && tty && exit 4")
        done = session.run([command[0], "-tt", *command[1:]], check=False)
        assert done.code == 4, done.stderr
        assert "/dev/pts/" in done.text


@pytest.mark.skipif(not shutil.which("ssh"), reason="no OpenSSH client here")
def test_peers_reach_each_other_and_share_files(pair: LocalWorld) -> None:
    write_peer_files(pair, 1, 2)
    with pair.session(1) as session:
        session.write(f"{pair.ground.shared}/said", b"by node1")
        for index in (1, 2):
            told = session.run(
                peer_command(pair, index, "sh", "-c", 'cat "$0"; echo " $LOCAL_NODE"', f"{pair.ground.shared}/said")
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


def test_clusters_outlive_who_launched_them(world: LocalWorld) -> None:
    with start_launcher(world, 1, 2) as launcher:
        _, said = launcher.communicate(timeout=DEADLINE_S)
    assert launcher.returncode == 0, said
    assert world.up() == [1, 2]
    with pytest.raises(ProcessLookupError):  # Nothing of the cluster is in the launcher's process group.
        os.killpg(launcher.pid, signal.SIGKILL)
    with world.session(2) as session:
        session.run(["true"])


@pytest.mark.parametrize("seed", range(3))
def test_a_launch_killed_midway_is_finished_by_the_next(world: LocalWorld, seed: int) -> None:
    moment_s = random.Random(seed).uniform(0, 0.25)
    with start_launcher(world, 1, 2, 3) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == b"go\n", launcher.stderr and launcher.stderr.read()
        try:
            launcher.wait(timeout=moment_s)
        except subprocess.TimeoutExpired:
            launcher.kill()
    world.launch(1, 2, 3)
    assert world.up() == [1, 2, 3]
    with world.session(3) as session:
        session.run(["true"])
    expected = 1 if world.tier is Hosts.EMBEDDED else 3
    wait_until(lambda: len(first_processes(world)) == expected)  # One that found its address taken ends by itself.


def test_two_launchers_at_once_double_nothing(world: LocalWorld) -> None:
    with start_launcher(world, 1, 2, 3) as one, start_launcher(world, 1, 2, 3) as other:
        said = [launcher.communicate(timeout=DEADLINE_S)[1] for launcher in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), said
    assert world.up() == [1, 2, 3]
    assert len(first_processes(world)) == (1 if world.tier is Hosts.EMBEDDED else 3)


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


class TestHostsOfTheirOwn:
    """What only nodes with namespaces of their own promise."""

    @pytest.fixture
    def tier(self) -> Hosts:
        return Hosts.NAMESPACES

    def test_each_has_its_name_network_and_processes(self, pair: LocalWorld) -> None:
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

    def test_an_unknown_name_costs_little(self, pair: LocalWorld) -> None:
        with pair.session(1) as session:
            assert session.run(["getent", "hosts", "no-such-name.example"], check=False, timeout_s=8).code != 0

    def test_a_cut_link_loses_packets_until_it_is_mended(self, pair: LocalWorld) -> None:
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

    def test_a_node_that_came_back_is_known_to_its_peers(self, pair: LocalWorld) -> None:
        if not shutil.which("ssh"):
            pytest.skip("no OpenSSH client here")
        write_peer_files(pair, 1, 2)
        with pair.session(1) as session:
            session.run(peer_command(pair, 2, "true"))
            pair.faults.kill(pair.cluster, 2)
            pair.provider.start(pair.cluster)
            with pair.session(2):
                session.run(peer_command(pair, 2, "true"), timeout_s=10)


def test_links_are_cut_only_where_there_are_any() -> None:
    with running_provider(Hosts.EMBEDDED, 1) as world:
        assert not world.faults.can_cut
        with pytest.raises(WrongState):
            world.faults.cut(world.cluster, 1)


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
