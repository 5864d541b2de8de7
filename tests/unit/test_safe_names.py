"""Names of files that somebody else chose: JOB-05, SEC-08 (nothing leads out of the tree, no name is two things)."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.safe_names import Places, UnsafeName, parts_of

REFUSED = {
    "": "empty part",
    "/": "absolute",
    "/etc/passwd": "absolute",
    "a//b": "empty part",
    "a/": "empty part",
    "..": "`..`",
    "../a": "`..`",
    "a/../../b": "`..`",
    "a/./b": "`.`",
    ".": "`.`",
    "a\\b": "backslash",
    "..\\a": "backslash",
    "a\nb": "control",
    "a\0": "control",
    "\x1b[2J": "control",
    "a\x9bb": "control",
    "\udcff": "UTF-8",
    "x" * 256: "255 bytes",
    "é" * 128: "255 bytes",
    "/".join(["x" * 200] * 6): "1024 bytes",
}


@pytest.mark.parametrize(("name", "why"), REFUSED.items(), ids=map(ascii, REFUSED))
def test_what_may_not_stand_in_a_tree(name: str, why: str) -> None:
    """SEC-08: the name is told, and harms no terminal."""
    with pytest.raises(UnsafeName, match=why) as refused:
        parts_of(name)
    assert str(refused.value).isprintable()


def test_odd_names_that_are_none_of_it() -> None:
    """People's files are called so."""
    for name in ("...", "..a/b..", ".hidden/x", "a b/-rf", "ünï/$(id).py", "con.txt", "x" * 255):
        assert parts_of(name) == name.split("/")


NAMES = st.lists(st.sampled_from(["..", ".", "", "a", "b", "-", "~", "\\", "\n", "ü", "$x", " "]), max_size=6)


@given(st.one_of(NAMES.map("/".join), st.text(max_size=40)))
@settings(max_examples=300)
def test_whatever_is_let_through_stays_in_its_tree(name: str) -> None:
    """SEC-08, on a real file system: what is written there is inside, under just that name."""
    try:
        parts = parts_of(name)
    except UnsafeName:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        found = [Path(place, file) for place, _, files in os.walk(folder) for file in files]
        assert [os.fsencode(one) for one in found] == [os.fsencode(Path(folder, *parts))]


@given(st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map("/".join))))
def test_whatever_is_let_through_together_can_stand_together(wishes: list[tuple[bool, str]]) -> None:
    """JOB-05: no file is a folder too, or there twice; what is refused could not have been made."""
    places = Places()
    with tempfile.TemporaryDirectory() as folder:
        for is_file, name in wishes:
            path = Path(folder, name)
            try:
                (places.file if is_file else places.folder)(name)
            except UnsafeName:
                with pytest.raises(OSError):
                    make(path, is_file=is_file)
            else:
                make(path, is_file=is_file)


def make(path: Path, *, is_file: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_file:
        path.open("x").close()
    else:
        path.mkdir(exist_ok=True)
