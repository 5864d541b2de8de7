"""How local nodes are numbered and what their cluster's folder remembers."""

from ipaddress import IPv4Address
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from blocks.names import MOST_NODES
from tasks.providers.local import layout
from tasks.providers.local.layout import Place

INDEXES = range(1, MOST_NODES + 1)


def place_in(folder: Path) -> Place:
    return Place(folder, "some-uuid", "ada", "loopback", "127.77.3", 20_001, "loopback: because")


def test_every_node_there_can_be_has_addresses_of_its_own() -> None:
    assert layout.MOST_NODES == MOST_NODES
    for addresses in (map(layout.inner_address, INDEXES), map(place_in(Path("/x")).loopback, INDEXES)):
        found = list(addresses)
        assert len({IPv4Address(address) for address in found}) == MOST_NODES
        assert layout.CONTROLLER not in found
    assert len({layout.link_address(index) for index in INDEXES}) == MOST_NODES


def test_link_addresses_are_ours_to_give() -> None:
    """Bit 0 of the first byte: one receiver; bit 1: given by hand, not by a maker (IEEE 802)."""
    for index in INDEXES:
        first = int(layout.link_address(index).partition(":")[0], 16)
        assert first & 0b11 == 0b10


def test_a_place_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert Place.read(tmp_path) is None
    place_in(tmp_path).write()
    assert Place.read(tmp_path) == place_in(tmp_path)


@given(said=st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)), blanks=st.integers(0, 3))
def test_the_last_line_that_says_something_is_found(tmp_path_factory: object, said: list[str], blanks: int) -> None:
    log = Path(tmp_path_factory.mktemp("log")) / "log"  # type: ignore[attr-defined]
    assert layout.last_line(log) == "no reason told"
    log.write_text("\n".join(said) + " \n" * blanks, encoding="utf-8")
    assert layout.last_line(log) == (said[-1] if said else "no reason told")


def test_indexes_are_those_of_the_folders(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    assert layout.indexes(place) == []
    for index in (10, 2):
        place.node(index).mkdir(parents=True)
    assert layout.indexes(place) == [2, 10]
