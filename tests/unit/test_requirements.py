"""What a program's source may ask to be installed, and what of it decides which environment that is."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import IndexUnreachable, RequirementsRefused
from tasks import installer
from tasks.environments import Base, environment_hash, with_start
from tasks.requirements import Requirements, found, plain

BASE = Base(
    machine="x86_64",
    libc="glibc",
    libc_version="2.36",
    implementation="cpython",
    version="3.11.7",
    executable="/usr/bin/python3.11",
    prefix="/opt/mpi",
    sites=["/opt/mpi/lib/python3.11/site-packages"],
)
DIGEST = f"sha256:{'0a' * 32}"

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
VERSIONS = st.from_regex(r"(==|>=|<|~=)[0-9]\.[0-9]{1,2}", fullmatch=True)
LINES = st.lists(st.builds("{}{}".format, NAMES, VERSIONS), min_size=1, max_size=5)


def tree(folder: Path, **files: str) -> Path:
    """Write files into a folder, named as keywords can be: `__` for a slash, `_` for the dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def asked(folder: Path, text: str) -> Requirements | None:
    return found(tree(folder, requirements_txt=text))


def refused(folder: Path, text: str) -> str:
    with pytest.raises(RequirementsRefused) as refusal:
        asked(folder, text)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_source_without_such_files_asks_for_nothing(tmp_path: Path) -> None:
    """As before there were environments; so do files that name no package."""
    assert found(tmp_path) is None
    assert found(tree(tmp_path, pyproject_toml="[tool.ruff]\nline-length = 100\n")) is None
    assert found(tree(tmp_path, pyproject_toml="[project]\nname = 'a'\ndynamic = ['dependencies']\n")) is None
    assert asked(tmp_path, "# nothing yet\n\n") is None


def test_which_file_speaks(tmp_path: Path) -> None:
    """That of the folder the job runs in; requirements.txt before pyproject.toml."""
    project = "[project]\nname = 'a'\ndependencies = ['Other_Thing >= 2']\n"
    tree(tmp_path, pyproject_toml=project, sub__requirements_txt="tiny\n")
    assert found(tmp_path) == Requirements(origin="pyproject.toml", lines=["other-thing>=2"])
    assert found(tmp_path, "sub") == Requirements(origin="requirements.txt", lines=["tiny"])
    tree(tmp_path, sub__pyproject_toml=project, requirements_txt="")
    assert found(tmp_path, "sub") == Requirements(origin="requirements.txt", lines=["tiny"])
    assert found(tmp_path) is None


def test_what_a_requirements_file_may_say(tmp_path: Path) -> None:
    """Extras, versions, markers, hashes, comments, continued lines, and other files of the source."""
    text = f"""\ufeff# ours
    Tiny.Thing[fast, big] >=1.0,!=1.1 ; python_version < "3.13"  # why
    exact==1.0 \\
        --hash={DIGEST} \\
        --hash {DIGEST}
    -r deep/more.txt
    --constraint=limits.txt
    """
    tree(tmp_path, deep__more_txt="-r ../requirements.txt\n-c ../limits.txt\nmore\n", limits_txt="numpy<3\n")
    said = asked(tmp_path, text)
    assert said is not None
    assert said.lines == [
        'tiny-thing[big,fast]!=1.1,>=1.0; python_version < "3.13"',
        f"exact==1.0 --hash={DIGEST}",
        "more",
    ]
    assert said.constraints == ["numpy<3"]
    assert said.has_hashes


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://me:s3cret@example.org/simple",
        "--extra-index-url=https://s3cret.example.org",
        "-i https://s3cret.example.org",
        "--find-links /s3cret",
        "--trusted-host s3cret",
        "--no-binary :all: --s3cret",
        "--pre",
        "tiny --config-settings=s3cret=1",
        "tiny --global-option=s3cret",
    ],
)
def test_options_are_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    """SEC-08: which index is asked is not the source's to say; a token in the line stays there."""
    said = refused(tmp_path, f"numpy\n{line}\n")
    assert said.startswith("requirements.txt, line 2: the option -")
    assert "UV_DEFAULT_INDEX" in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "--editable=git+https://s3cret@example.org/a",
        "git+https://s3cret@example.org/a.git",
        "tiny @ git+ssh://s3cret@example.org/a",
        "tiny @ https://s3cret@example.org/tiny-1.0-py3-none-any.whl",
        "tiny @ file:///s3cret",
        "file:///s3cret/a.whl",
        "./s3cret",
        "../s3cret",
        "/s3cret",
        "tiny-1.0-py3-none-any.whl",
        "tiny-1.0.tar.gz",
        "${s3cret}",
        "tiny==${s3cret}",
        "tiny==1 other==2",
    ],
)
def test_what_is_no_package_of_the_index_is_refused(tmp_path: Path, line: str) -> None:
    """SEC-08: paths of this machine, addresses, and what would be built here."""
    said = refused(tmp_path, f"{line}\n")
    assert said.startswith("requirements.txt, line 1: ")
    assert "s3cret" not in said


