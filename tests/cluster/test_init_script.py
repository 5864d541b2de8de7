"""A cluster's init script on real nodes (CLU-21)."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.cluster import Cluster
from blocks.errors import CommandFailed, NodeUnreachable, TimedOut
from tasks import bring_up, init_script
from tasks.ssh import Login, Sessions
from tests.worlds.live_cluster import LiveCluster, live_cluster
from tests.worlds.local_hosts import wait_until


@pytest.fixture(scope="module")
def live() -> Iterator[LiveCluster]:
    with live_cluster(2, slots=1) as cluster:
        yield cluster


def asking(live: LiveCluster, script: str, **told: Any) -> Cluster:
    """The cluster as one that was asked for with a script: another script, another mark on the nodes."""
    spec = live.cluster.spec.model_copy(update={"init_script": script, **told})
    return live.cluster.model_copy(update={"spec": spec})


def log(live: LiveCluster, node: str) -> Path:
    return live.shared / ".groundwork" / "init-script" / f"{node}.log"


def with_word(word: str) -> list[str]:
    """The command lines of this machine, and so of all its nodes, that a word is in."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            found += [line] if word in line else []
    return found


def test_it_runs_once_on_each_node(live: LiveCluster) -> None:
    """CLU-21: by the interpreter of its first line, as the nodes' user, told where it is; again on a node made anew."""
    script = (
        f"#!{live.cluster.require_ground().python}\n"
        "import os\n"
        "told = [os.environ['GROUNDWORK_' + word] for word in ('CLUSTER', 'NODE', 'NODE_INDEX', 'SHARED')]\n"
        "home = 'home' if os.environ['HOME'] == os.getcwd() else 'elsewhere'\n"
        "open(told[3] + '/ran', 'a').write(' '.join([*told[:3], home]) + '\\n')\n"
        "print('grüße von', told[1])\n"
    )
    cluster = asking(live, script)
    first = init_script.run(cluster, live.sessions)
    assert [(one.node, one.code, one.says, one.ran_before) for one in first] == [
        ("node1", 0, "", False),
        ("node2", 0, "", False),
    ]
    init_script.require_good(cluster, first)
    again = init_script.run(cluster, live.sessions)
    assert [one.ran_before for one in again] == [True, True]
    ran = live.shared / "ran"
    assert sorted(ran.read_text().splitlines()) == ["live node1 1 home", "live node2 2 home"]
    assert log(live, "node2").read_text() == "grüße von node2\n"
    assert log(live, "node2").stat().st_mode & 0o777 == 0o600

    ground = live.cluster.require_ground()
    live.provider.terminate(live.cluster, [2])
    live.provider.launch(live.cluster, ground, [1, 2], public_key=live.key.public_key)
    live.furnish()
    cluster = asking(live, script)
    assert [one.says for one in init_script.endings(cluster, live.sessions)] == ["", init_script_never()]
    assert [one.ran_before for one in init_script.run(cluster, live.sessions)] == [True, False]
    assert [line.split()[1] for line in ran.read_text().splitlines()].count("node2") == 2
    assert [one.says for one in init_script.endings(cluster, live.sessions)] == ["", ""]


def init_script_never() -> str:
    return "has not run to an end here"


def test_a_stopped_node_does_not_run_it_again(live: LiveCluster) -> None:
    """CLU-21: once for each node as it was made, not for each start."""
    cluster = asking(live, "#!/bin/sh\necho once >>$GROUNDWORK_SHARED/started\n")
    init_script.run(cluster, live.sessions)
    live.provider.stop(live.cluster)
    live.provider.start(live.cluster)
    live.furnish()
    assert [one.ran_before for one in init_script.run(cluster, live.sessions)] == [True, True]
    assert (live.shared / "started").read_text() == "once\n" * 2


FAILING = """#!/bin/sh
echo "try $GROUNDWORK_NODE" >>$GROUNDWORK_SHARED/tries
[ $GROUNDWORK_NODE = node1 ] && exit 0
[ -e $GROUNDWORK_SHARED/mended ] && exit 0
seq 30
printf '\\033[31mno mirror\\n' >&2
echo giving up
exit 3
"""


