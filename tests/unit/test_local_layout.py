"""How local nodes are numbered and what their cluster's folder remembers."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from blocks.names import MOST_NODES
from tasks.providers.local import layout
from tasks.providers.local.layout import Place

INDEXES = range(1, MOST_NODES + 1)


def place_in(folder: Path) -> Place:
    return Place(folder, "some-uuid", "ada", "loopback", "127.77.3", 20_001, "loopback: because")


def test_every_node_there_can_be_has_addresses_of_its_own() -> None:
    assert layout.MOST_NODES == MOST_NODES
    place = place_in(Path("/x"))
    for addresses in (map(place.inner_address, INDEXES), map(place.loopback, INDEXES)):
        found = list(addresses)
        assert len({IPv4Address(address) for address in found}) == MOST_NODES
        assert place.controller not in found
    assert len({place.link_address(index) for index in INDEXES}) == MOST_NODES


def test_link_addresses_are_ours_to_give() -> None:
    """Bit 0 of the first byte: one receiver; bit 1: given by hand, not by a maker (IEEE 802)."""
    for index in INDEXES:
        first = int(place_in(Path("/x")).link_address(index).partition(":")[0], 16)
        assert first & 0b11 == 0b10


def test_a_place_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert Place.read(tmp_path) is None
    place_in(tmp_path).write()
    assert Place.read(tmp_path) == place_in(tmp_path)


@pytest.mark.parametrize(
    ("log", "said"),
    [("one\ntwo\n", "two"), ("one\n \n\n", "one"), ("  two ", "two"), ("", "no reason told"), (None, "no reason told")],
)
def test_the_last_line_that_says_something_is_found(tmp_path: Path, log: str | None, said: str) -> None:
    if log is not None:
        (tmp_path / "log").write_text(log)
    assert layout.last_line(tmp_path / "log") == said


def test_indexes_are_those_of_the_folders(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    assert layout.indexes(place) == []
    for index in (10, 2):
        place.node(index).mkdir(parents=True)
    assert layout.indexes(place) == [2, 10]
