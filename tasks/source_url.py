"""What a browser's address bar says about a git repository: which one, which reference, which folder. Pure.

GitHub writes ``/owner/repo/tree/REF/FOLDER``, GitLab ``/group/.../repo/-/tree/REF/FOLDER``, Gitea
``/owner/repo/src/branch/REF/FOLDER``. None of them says where REF ends and FOLDER begins, and REF may hold
slashes: only the repository's own references tell, see `split_reference`.
"""

import re
from collections.abc import Collection
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from blocks.errors import BadInput
from blocks.names import Folder, Reference

_VIEWS = frozenset({"tree", "blob", "commit"})
_GITEA_VIEWS = frozenset({"branch", "tag", "commit"})
_SCP = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*@(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._][A-Za-z0-9._-]*):(?!//)(.+)")
_HOST = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]")
_USER = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*")
_SHAPES = (
    "Give it as the browser's address bar shows it (https://host/owner/repository), "
    "or as ssh://user@host/path or user@host:path."
)
_NO_SECRETS = "Leave them out and give a git credentials block: what stands in a URL is stored and shown in clear."


class Source(BaseModel):
    """A git source, taken apart.

    ``repository`` is the URL to clone from and holds no secret. ``rest`` is what followed ``/tree/``, ``/blob/``,
    ``/commit/`` or the like, percent signs decoded: a reference, then maybe a folder. ``hint`` is a line for the
    person who typed it, or empty.
    """

    model_config = ConfigDict(frozen=True)

    repository: str
    rest: str = ""
    hint: str = ""

    @property
    def scheme(self) -> str:
        """One of https, http, ssh, file."""
        scheme, found, _ = self.repository.partition("://")
        return scheme if found else "ssh"


def read(url: str) -> Source:
    """Take a git URL apart.

    Args:
        url: https or http as the address bar shows it, with or without ``.git``, slash at the end, query and
            fragment; or ``ssh://user@host/path``, ``user@host:path``, ``file:///path``.

    Raises:
        BadInput: Another scheme, a user or password in an http URL, or a path that holds ``..``, control
            characters or names that start with a dash. The message repeats no part that could be a secret.
    """
    if not url.isprintable():
        raise _bad("holds control characters", _SHAPES)
    if scp := _SCP.fullmatch(url):
        _parts(scp[2])
        return Source(repository=url)
    scheme, found, after = url.partition("://")
    if not found or scheme not in _READERS:
        raise _bad("is no address of a git repository that is read here", _SHAPES)
    return _READERS[scheme](scheme, after)


def _read_file(_: str, after: str) -> Source:
    if not after.startswith("/") or not _parts(unquote(after)):
        raise _bad("a file address names no absolute path", "Write file:///path/of/the/repository.")
    return Source(repository=f"file://{after}")


def _read_ssh(scheme: str, after: str) -> Source:
    user, found, _ = after.partition("/")[0].rpartition("@")
    if found and ":" in user:
        raise _bad("a password stands in the URL", _NO_SECRETS)
    if found and not _USER.fullmatch(user):
        raise _bad("the user's name is none", _SHAPES)
    address = _split(scheme, after)
    if not _parts(unquote(address.path)):
        raise _bad("no repository is named after the host", _SHAPES)
    return Source(repository=f"ssh://{after}")


def _read_http(scheme: str, after: str) -> Source:
    if "@" in re.split(r"[/?#]", after, maxsplit=1)[0]:
        raise _bad("a user name, password or token stands in the URL", _NO_SECRETS)
    address = _split(scheme, after)
    if any(letter.isspace() for letter in address.path):
        raise _bad("the path holds blanks", "Copy it from the address bar, which writes them as %20.")
    _parts(unquote(address.path))
    names, rest, had_git = _take_apart([part for part in address.path.split("/") if part])
    if not names:
        raise _bad("no repository is named after the host", _SHAPES)
    hint = "The URL ended in .git: the address bar shows it without, and it was read that way." if had_git else ""
    repository = f"{scheme}://{address.netloc}/{'/'.join(names)}"
    return Source(repository=repository, rest=unquote("/".join(rest)), hint=hint)