def test_a_script_that_fails(live: LiveCluster) -> None:
    """CLU-21: node, exit code and the end of its output in one line, more of it in the log, all in the file; and it
    runs again where it failed, and only there."""
    cluster = asking(live, FAILING)
    ended = init_script.run(cluster, live.sessions)
    with pytest.raises(CommandFailed) as caught:
        init_script.require_good(cluster, ended)
    line = str(caught.value)
    assert line.startswith("node2: the init script ended with code 3 (30 |  [31mno mirror | giving up). ")
    assert "\n" not in line
    assert init_script.output_of(cluster, "node2") in line
    said = init_script.told(cluster, ended)
    assert said[0] == "init script: ended well on 1 of 2 nodes, 2 of them ran it now"
    assert said[-1] == "node2: giving up"
    assert len(said) == 2 + 20
    assert log(live, "node2").read_text().splitlines()[0] == "1"

    (live.shared / "mended").touch()
    init_script.require_good(cluster, init_script.run(cluster, live.sessions))
    assert sorted((live.shared / "tries").read_text().splitlines()) == ["try node1", "try node2", "try node2"]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            "#!/opt/no/such/interpreter -x\n",
            "node1, node2: the init script needs /opt/no/such/interpreter, which is not",
        ),
        ("#!/bin/sh\nkill -9 $$\n", "node1, node2: the init script was killed by signal 9 (KILL)"),
        ("#!/dev\n", "node1, node2: the init script could not be run"),
    ],
)
def test_how_else_it_fails(live: LiveCluster, script: str, says: str) -> None:
    """CLU-21: said in words, with all nodes."""
    cluster = asking(live, script)
    with pytest.raises(CommandFailed) as caught:
        init_script.require_good(cluster, init_script.run(cluster, live.sessions))
    assert str(caught.value).startswith(says)


def test_its_time_limit_ends_all_that_it_started(live: LiveCluster) -> None:
    """CLU-21: what ignores TERM is killed; the end of its output is told too."""
    script = "#!/bin/sh\ntrap '' TERM\nsleep 71717 &\necho waiting\nsleep 71717\n"
    cluster = asking(live, script, init_script_minutes=0.01)
    ended = init_script.run(cluster, live.sessions)
    with pytest.raises(TimedOut, match=r"^node1, node2: the init script took more than 0.01 min \(waiting\)"):
        init_script.require_good(cluster, ended)
    assert with_word("71717") == []


def test_what_it_leaves_running_runs_on(live: LiveCluster) -> None:
    """CLU-21: a server that a good script starts; a bad one's goes with it."""
    script = "#!/bin/sh\nsleep {} &\nexit {}\n"
    good = init_script.run(asking(live, script.format(71718, 0)), live.sessions)
    bad = init_script.run(asking(live, script.format(71719, 1)), live.sessions)
    assert [one.code for one in (*good, *bad)] == [0, 0, 1, 1]
    assert len(with_word("71718")) == 2
    wait_until(lambda: with_word("71719") == [])


def test_a_lost_connection_loses_no_run(live: LiveCluster) -> None:
    """CLU-21, OPS-09: who comes back waits for the run that is at work, and finds its end. And its text is in no
    command line meanwhile, nor in a file afterwards."""
    script = (
        "#!/bin/sh\n# canary-in-the-script\necho $GROUNDWORK_NODE >>$GROUNDWORK_SHARED/begun\n"
        "until [ -e $GROUNDWORK_SHARED/open ]; do sleep 0.05; done\n"
    )
    cluster, begun = asking(live, script), live.shared / "begun"
    ground = live.cluster.require_ground()
    caught: list[BaseException] = []
    with Sessions(Login(ground.user, live.key.private_key.get_secret_value())) as lost:

        def run() -> None:
            try:
                init_script.run(cluster, lost)
            except NodeUnreachable as error:
                caught.append(error)

        runs = threading.Thread(target=run)
        runs.start()
        wait_until(lambda: begun.exists() and len(begun.read_text().split()) == 2)
        assert with_word("canary-in-the-script") == []
    runs.join()
    assert str(caught[0]) == "node1, node2: lost while the init script ran"

    answers: list[init_script.Ended] = []
    runs = threading.Thread(target=lambda: answers.extend(init_script.run(cluster, live.sessions)))
    runs.start()
    (live.shared / "open").touch()
    runs.join()
    assert [(one.code, one.says) for one in answers] == [(0, ""), (0, "")]
    assert sorted(begun.read_text().split()) == ["node1", "node2"]
    left = [path for path in live.shared.parent.rglob("script") if "init-script" in str(path)]
    assert left == []


def test_it_may_run_before_what_we_put_on_nodes() -> None:
    """CLU-21: a script that runs first needs nothing of ours but a way in and the shared folder."""
    with live_cluster(1, slots=1, name="bare") as other:
        bare = other.cluster.model_copy(update={"nodes": bring_up.nodes_all_up(other.provider, other.cluster)})
        other.head.run(["rm", "-rf", f"{other.cluster.require_ground().shared}/.groundwork"])
        spec = bare.spec.model_copy(update={"init_script": "#!/bin/sh\nls -A $GROUNDWORK_SHARED/.groundwork\n"})
        [ended] = init_script.run(bare.model_copy(update={"spec": spec}), other.sessions)
        assert (ended.says, ended.tail) == ("", ("init-script",))
        assert (other.shared / ".groundwork").stat().st_mode & 0o777 == 0o700
