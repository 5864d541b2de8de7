"""Init scripts in the life of a cluster, and what protects it from nodes that fail one after the other."""

from pathlib import Path
from uuid import UUID

import pytest

from blocks.cluster import Cluster, State
from blocks.cluster_spec import InitScriptRuns, LocalClusterSpec
from blocks.errors import CommandFailed, NameTaken, WrongState
from flows.cluster_life import delete_cluster, resize_cluster, start_cluster, verify_cluster
from flows.local_clusters import create_local_cluster
from tasks import records
from tasks.home import cluster_folder
from tests.worlds import flow_runs
from tests.worlds.flow_runs import wait_until
from tests.worlds.prefect_server import PrefectServer

WRONG = "#!/bin/sh\necho hello from $GROUNDWORK_NODE\nexit 9\n"
BROKEN = """#!/bin/sh
echo $GROUNDWORK_NODE >>$GROUNDWORK_SHARED/tries
[ $GROUNDWORK_NODE = node1 -o -e $GROUNDWORK_SHARED/mended ] && exit 0
echo no mirror
exit 7
"""


def test_a_cluster_whose_init_script_fails(house: PrefectServer) -> None:
    """CLU-21: its run fails with the exit code, its log has the end of the output, and nothing is left of it."""
    spec = LocalClusterSpec(
        name="scripted", node_count=2, slots_per_node=1, init_script=WRONG, init_script_runs=InitScriptRuns.FIRST
    )
    line = "node1, node2: the init script ended with code 9 (hello from node1)"
    with pytest.raises(CommandFailed) as caught:
        create_local_cluster(**spec.model_dump(exclude={"account"}))
    assert str(caught.value).startswith(line)
    left = records.read("scripted")
    assert (left.state, left.reason, left.failures_in_a_row) == (State.FAILED, str(caught.value), 0)
    assert not cluster_folder(left.uuid).exists()
    steps = flow_runs.steps(UUID(left.creator))
    assert "run the init script of scripted" in steps
    assert not any(step.startswith("furnish") for step in steps)
    wait_until(lambda: "\nnode2: hello from node2\n" in flow_runs.log(UUID(left.creator)), what="the script's output")
    with pytest.raises(NameTaken, match=r"\(another init_script, init_script_runs first, asked last\)"):
        records.claim(LocalClusterSpec(name="scripted", node_count=2, slots_per_node=1, init_script="#!/bin/sh\n"))
    records.forget(left)


def now(cluster: Cluster) -> tuple[State, int]:
    found = records.read(cluster.name)
    return found.state, found.failures_in_a_row


def tries(cluster: Cluster) -> list[str]:
    return sorted((shared(cluster) / "tries").read_text().split())


def shared(cluster: Cluster) -> Path:
    return cluster_folder(cluster.uuid) / "shared"


def test_nodes_that_fail_one_after_the_other(house: PrefectServer) -> None:
    """CLU-20: ten, then no more are tried; what failed last is named; a reset goes on; a good end counts anew."""
    create_local_cluster(name="broken", node_count=1, slots_per_node=1, init_script=BROKEN)
    cluster = records.read("broken")
    with pytest.raises(CommandFailed, match=r"^node2, .*, node6: the init script ended with code 7 \(no mirror\)"):
        resize_cluster(cluster=cluster, node_count=6)
    with pytest.raises(CommandFailed, match=r"^node2, .*, node6: the init script ended with code 7"):
        verify_cluster(cluster=cluster)  # all else is well: its nodes answer over every slot
    assert now(cluster) == (State.FAILED, 5)
    with pytest.raises(CommandFailed, match="code 7"):
        start_cluster(cluster=cluster)
    assert now(cluster) == (State.FAILED, 10)
    tried = ["node1", *(f"node{index}" for index in range(2, 7) for _ in range(2))]
    assert tries(cluster) == tried

    protected = r"^cluster: cluster broken is protected: 10 nodes .*; the last: node2, .*code 7.*reset_protection\.$"
    with pytest.raises(WrongState, match=protected):
        start_cluster(cluster=cluster)
    with pytest.raises(WrongState, match=protected):
        resize_cluster(cluster=cluster, node_count=7)
    assert tries(cluster) == tried

    (shared(cluster) / "mended").touch()
    start_cluster(cluster=cluster, reset_protection=True)
    assert now(cluster) == (State.RUNNING, 0)
    assert tries(cluster) == sorted([*tried, *(f"node{index}" for index in range(2, 7))])

    records.change(records.read("broken"), State.FAILED, failures_in_a_row=10, last_failure="node6: the same")
    resize_cluster(cluster=cluster, node_count=1)  # without its broken nodes it runs
    assert now(cluster) == (State.RUNNING, 0)
    delete_cluster(cluster=cluster)


def test_a_kept_cluster_is_not_built_again_and_again(house: PrefectServer) -> None:
    """CLU-20: one that never ran, and was not removed, is protected as well."""
    spec = LocalClusterSpec(name="never", node_count=1, slots_per_node=1)
    kept = records.change(records.claim(spec), State.FAILED, failures_in_a_row=10, last_failure="node1: no mirror.")
    with pytest.raises(WrongState, match=r"the last: node1: no mirror\. Mend that"):
        create_local_cluster(name="never", node_count=1, slots_per_node=1)
    assert not cluster_folder(kept.uuid).exists()
    records.forget(kept)
