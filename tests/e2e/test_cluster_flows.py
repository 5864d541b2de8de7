"""A cluster's life through a real Prefect server and worker: the world is what nodes and processes there are."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from prefect.client.orchestration import get_client

from blocks.cluster import Cluster, State
from blocks.errors import GroundworkError, NameTaken, NodeUnreachable
from flows.cluster_life import delete_cluster, start_cluster, verify_cluster
from flows.local_clusters import create_local_cluster
from tasks import cluster_keys, records
from tasks.home import home
from tasks.providers.local.faults import LocalFaults
from tasks.providers.local.provider import LocalProvider
from tasks.ssh import Login, connect, wait_for_login
from tests.worlds import flow_runs
from tests.worlds.flow_runs import block, require_completed, wait_until
from tests.worlds.prefect_server import PrefectServer
from tests.worlds.secrets_at_rest import files_with

CREATION_STEPS = [
    "check what was asked for",
    "claim the name {name}",
    "prepare the ground of {name}",
    "launch the nodes of {name}",
    "enter the nodes of {name}",
    "furnish {name} for MPI",
    "say how {name} is",
    "verify {name} over every slot",
    "say how {name} is",
]


def up(cluster: Cluster) -> list[int]:
    """The nodes that are up, as the place itself tells."""
    return [node.index for node in LocalProvider().nodes(cluster) if node.is_up]


def processes_of(cluster: Cluster) -> list[str]:
    """Whatever runs for a cluster: everything of it has its folder in the command line or environment."""
    mark = f"clusters/{cluster.uuid}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mark in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes():
                    found.append(folder.name)
            except OSError:
                continue
    return found


def require_nothing_left(cluster: Cluster) -> None:
    assert records.find(cluster.name) is None
    assert cluster_keys.find(cluster) is None
    assert not (home() / "clusters" / cluster.uuid).exists()
    assert processes_of(cluster) == []


def test_a_cluster_lives_through_the_command_line(house: PrefectServer) -> None:
    """OPS-08, CLU-01, CLU-10: every flow of a cluster by `prefect deployment run`, its steps as planned."""
    house.run_cli("create-local-cluster", "-p", "name=cli", "-p", "node_count=2", "-p", "slots_per_node=1")
    cluster = records.read("cli")
    assert (cluster.state, cluster.seed_state, up(cluster)) == (State.RUNNING, "FINISHED", [1, 2])
    assert flow_runs.steps(UUID(cluster.creator)) == [step.format(name="cli") for step in CREATION_STEPS]
    (shared_folder(cluster) / "kept").write_text("mine")

    this = ["-p", 'cluster={"$ref":{"block_document_slug":"cluster/cli"}}']
    house.run_cli("verify-cluster", *this)
    house.run_cli("resize-cluster", *this, "-p", "node_count=3")
    bigger = records.read("cli")
    assert (bigger.uuid, bigger.slots, up(bigger)) == (cluster.uuid, 3, [1, 2, 3])
    hostfile = shared_folder(cluster) / f".hostfile-{cluster.uuid}"
    assert hostfile.read_text().splitlines() == [f"{node.address}:1" for node in bigger.nodes]
    house.run_cli("stop-cluster", *this)
    assert (records.read("cli").state, up(cluster)) == (State.STOPPED, [])
    house.run_cli("start-cluster", *this)
    assert (records.read("cli").state, up(cluster)) == (State.RUNNING, [1, 2, 3])
    house.run_cli("delete-cluster", *this)
    require_nothing_left(cluster)


def shared_folder(cluster: Cluster) -> Path:
    return home() / "clusters" / cluster.uuid / "shared"


def test_a_clusters_key_goes_with_it(house: PrefectServer) -> None:
    """SEC-03: made by us, in a secret block and on the cluster's own folder only; after the cluster it is nowhere, and
    a new cluster of the same name refuses it."""
    create_local_cluster(name="keyed", node_count=1, slots_per_node=1)
    old = records.read("keyed")
    key = private_key(old)
    wait_for_login(old.head, Login(old.require_ground().user, key), timeout_s=30).close()
    on_cluster = shared_folder(old) / ".groundwork" / "ssh" / "id_ed25519"
    assert files_with(home(), *faces(key)) == {str(on_cluster.relative_to(home()))}
    assert clusters_in_blocks(key) == ["keyed"]
    delete_cluster(cluster=old)
    assert files_with(home(), *faces(key)) == set()
    assert clusters_in_blocks(key) == []

    create_local_cluster(name="keyed", node_count=1, slots_per_node=1)
    new = records.read("keyed")
    assert new.uuid != old.uuid
    user = new.require_ground().user
    wait_for_login(new.head, Login(user, private_key(new)), timeout_s=30).close()
    with pytest.raises(NodeUnreachable, match="Authentication failed"):
        connect(new.head, Login(user, key))
    delete_cluster(cluster=new)


def private_key(cluster: Cluster) -> str:
    key = cluster_keys.find(cluster)
    assert key is not None
    return key.private_key.get_secret_value()


def faces(private_key: str) -> list[bytes]:
    """A private key as the file that it is, as a line of JSON has it, and the 32 secret bytes alone."""
    loaded = load_ssh_private_key(private_key.encode(), None)
    assert isinstance(loaded, Ed25519PrivateKey)
    return [private_key.encode(), json.dumps(private_key)[1:-1].encode(), loaded.private_bytes_raw()]


def clusters_in_blocks(private_key: str) -> list[str]:
    """The names of the block documents in which a private key stands, for whoever may read secrets."""
    found, offset = [], 0
    with get_client(sync_client=True) as client:
        while page := client.read_block_documents(offset=offset, limit=100, include_secrets=True):
            found += [document.name for document in page if private_key in document.data.values()]
            offset += len(page)
    return [name for name in found if name]


def test_a_killed_creation_goes_on_where_it_ended(house: PrefectServer) -> None:
    """OPS-09: kill -9 of the flow's process, then the same again: the same cluster, nothing doubled."""
    first = flow_runs.start("create-local-cluster/on-demand", name="killed", node_count=4, slots_per_node=1)
    wait_until(lambda: (found := records.find("killed")) and found.state is State.PROVISIONING, what="provisioning")
    flow_runs.kill_process_of(first)
    begun = records.read("killed")
    assert begun.state is not State.RUNNING, "it was killed too late to tell anything"
    require_completed(flow_runs.run("create-local-cluster/on-demand", name="killed", node_count=4, slots_per_node=1))
    finished = records.read("killed")
    assert (finished.uuid, finished.state, up(finished)) == (begun.uuid, State.RUNNING, [1, 2, 3, 4])
    assert [folder.name for folder in (home() / "clusters").iterdir()].count(finished.uuid) == 1
    sshds = [pid for pid in processes_of(finished) if b"sshd_config" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(sshds) in (0, 4)  # 0 where there is no sshd and nodes are Python's
    delete_cluster(cluster=finished)
    require_nothing_left(finished)


def test_a_node_that_dies_while_it_is_set_up(house: PrefectServer) -> None:
    """CLU-19: the cluster does not run, the node is named, and nothing is left but the reason."""
    caught: list[Cluster] = []

    def kill_the_second() -> None:
        cluster = wait_until(lambda: records.find("dying"), what="the record", pause_s=0.01)
        wait_until(
            lambda: (home() / "clusters" / cluster.uuid).exists() and 2 in up(cluster), what="node2", pause_s=0.01
        )
        LocalFaults().kill(cluster, 2)
        caught.append(cluster)

    killer = threading.Thread(target=kill_the_second)
    killer.start()
    with pytest.raises(GroundworkError, match="node2"):
        create_local_cluster(name="dying", node_count=3, slots_per_node=1)
    killer.join()
    failed = records.read("dying")
    assert failed.uuid == caught[0].uuid
    assert (failed.state, failed.seed_state) == (State.FAILED, "FAILED")
    assert "node2" in failed.reason
    assert processes_of(failed) == []
    assert not (home() / "clusters" / failed.uuid).exists()

    create_local_cluster(name="dying", node_count=3, slots_per_node=1)
    assert records.read("dying").state is State.RUNNING
    delete_cluster(cluster=records.read("dying"))


def test_the_same_name_is_the_same_cluster_or_a_named_conflict(house: PrefectServer) -> None:
    """OPS-09, CLU-01: asked again, the same definition finds its cluster; another one is refused, nothing changes."""
    create_local_cluster(name="twice", node_count=1, slots_per_node=1)
    cluster = records.read("twice")
    create_local_cluster(name="twice", node_count=1, slots_per_node=1)
    assert records.read("twice").uuid == cluster.uuid
    with pytest.raises(NameTaken, match=r"name: .*node_count 1, asked 2"):
        create_local_cluster(name="twice", node_count=2, slots_per_node=1)
    assert (records.read("twice").state, up(cluster)) == (State.RUNNING, [1])

    key = "the same wish"
    runs = {flow_runs.start("verify-cluster/on-demand", key=key, cluster=block("cluster", "twice")) for _ in range(2)}
    assert len(runs) == 1
    require_completed(flow_runs.wait_for_end(runs.pop()))

    LocalFaults().kill(cluster, 1)
    with pytest.raises(NodeUnreachable, match="node1"):
        verify_cluster(cluster=cluster)
    assert records.read("twice").state is State.FAILED
    start_cluster(cluster=cluster)
    assert (records.read("twice").state, up(cluster)) == (State.RUNNING, [1])
    delete_cluster(cluster=cluster)
    require_nothing_left(cluster)


def test_an_account_is_never_asked_for_more_changes_at_once_than_its_limit(house: PrefectServer) -> None:
    """OPS-02: many ask at the same time, a few are let in, all get their turn."""
    inside, most, lock = 0, 0, threading.Lock()

    def wait_for_a_turn() -> None:
        nonlocal inside, most
        with records.changing_account("local-machine/crowded", at_once=8):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(max_workers=50) as pool:
        for turn in [pool.submit(wait_for_a_turn) for _ in range(50)]:
            turn.result()
    assert inside == 0
    assert 1 <= most <= 8


def test_one_writer_at_a_time(house: PrefectServer) -> None:
    """OPS-02: two changes of one cluster never overlap."""
    order: list[str] = []

    def wait_for_a_turn(who: str) -> None:
        with records.one_writer("contended"):
            order.append(f"{who} in")
            time.sleep(0.3)
            order.append(f"{who} out")

    threads = [threading.Thread(target=wait_for_a_turn, args=(who,)) for who in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [word.split()[1] for word in order] == ["in", "out", "in", "out"]
