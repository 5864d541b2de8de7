"""From a typed command to the words of a program."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import BadInput
from tasks import mpi

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def refused(command: str, *, raw: bool = False) -> str:
    with pytest.raises(BadInput) as caught:
        mpi.program(command, raw=raw)
    assert caught.value.where == "command"
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_python_program_gets_mpi4py_in_front():
    """JOB-02"""
    assert mpi.program("ex.py 1", raw=False) == ["python", "-m", "mpi4py", "ex.py", "1"]
    assert mpi.program("sub/dir/ex.py 'a b'", raw=False)[3:] == ["sub/dir/ex.py", "a b"]
    assert mpi.program("-m package.module 1", raw=False)[3:] == ["-m", "package.module", "1"]


@pytest.mark.parametrize(
    "command",
    [
        "mpiexec -n 4 python ex.py 1",
        "mpiexec.hydra ex.py 1",
        "mpirun -np 4 ex.py 1",
        "srun ex.py 1",
        "python ex.py 1",
        "python3 ex.py 1",
        "python3.11 ex.py 1",
        "/usr/bin/python ex.py 1",
        "/opt/mpi/bin/mpiexec python3 -u ex.py 1",
    ],
)
def test_a_doubled_prefix_is_refused_with_what_to_type(command):
    """JOB-02"""
    assert "Type: ex.py 1" in refused(command)


@pytest.mark.parametrize("command", ["python", "mpiexec -n 4 ./a.out", "python -m package"])
def test_a_prefix_without_a_program_after_it_is_refused_too(command):
    """JOB-02"""
    assert "raw" in refused(command)


@pytest.mark.parametrize("command", ["pythonic.py", "mpiexecute.py", "srunner.py", "./python_like.py"])
def test_a_program_that_only_begins_like_a_launcher_is_a_program(command):
    assert mpi.program(command, raw=False)[3:] == [command]


def test_raw_runs_anything_as_it_is():
    """JOB-02"""
    assert mpi.program("hostname", raw=True) == ["hostname"]
    assert mpi.program("mpiexec -n 2 ../a.out", raw=True) == ["mpiexec", "-n", "2", "../a.out"]


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("command", ["ex.py 'a", 'ex.py "a', "ex.py \\", "ex.py\0 1", "", "  ", "''", "\n"])
def test_what_cannot_be_read_is_refused(command, raw):
    refused(command, raw=raw)


@pytest.mark.parametrize(
    "path", ["/ex.py", "../ex.py", "a/../../ex.py", "a/..", "~/ex.py", "-c", "-u ex.py", "-m", "-m a/b"]
)
def test_a_program_outside_the_source_is_refused(path):
    """SEC-08"""
    refused(f"{path} 1")


def test_nothing_of_a_shell_is_meant():
    """SEC-08"""
    assert mpi.program("ex.py a;b $(c) `d` *.e > f & | ${HOME} #g 'h\ni'", raw=False)[4:] == [
        *("a;b", "$(c)", "`d`", "*.e", ">", "f", "&", "|", "${HOME}", "#g", "h\ni"),
    ]


@given(st.lists(WORDS, max_size=8))
def test_any_words_come_through_when_they_are_quoted(words):
    """JOB-02, SEC-08"""
    assert mpi.program(shlex.join(["ex.py", *words]), raw=False)[3:] == ["ex.py", *words]


@given(st.text(max_size=60), st.booleans())
def test_any_text_is_words_or_a_refusal_that_names_the_field(command, raw):
    """SEC-08"""
    try:
        words = mpi.program(command, raw=raw)
    except BadInput:
        refused(command, raw=raw)
    else:
        assert words
        assert not any("\0" in word for word in words)
