"""What a program asks to be installed: names of packages, read out of its source.

The source is anybody's text and is read where our secrets are. So nothing in it chooses a server, a file of this
machine or code to run here: addresses, paths and options are refused, and uv gets only what was understood.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import BaseModel, ConfigDict, Field

from blocks.errors import RequirementsRefused
from tasks import installer

TEXT, PROJECT, LOCK = "requirements.txt", "pyproject.toml", "uv.lock"
_HASH = re.compile(r"\s+--hash[=\s]\s*([a-z0-9]+:[0-9a-f]{32,128})(?=\s|$)")
_FILE = re.compile(r"(-r|--requirement|-c|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(.+)")
_ARCHIVE = re.compile(r"\.(whl|zip|tar\.\w+|tgz)$", re.IGNORECASE)
_EXPORT = ("export", "--frozen", "--no-config", "--no-emit-project", "--no-default-groups", "--no-header")


class Requirements(BaseModel):
    """What is asked for.

    ``origin`` is the file that said so; ``lines`` are requirements as uv reads them, each of names, versions, markers
    and hashes only, and ``constraints`` too; ``is_whole`` tells that they name all there is to install.
    """

    model_config = ConfigDict(frozen=True)

    origin: str
    lines: list[str] = Field(min_length=1)
    constraints: list[str] = Field(default_factory=list)
    is_whole: bool = False

    @property
    def has_hashes(self) -> bool:
        """Whether a hash is named: then all are checked, as pip does it."""
        return any(" --hash=" in line for line in self.lines)


def found(tree: Path, folder: str = "") -> Requirements | None:
    """Return what the program in a folder of a checked-out tree asks for; None: nothing.

    ``requirements.txt`` says it, or else ``pyproject.toml`` by its project's dependencies, with ``uv.lock`` beside it
    as that has them. The project itself is not installed.

    Raises:
        RequirementsRefused: They cannot be read, or are more than names of packages.
    """
    place = tree / folder
    if (place / TEXT).is_file():
        reader = _Reader(tree)
        lines = reader.lines(_inside(tree, place / TEXT, TEXT))
        said = Requirements.model_construct(origin=TEXT, lines=lines, constraints=reader.constraints)
    elif (place / PROJECT).is_file():
        said = _of_project(_inside(tree, place / PROJECT, PROJECT).parent)
    else:
        return None
    return said if said.lines else None


class _Reader:
    """Reads a requirements file with those that it names. None of them lies outside the tree."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree.resolve()
        self._seen: set[Path] = set()
        self.constraints: list[str] = []

    def lines(self, path: Path) -> list[str]:
        if path.resolve() in self._seen:
            return []
        self._seen.add(path.resolve())
        said = str(path.resolve().relative_to(self._tree))
        found: list[str] = []
        for number, line in _logical_lines(_text(path, said)):
            where = f"{said}, line {number}"
            named = _FILE.fullmatch(line)
            if named is None:
                found.append(plain(line, where))
                continue
            inner = self.lines(_inside(self._tree, path.parent / named[2].strip("\"' "), where))
            (self.constraints if named[1] in ("-c", "--constraint") else found).extend(inner)
        return found


def _inside(tree: Path, path: Path, where: str) -> Path:
    if not path.resolve().is_relative_to(tree.resolve()):
        raise RequirementsRefused("leads to a file outside the source", where=where, advice="Put that file into it.")
    if not path.is_file():
        raise RequirementsRefused("names a file that is not there", where=where, advice="Check its name.")
    return path


def _text(path: Path, said: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequirementsRefused("is not UTF-8 text", where=said, advice="Save it as UTF-8.") from error


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, with their numbers: continued lines are one, comments are none."""
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        whole = line
        while whole.endswith("\\") and not whole.lstrip().startswith("#"):
            whole = whole[:-1] + " " + next(lines, (0, ""))[1]
        whole = re.sub(r"(^|\s+)#.*$", "", whole).strip()
        if whole:
            yield number, whole


def plain(line: str, where: str) -> str:
    """Return a requirement in uv's words, in one way of writing it.

    Raises:
        RequirementsRefused: It is more than a package's name with extras, versions, a marker and hashes. What it is
            stays out of the message: it may hold a token.
    """
    if line.startswith("-"):
        raise _option(re.split(r"[=\s]", line)[0], where)
    hashes = sorted(set(_HASH.findall(line)))
    bare = _HASH.sub("", line).strip()
    if " --" in bare:
        raise _option(re.split(r"[=\s]", bare[bare.index(" --") + 1 :])[0], where)
    if "://" in bare or _ARCHIVE.search(bare) or bare.startswith((".", "/", "~")):
        raise RequirementsRefused(
            "is an address or a path, not a package of the index",
            where=where,
            advice="Name a package and its version: building from elsewhere would run its code where the flow runs.",
        )
    try:
        asked = Requirement(bare)
    except InvalidRequirement as error:
        raise RequirementsRefused(
            "is no requirement", where=where, advice="Write it as `package>=1.0`, one a line."
        ) from error
    asked.name = canonicalize_name(asked.name)
    return "".join([str(asked), *(f" --hash={digest}" for digest in hashes)])


def _option(option: str, where: str) -> RequirementsRefused:
    if option in ("-e", "--editable"):
        advice = "Name a package of the index: what lies in the source is imported from there as it is."
    else:
        advice = "Take it out. Which index is asked is set where the flow runs: UV_DEFAULT_INDEX, UV_INDEX."
    return RequirementsRefused(f"the option {option} is not for a program's source", where=where, advice=advice)


def _of_project(place: Path) -> Requirements:
    try:
        document: dict[str, Any] = tomllib.loads(_text(place / PROJECT, PROJECT))
    except tomllib.TOMLDecodeError as error:
        raise RequirementsRefused(f"is no TOML ({error})", where=PROJECT) from error
    project = document.get("project", {})
    dependencies = project.get("dependencies", []) if isinstance(project, dict) else []
    if not isinstance(dependencies, list) or not all(isinstance(line, str) for line in dependencies):
        raise RequirementsRefused("project.dependencies is no list of texts", where=PROJECT)
    if not dependencies:
        return Requirements.model_construct(origin=PROJECT, lines=[])
    if (place / LOCK).is_file():
        exported = installer.uv([*_EXPORT, "--no-annotate", "--project", str(place)], where=LOCK, limit_s=60)
        lines = [plain(line, LOCK) for _, line in _logical_lines(exported)]
        return Requirements.model_construct(origin=LOCK, lines=lines, constraints=[], is_whole=True)
    lines = [plain(line, f"{PROJECT}, project.dependencies") for line in dependencies]
    _refuse_sources(document, lines)
    return Requirements.model_construct(origin=PROJECT, lines=lines, constraints=[])


def _refuse_sources(document: dict[str, Any], lines: list[str]) -> None:
    """A package that is taken from elsewhere must not be taken from the index: there it is somebody else's."""
    tool = document.get("tool", {})
    sources = tool.get("uv", {}).get("sources", {}) if isinstance(tool, dict) else {}
    elsewhere = {canonicalize_name(name) for name in sources} & {Requirement(line).name for line in lines}
    if elsewhere:
        raise RequirementsRefused(
            f"tool.uv.sources takes {', '.join(sorted(elsewhere))} from elsewhere than the index",
            where=PROJECT,
            advice="Put a wheel of it onto your index.",
        )
