"""A checked-out tree on real nodes: the same on each of them, whole or not at all. JOB-06."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.errors import CommandFailed
from tasks.checkout import hash_on, ship
from tasks.on_node.tree_hash import tree_hash
from tests.worlds.checkouts import take
from tests.worlds.git_server import Repository
from tests.worlds.live_cluster import LiveCluster, live_cluster


@pytest.fixture(scope="module")
def live() -> Iterator[LiveCluster]:
    with live_cluster(2, slots=1, name="checkout") as running:
        yield running


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree out of git with all that a tree may hold: a program, a link, odd names, some megabytes."""
    place = tmp_path_factory.mktemp("source")
    repository = Repository(place / "work", place / "bare.git")
    repository.work.joinpath("big.bin").write_bytes(bytes(range(256)) * 20_000)
    repository.work.joinpath("run.sh").write_text("#!/bin/sh\n")
    repository.work.joinpath("run.sh").chmod(0o755)
    repository.work.joinpath("link").symlink_to('sub/with blank \'n "quotes"')
    repository.commit({'sub/with blank \'n "quotes"': "a", "-rf": "b", "ünï/$(id).py": "c"})
    take(f"file://{repository.bare}", place / "tree", allow_file=True)
    return place / "tree"


def test_every_node_says_the_same_hash_as_the_flow(live: LiveCluster, tree: Path) -> None:
    """JOB-06."""
    assert live.cluster.ground
    into = f"{live.cluster.ground.shared}/jobs 'x'/j1/source"
    ship(tree, live.head, into)
    sessions = live.sessions.to_all(live.cluster.nodes)
    hashes = hash_on(sessions, live.cluster.ground.python, into)
    assert hashes == dict.fromkeys((node.name for node in live.cluster.nodes), tree_hash(str(tree)))
    assert len(hashes) == 2
    sessions[1].run(["sh", "-c", 'echo changed > "$1/link"', "sh", into])
    assert set(hash_on(sessions, live.cluster.ground.python, into).values()).isdisjoint(hashes.values())


def test_a_second_shipping_changes_nothing_and_one_after_a_crash_is_whole(live: LiveCluster, tree: Path) -> None:
    """JOB-06."""
    assert live.cluster.ground
    into = f"{live.cluster.ground.shared}/j2"
    live.head.run(["mkdir", "-p", f"{into}.part/sub"])
    live.head.write(f"{into}.part/left-over", b"from a crash")
    ship(tree, live.head, into)
    assert live.head.run(["test", "-e", f"{into}.part"], check=False).code == 1
    assert hash_on([live.head], live.cluster.ground.python, into) == {live.head.node.name: tree_hash(str(tree))}
    live.head.write(f"{into}/result", b"made by the job")
    ship(tree, live.head, into)
    assert live.head.read(f"{into}/result") == b"made by the job"


def test_a_node_that_refuses_says_why_and_nothing_appears(live: LiveCluster, tree: Path) -> None:
    """JOB-06: the stream is larger than what the connection holds, and its reader ends early."""
    assert live.cluster.ground
    into = f"{live.cluster.ground.shared}/j3"
    live.head.write(f"{live.cluster.ground.shared}/no-folder", b"")
    with pytest.raises(CommandFailed, match="mkdir"):
        ship(tree, live.head, f"{live.cluster.ground.shared}/no-folder/source")
    with pytest.raises(CommandFailed, match="reads no more"):
        live.head.run(["sh", "-c", "echo 'it reads no more' >&2; exit 3"], stdin=(b"x" * 1_000_000 for _ in range(50)))
    with pytest.raises(CommandFailed):
        hash_on([live.head], live.cluster.ground.python, into)