_READERS = {"https": _read_http, "http": _read_http, "ssh": _read_ssh, "file": _read_file}


def _split(scheme: str, after: str) -> SplitResult:
    try:
        address = urlsplit(f"{scheme}://{after}")
        _ = address.port
    except ValueError as error:
        raise _bad("the host or port is none", _SHAPES) from error
    host = address.netloc.rpartition("@")[2]
    if not _HOST.fullmatch(re.sub(r":[0-9]*$", "", host)):
        raise _bad("the host or port is none", _SHAPES)
    return address


def _parts(path: str) -> list[str]:
    """Return the names in a decoded path; refuse those that could mean something else to git, ssh or a shell."""
    if not path.isprintable() or "\\" in path:
        raise _bad("the path holds control characters or backslashes", _SHAPES)
    parts = [part for part in path.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise _bad("the path holds `.` or `..`", _SHAPES)
    if any(part.startswith("-") and part != "-" for part in parts):
        raise _bad("a name in the path starts with a dash", _SHAPES)
    return parts


def _take_apart(parts: list[str]) -> tuple[list[str], list[str], bool]:
    """Return the repository's names, what follows the view's name, and whether the repository ended in .git."""
    for index, part in enumerate(parts):
        if part.endswith(".git"):
            names = [*parts[:index], *filter(None, [part.removesuffix(".git")])]
            return names, _after_view(parts[index + 1 :]), True
    for index in range(2, len(parts) - 1):
        if parts[index] in _VIEWS | {"-"} or (parts[index] == "src" and parts[index + 1] in _GITEA_VIEWS):
            return parts[:index], _after_view(parts[index:]), False
    return parts, [], False


def _after_view(parts: list[str]) -> list[str]:
    """Return what follows ``tree``, ``-/tree``, ``src/branch`` and so on."""
    match parts:
        case [] | ["-"]:
            return []
        case ["-", view, *rest] | [view, *rest] if view in _VIEWS:
            return rest
        case ["src", view, *rest] if view in _GITEA_VIEWS:
            return rest
    raise _bad("what follows the repository is no branch, tag, commit or folder", _SHAPES)


def split_reference(rest: str, heads_and_tags: Collection[str]) -> tuple[str, str]:
    """Split what followed ``/tree/`` into reference and folder.

    The reference is the longest leading part that is a branch or a tag of the repository; where none is, the first
    name, which is then a commit. An empty text gives two empty texts.
    """
    parts = [part for part in rest.split("/") if part]
    for length in range(len(parts), 0, -1):
        if "/".join(parts[:length]) in heads_and_tags:
            return "/".join(parts[:length]), "/".join(parts[length:])
    return "/".join(parts[:1]), "/".join(parts[1:])


_REFERENCE: TypeAdapter[str] = TypeAdapter(Reference)
_FOLDER: TypeAdapter[str] = TypeAdapter(Folder)


def check_reference(reference: str) -> str:
    """Return a reference as it is.

    Raises:
        BadInput: It could not be a branch, tag or commit.
    """
    return _checked(_REFERENCE, reference, "reference", "Give a branch, a tag or a commit's 40 digits.")


def check_folder(folder: str) -> str:
    """Return a folder inside the repository in its plainest form; ``.`` is the repository itself, empty.

    Raises:
        BadInput: It is absolute, or holds ``..``, a backslash or control characters.
    """
    checked = _checked(_FOLDER, folder, "folder", "Give a path inside the repository, as examples/pi.")
    return "/".join(part for part in checked.split("/") if part != "." and part)


def _checked(shape: TypeAdapter[str], text: str, where: str, advice: str) -> str:
    try:
        shape.validate_python(text)
    except ValidationError as error:
        raise BadInput("cannot be one", where=where, advice=advice) from error
    if not text.isprintable():
        raise BadInput("holds control characters", where=where, advice=advice)
    return text


def _bad(what: str, advice: str) -> BadInput:
    return BadInput(what, where="source", advice=advice)
