"""Where a job's ranks go, and how many threads each gets (JOB-25)."""

import pytest

from blocks.cluster import Node
from blocks.errors import BadInput
from blocks.job import JobSpec
from tasks.layout import Layout, layout_of


def node(index: int, slots: int) -> Node:
    return Node(
        index=index,
        name=f"node{index}",
        address=f"10.0.0.{index}",
        ssh_host="-",
        ssh_port=22,
        host_key="-",
        slots=slots,
    )


FOUR = [node(index, 4) for index in (1, 2, 3, 4)]


def laid(nodes: list[Node] = FOUR, **asked: object) -> Layout:
    spec = {"name": "x", "source": "https://example.org/o/r", "command": "ex.py"}
    return layout_of(JobSpec.model_validate(spec | asked), nodes)


@pytest.mark.parametrize(
    ("asked", "counts", "threads", "hosts"),
    [
        ({}, [4, 4, 4, 4], 1, ""),
        ({"ranks": 6}, [4, 2], 1, ""),
        ({"ranks": 2}, [2], 2, ""),
        ({"ranks": 1}, [1], 4, ""),
        ({"ranks_per_node": 1}, [1, 1, 1, 1], 4, "10.0.0.1:1,10.0.0.2:1,10.0.0.3:1,10.0.0.4:1"),
        ({"ranks_per_node": 3}, [3, 3, 3, 3], 1, "10.0.0.1:3,10.0.0.2:3,10.0.0.3:3,10.0.0.4:3"),
        ({"ranks_per_node": 2, "ranks": 3}, [2, 1], 2, "10.0.0.1:2,10.0.0.2:1"),
        ({"only_on": [3, 2]}, [4, 4], 1, "10.0.0.2:4,10.0.0.3:4"),
        ({"only_on": [4], "ranks_per_node": 2}, [2], 2, "10.0.0.4:2"),
    ],
)
def test_ranks_fill_the_nodes_in_their_order(
    asked: dict[str, object], counts: list[int], threads: int, hosts: str
) -> None:
    """JOB-25: no two threads share a core."""
    found = laid(**asked)
    assert (found.counts, found.threads, found.hosts, found.ranks) == (counts, threads, hosts, sum(counts))


def test_the_fullest_node_says_how_many_threads_there_are() -> None:
    assert laid([node(1, 8), node(2, 2)], ranks_per_node=2).threads == 1


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"ranks": 17}, "ranks"),
        ({"only_on": [5]}, "only_on"),
        ({"only_on": [1], "ranks": 5}, "ranks"),
        ({"ranks_per_node": 5}, "ranks_per_node"),
        ({"ranks_per_node": 1, "ranks": 5}, "ranks"),
    ],
)
def test_what_has_no_room_is_refused(asked: dict[str, object], field: str) -> None:
    """JOB-25: with its field."""
    with pytest.raises(BadInput, match=f"^{field}: "):
        laid(**asked)