def test_files_outside_the_source_are_not_read(tmp_path: Path) -> None:
    """SEC-08: neither by a path nor by a link, nor as a project's."""
    (tmp_path / "secret.txt").write_text("s3cret==1.0\n")
    inside = tmp_path / "tree"
    inside.mkdir()
    (inside / "link.txt").symlink_to("../secret.txt")
    for line in ("-r ../secret.txt", "-r../secret.txt", f"-c {tmp_path}/secret.txt", "--requirement=link.txt"):
        assert "line 1: leads to a file outside the source" in refused(inside, line)
    assert "line 1: names a file that is not there" in refused(inside, "-r nothing.txt")
    for name in ("requirements.txt", "pyproject.toml"):
        (inside / "requirements.txt").unlink()
        (inside / name).symlink_to("../secret.txt")
        with pytest.raises(RequirementsRefused, match=f"^{name}: leads to a file outside"):
            found(inside)
    (inside / "requirements.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(RequirementsRefused, match="UTF-8"):
        found(inside)


def test_projects_that_cannot_be_installed_by_names(tmp_path: Path) -> None:
    """SEC-08: a package taken from elsewhere is not taken from the index under the same name."""
    project = "[project]\nname = 'a'\ndependencies = ['My.Thing>1']\n[tool.uv.sources]\n"
    for text, words in {
        project + "my_thing = { path = '../thing' }\n": "tool.uv.sources takes my-thing from elsewhere",
        "[project]\ndependencies = ['a @ https://example.org/a.whl']\n": "an address",
        "[project]\ndependencies = 'numpy'\n": "no list",
        "[project\n": "no TOML",
    }.items():
        with pytest.raises(RequirementsRefused, match=words):
            found(tree(tmp_path, pyproject_toml=text))
    assert found(tree(tmp_path, pyproject_toml=project + "other = { path = '../thing' }\n")) is not None


LOCK = """
version = 1
requires-python = ">=3.11"
[[package]]
name = "mine"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "tiny" }}]
[package.dev-dependencies]
dev = [{{ name = "dev-only" }}]
[[package]]
name = "tiny"
version = "1.2"
source = {source}
[[package]]
name = "dev-only"
version = "1.0"
source = {{ registry = "https://elsewhere.invalid/simple" }}
"""
PROJECT = "[project]\nname = 'mine'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = ['tiny>=1']\n"
GROUP = "[dependency-groups]\ndev = ['dev-only']\n"


def test_a_lock_says_which_versions(tmp_path: Path) -> None:
    """As it has them, without the groups for developing; and nothing that is no package of an index."""
    registry = '{ registry = "https://elsewhere.invalid/simple" }'
    files = {"pyproject_toml": PROJECT + GROUP, "uv_lock": LOCK.format(source=registry)}
    witness = a_python_that_tells(tmp_path)
    assert found(tree(tmp_path, **files)) == Requirements(origin="uv.lock", lines=["tiny==1.2"], is_whole=True)
    tree(tmp_path, uv_lock=LOCK.format(source=f'{{ git = "https://s3cret@example.org/tiny?rev=1#{"0a" * 20}" }}'))
    with pytest.raises(RequirementsRefused, match=r"^uv.lock: is an address") as refusal:
        found(tmp_path)
    assert "s3cret" not in str(refusal.value)
    with pytest.raises(RequirementsRefused, match=r"^uv.lock: "):
        found(tree(tmp_path, uv_lock="version = 99\n"))
    assert not witness.exists()


def a_python_that_tells(project: Path) -> Path:
    """A venv in a source, which uv would ask for its version elsewhere. The file appears when it is run."""
    program = project / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ntouch {project}/ran\n")
    program.chmod(0o755)
    (project / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
    (project / ".python-version").write_text(f"{program}\n")
    return project / "ran"


@given(LINES, st.data())
@settings(deadline=None)
def test_the_environment_is_the_same_for_the_same_requirements(lines: list[str], data: st.DataObject) -> None:
    """In another order, twice, with blanks and capitals. Another line, or another base, is another one."""
    wanted = Requirements(origin="requirements.txt", lines=[plain(line, "") for line in lines])
    others = [f"  {line.upper()} " for line in data.draw(st.permutations([*lines, lines[0]]))]
    again = Requirements(origin="pyproject.toml", lines=[plain(line, "") for line in others])
    name = environment_hash(wanted, BASE)
    assert environment_hash(again, BASE) == name
    changed = [
        environment_hash(wanted.model_copy(update={"lines": [*wanted.lines, "one-more"]}), BASE),
        environment_hash(wanted.model_copy(update={"constraints": wanted.lines}), BASE),
        environment_hash(wanted.model_copy(update={"is_whole": True}), BASE),
        *(
            environment_hash(wanted, BASE.model_copy(update={field: "x.28"}))
            for field in Base.model_fields
            if field != "sites"
        ),
        environment_hash(wanted, BASE.model_copy(update={"sites": []})),
    ]
    assert len({name, *changed}) == 1 + len(changed)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(deadline=None)
def test_what_uv_gets_is_a_name_or_nothing(line: str) -> None:
    """SEC-08: no text becomes an option, an address, a variable or a second line."""
    try:
        made = plain(line, "here")
    except RequirementsRefused:
        return
    assert made[0].isalnum()
    assert not {"\n", "$", "://", " @ "} & {made, *made} - set("@")
    assert plain(made, "here") == made


@pytest.mark.parametrize(
    ("libc", "version", "wanted"),
    [
        ("glibc", "2.36", "x86_64-manylinux_2_36"),
        ("glibc", "2.99", "x86_64-manylinux_2_40"),
        ("glibc", "2.30", "x86_64-manylinux_2_28"),
        ("glibc", "2.26", "x86_64-manylinux_2_17"),
        ("musl", "", "x86_64-unknown-linux-musl"),
    ],
)
def test_a_platform_that_uv_knows(libc: str, version: str, wanted: str) -> None:
    """Never newer than the node's."""
    platform = BASE.model_copy(update={"libc": libc, "libc_version": version}).platform
    assert platform == wanted
    said = installer.uv(
        ["pip", "install", "--dry-run", *installer.python(), "--python-platform", platform, "-r", "/dev/null"],
        where="x",
        limit_s=60,
    )
    assert said == ""


OURS = "/the/flows/.venv/bin/python"
BODY = b"import sys\n"


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (f"#!{OURS}\n".encode() + BODY, True),
        (b"#!/usr/bin/python3.11 -E\n" + BODY, True),
        (f"#!/bin/sh\n'''exec' '{OURS}' \"$0\" \"$@\"\n' '''\n".encode() + BODY, True),
        (b"#!/usr/bin/env python3\n" + BODY, False),
        (b"#!/bin/sh\nexec python\n", False),
        (b"\x7fELF\x00#!/x/python\n", False),
        (b"", False),
    ],
)
def test_how_programs_start(text: bytes, changes: bool) -> None:
    """What uv would start with our Python starts with the environment's; nothing else is touched."""
    assert (with_start(text, "/e/bin/python") == b"#!/e/bin/python\n" + BODY) is changes
    assert (with_start(text, "/e/bin/python") == text) is not changes
    far = f"/{'long/' * 30}with blank/bin/python"
    assert (with_start(text, far) == f"#!/bin/sh\n'''exec' \"{far}\" \"$0\" \"$@\"\n' '''\n".encode() + BODY) is changes


def test_uvs_refusals_in_one_line() -> None:
    """The innermost cause; a login in an address is not repeated; what may pass later is retryable."""
    said = "error: Request failed after 3 retries\n  cause: Failed to fetch: http://me:s3cret@i.example/simple/six/\n"
    silent = installer.refusal(
        f"{said}  cause: client error (Connect)\n  cause: Connection refused (os error 111)\n", where="x"
    )
    assert isinstance(silent, IndexUnreachable)
    assert str(silent).startswith("x: the package index does not answer (Connection refused (os error 111)). ")
    hidden = installer.refusal(said, where="x")
    assert str(hidden).startswith("x: Failed to fetch: http://i.example/simple/six/. ")
    assert not hidden.retryable
    assert str(installer.refusal("", where="x")).startswith("x: uv does not say why. ")
    assert len(str(installer.refusal("error: " + "long " * 1000, where="x"))) < 600
