"""The rules of the house that no linter knows. Each rule is a function that names the offenders."""

import ast
import importlib.machinery
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("blocks", "tasks", "flows", "deployments", "tests")
SOURCES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py") if "__pycache__" not in file.parts)
FLOW_FILES = sorted(file for file in (ROOT / "flows").glob("*.py") if file.name != "__init__.py")
DRAWERS = {"utils", "util", "helpers", "helper", "common", "manager", "service", "services", "misc", "base"}
NOT_A_FLOWS_BUSINESS = {
    "boto3",
    "botocore",
    "azure",
    "paramiko",
    "asyncssh",
    "git",
    "subprocess",
    "socket",
    "re",
    "json",
}
NOT_A_FLOWS_WORDS = {"isinstance", "get_paginator", "paginator", "client", "provider", "sleep", "Popen"}


def said(file: Path) -> str:
    return str(file.relative_to(ROOT))


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), said(file))


def budget(file: Path) -> int:
    return 250 if file.parent.name == "flows" else 400


def test_no_file_outgrows_its_room() -> None:
    """A flow file has 250 lines at most, any other 400."""
    scripts = [*(ROOT / "deployments").rglob("*.sh"), ROOT / ".ci" / "run", ROOT / "Makefile", ROOT / "README.md"]
    sizes = {file: len(file.read_text().splitlines()) for file in [*SOURCES, *scripts]}
    assert {said(file): size for file, size in sizes.items() if size > budget(file)} == {}


def test_no_drawers() -> None:
    """A file is named for what it does; the base.py of a contract with many implementations aside."""
    names = {said(file) for file in SOURCES if {file.stem, file.parent.name} & DRAWERS}
    assert names - {"tasks/providers/base.py", "tasks/stores/base.py"} == set()


def test_a_flow_file_takes_no_other_modules_name() -> None:
    """Prefect registers flows/x.py as plain `x` for the whole process: it must not be anybody's module."""
    elsewhere = [place for place in sys.path if place and Path(place).resolve() not in (ROOT, ROOT / "flows")]
    sdks = {"sagemaker", "boto3", "azure", "prefect", "mpi4py", *ROOMS}
    for stem in (file.stem for file in FLOW_FILES):
        assert stem not in sys.stdlib_module_names | sdks, stem
        assert importlib.machinery.PathFinder.find_spec(stem, elsewhere) is None, stem
    assert "jobs" in {file.stem for file in FLOW_FILES}


def is_flow(node: ast.stmt) -> bool:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return any(isinstance(one, ast.Call) and getattr(one.func, "id", "") in ("sentence", "flow") for one in decorators)


def is_prose(node: ast.stmt) -> bool:
    """An import, a docstring, a flow, or a small private function."""
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    is_private = isinstance(node, ast.FunctionDef) and node.name.startswith("_")
    return isinstance(node, ast.Import | ast.ImportFrom) or is_docstring or is_private or is_flow(node)


@pytest.mark.parametrize("file", FLOW_FILES, ids=said)
def test_a_flow_file_is_prose(file: Path) -> None:
    """A path-loaded flow module is a second copy of the imported one, so it holds no state; and no SDK's word."""
    module = tree_of(file)
    assert [ast.unparse(node)[:60] for node in module.body if not is_prose(node)] == []
    imported = {name.split(".")[0] for node in ast.walk(module) for name in imports(node)}
    assert imported & NOT_A_FLOWS_BUSINESS == set()
    words = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)}
    words |= {node.attr for node in ast.walk(module) if isinstance(node, ast.Attribute)}
    assert words & NOT_A_FLOWS_WORDS == set()


def imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def sleeps(node: ast.AST, function: str = "") -> Iterator[tuple[str, int]]:
    """The calls of sleep under a node, each with the name of the function around it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = node.name
    if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "sleep":
        yield function, node.lineno
    for child in ast.iter_child_nodes(node):
        yield from sleeps(child, function)


def test_only_functions_that_wait_sleep() -> None:
    """A sleep elsewhere hides what is waited for, and has no limit."""
    found = {f"{said(file)}:{line}": name for file in SOURCES for name, line in sleeps(tree_of(file))}
    assert {place: name for place, name in found.items() if not re.match(r"_?wait_", name)} == {}
    assert found, "the rule sees nothing at all"


def test_imports_go_one_way() -> None:
    """deployments -> flows -> tasks -> blocks."""
    checked = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def pins() -> dict[str, str]:
    lock = (ROOT / "requirements.lock").read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", lock, re.MULTILINE))


def test_the_lock_has_hashes_and_no_addresses() -> None:
    """What is installed is what was tried, from whatever index the user has."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    asked = [number for number, line in enumerate(lines) if line and line[0] not in " #"]
    assert [lines[number] for number in asked if "--hash=sha256:" not in lines[number + 1]] == []
    assert [line for line in lines if re.search(r"https?:|file:|git\+| @ |--(extra-)?index|--find-links", line)] == []
    assert len(asked) >= len(pins()) > 100


def test_the_pins_that_prefect_needs() -> None:
    """With others the server dies, answers 422 or never schedules; tests/e2e/test_server.py shows these at work."""
    versions = {name: tuple(map(int, version.split(".")[:2])) for name, version in pins().items() if name[0] in "pfsu"}
    assert pins()["prefect"] == "3.8.8"
    assert (0, 139) <= versions["fastapi"] < (0, 151)
    assert versions["sqlalchemy"] == (2, 0)
    assert "uv" in versions


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_readme_maps_every_room() -> None:
    """Each folder with files in it is named, as `tasks/providers/`."""
    readme = (ROOT / "README.md").read_text()
    folders = {said(file.parent) for file in tracked() if file.parent != ROOT}
    assert {folder for folder in folders if f"`{folder}/`" not in readme} == set()


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """Its folders, that is: the house moves."""
    places = re.compile(r"(?<![\w.])/(work|root|home)/(?!/)[a-z]")
    texts = {file: file.read_text(errors="replace") for file in tracked() if file.suffix not in (".png", ".lock")}
    assert [said(file) for file, text in texts.items() if places.search(text)] == []


def test_recipes_of_one_line() -> None:
    """A recipe that is longer belongs into a script, where it can be read and tried."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    recipes = [number for number, line in enumerate(lines) if line.startswith("\t")]
    assert [lines[number] for number in recipes if number - 1 in recipes or lines[number].endswith("\\")] == []
    assert len(recipes) >= 10


def test_ci_runs_what_people_run() -> None:
    """Exactly `make check` and `make test`."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if re.match(r"\s*make ", line)] == ["make check", "make test"]
