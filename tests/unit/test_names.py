"""What people type is checked by its shape, in Python and in the form's schema alike (SEC-08, JOB-01, PRJ-20)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from blocks import names


def accepts(kind: object, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


GOOD = {
    names.Name: ["a", "demo", "a-1", "a" * 32],
    names.NodeCount: [1, 4, 200],
    names.SlotCount: [0, 1, 256],
    names.Duration: ["90s", "60m", "2h"],
    names.Command: ["ex.py 1", "a\nb"],
    names.Reference: ["", "main", "feat/x", "v1.0", "0123456789abcdef"],
    names.Folder: ["", "a", "a/b", "..a/b", "a/", ".hidden/x", "a b"],
    names.SourceUrl: [
        "https://h/o/r",
        "https://h/o/r.git",
        "http://127.0.0.1:8080/o/r/tree/a@b/c",
        "git@h:o/r.git",
        "ssh://git@h/o/r",
        "file:///srv/r",
        "s3://lab-data/jobs/heat/",
        "s3://lab-data/heat.tar.gz",
    ],
    names.Environment: [{}, {"A": ""}, {"_a1": "x=y\nz"}],
}
BAD = {
    names.Name: ["", "A", "1a", "a-", "a_b", "a" * 33, "a b", "a\n", "../a", "-a"],
    names.NodeCount: [0, -1, 10_000, "many"],
    names.SlotCount: [-1, 257],
    names.Duration: ["60", "m", "0m", "1.5h", "60 m", "-1s", "60m\n"],
    names.Command: ["", "  ", "a\0b", "x" * 8193],
    names.Reference: ["-x", "a b", "a\0", "a..b:c", "x" * 256],
    names.Folder: ["/a", "..", "a/..", "a/../b", "../a", "a\\b", "a\0"],
    names.SourceUrl: [
        "",
        "o/r",
        "ftp://h/r",
        "ext::sh -c x",
        "https://user:token@h/o/r",
        "https://token@h/o/r",
        "-x",
        "s3://lab-data",
        "s3://lab-data/ex.py",
        "s3://lab-data/../x/",
        "s3://Lab/x/",
    ],
    names.Environment: [{"": "x"}, {"A=B": "x"}, {"A": "a\0b"}, {"1A": "x"}, {"A B": "x"}],
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in GOOD.items() for value in values])
def test_good_values_pass(kind: object, value: object) -> None:
    assert accepts(kind, value)


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in BAD.items() for value in values])
def test_bad_values_are_refused(kind: object, value: object) -> None:
    assert not accepts(kind, value)


@given(st.text())
def test_no_accepted_folder_leaves_its_tree(folder: str) -> None:
    if accepts(names.Folder, folder):
        assert not folder.startswith("/")
        assert ".." not in folder.split("/")
        assert "\0" not in folder


@given(st.text())
def test_no_accepted_reference_is_an_option(reference: str) -> None:
    if accepts(names.Reference, reference):
        assert not reference.startswith("-")
        assert not any(letter.isspace() for letter in reference)


def test_a_duration_is_read_with_its_unit() -> None:
    assert [names.seconds(text) for text in ("90s", "60m", "2h")] == [90.0, 3600.0, 7200.0]
