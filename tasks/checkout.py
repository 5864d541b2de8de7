"""A program out of git: checked out where the flow runs, then sent to the nodes as a plain tree.

Trees out of other sources (`tasks.sources`) are filled, looked over and sent in the same way.

Git and its credentials never reach a node. What is sent has no ``.git``.
"""

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from blocks.errors import BadInput, SourceRefused, WrongState
from blocks.git_credentials import GitCredentials
from tasks import source_url
from tasks.git_references import ADVERTISED, References, Target
from tasks.git_refusals import NoSuchCommit
from tasks.git_session import GitSession
from tasks.on_node import tree_hash
from tasks.source_url import Source
from tasks.ssh import Session

_AT_ONCE = 32


class Checkout(BaseModel):
    """What was checked out.

    ``repository`` is a git repository's URL, or the address in an object store; ``reference`` is the branch's or
    tag's name, or the commit again; ``commit`` its 40 digits, or ``sha256:`` and the hash of all objects' keys, sizes,
    ETags and versions; ``folder`` is relative to the tree, empty for the tree itself; ``tree_hash`` is what `hash_on`
    says on nodes that hold the same tree; ``hint`` is a line for the person who asked, or empty.
    """

    model_config = ConfigDict(frozen=True)

    repository: str
    reference: str
    commit: str
    folder: str
    tree_hash: str
    hint: str = ""


def fetch(  # noqa: PLR0913 (the fields of the run form, by name)
    source: str,
    *,
    reference: str,
    folder: str,
    submodules: bool,
    credentials: GitCredentials | None,
    into: Path,
    allow_file: bool = False,
    timeout_s: float = 600,
) -> Checkout:
    """Check one commit out of a git repository, without its history.

    Args:
        source: The repository, see `source_url.read`.
        reference: Branch, tag or commit; empty means what the URL says, else the default branch.
        folder: Folder inside the repository; empty means what the URL says, else the whole of it.
        submodules: Whether submodules are checked out too.
        credentials: Who we are to the source's server; no other server is told.
        into: A folder to fill with the tree; empty or not there yet. Becomes ours alone (0700).
        allow_file: Whether ``file://`` is read. Whoever may say so may read what this process may.
        timeout_s: Limit of the whole.

    Raises:
        BadInput: A field cannot be right. Nothing was made.
        WrongState: ``into`` holds something already, of a second call for one.
        SourceRefused: The source cannot be had as asked. ``into`` is empty.
        SourceUnreachable: The same, and trying again may help.
    """
    found = source_url.read(source)
    reference, folder = source_url.check_reference(reference), source_url.check_folder(folder)
    if found.scheme == "file" and not allow_file:
        raise BadInput("file:// sources are for local clusters only", where="source", advice="Give an https address.")
    with filled(into):
        with GitSession(found, into, credentials, timeout_s=timeout_s) as git:
            listing = git.run("ls-remote", "--symref", "--", found.repository, *ADVERTISED)
            references = References(found.repository, listing)
            reference, folder = references.wanted(found, reference, folder)
            target = references.find(reference)
            commit = _check_out(git, found, target, submodules=submodules)
        _drop_git_folders(into)
        refuse_links_outside(into, found.repository)
        folder, hint = folder_in(into, folder, where=found.repository, rest=found.rest)
    return Checkout(
        repository=found.repository,
        reference=target.name if not target.is_commit else commit,
        commit=commit,
        folder=folder,
        tree_hash=tree_hash.tree_hash(str(into)),
        hint=" ".join(filter(None, [found.hint, hint])),
    )


@contextmanager
def filled(into: Path) -> Iterator[None]:
    """Let a folder, which must be empty or not there yet, be filled; it is empty again where that fails.

    Raises:
        WrongState: It holds something already.
    """
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise WrongState("is not empty", where=str(into), advice="Check out into a new folder.")
    into.chmod(0o700)
    try:
        yield
    except BaseException:
        _empty(into)
        raise


def _check_out(git: GitSession, source: Source, target: Target, *, submodules: bool) -> str:
    git.run("init", "--quiet", "--initial-branch=none")
    git.run("remote", "add", "--", "origin", source.repository)
    fetched = _fetch(git, target)
    commit = git.run("rev-parse", "--verify", "--end-of-options", f"{fetched}^{{commit}}").strip()
    git.run("checkout", "--quiet", "--force", "--detach", commit)
    if submodules:
        git.run("submodule", "--quiet", "update", "--init", "--recursive", "--checkout", "--depth=1")
    return commit


def _fetch(git: GitSession, target: Target) -> str:
    """Fetch a target and return what git knows it by now; with all history where the server gives it no other way."""
    fetch_one = ("fetch", "--quiet", "--no-tags", "--depth=1", "--no-recurse-submodules", "--", "origin")
    try:
        git.run(*fetch_one, target.object)
    except NoSuchCommit:
        if not target.is_commit:
            raise
    else:
        return "FETCH_HEAD"
    git.run(
        "fetch",
        "--quiet",
        "--no-recurse-submodules",
        "--",
        "origin",
        "+refs/heads/*:refs/remotes/origin/*",
        "+refs/tags/*:refs/tags/*",
    )
    return target.object


def _drop_git_folders(tree: Path) -> None:
    """Remove git's own files: the top's folder, and the file or folder in each submodule. Git checks out no other."""
    for place, folders, files in os.walk(tree):
        if ".git" in folders:
            folders.remove(".git")
            shutil.rmtree(Path(place, ".git"))
        if ".git" in files:
            Path(place, ".git").unlink()


def refuse_links_outside(tree: Path, where: str) -> None:
    """Refuse a tree with a symlink in it that leads out of it.

    Raises:
        SourceRefused: With the symlink.
    """
    root = tree.resolve()
    for place, folders, files in os.walk(tree):
        for path in (Path(place, name) for name in (*folders, *files)):
            if not path.is_symlink():
                continue
            if path.readlink().is_absolute() or not Path(os.path.realpath(path)).is_relative_to(root):
                raise SourceRefused(
                    f"the symlink {path.relative_to(tree)} leads out of the repository",
                    where=where,
                    advice="Nodes get the repository alone: let it point inside.",
                )


def folder_in(tree: Path, folder: str, *, where: str, rest: str = "") -> tuple[str, str]:
    """Return the folder that was meant, and a hint where the URL named a file in it.

    Args:
        tree: What was checked out.
        folder: The folder's name in it.
        where: Whence it was checked out, for the message.
        rest: What the URL named in it.

    Raises:
        SourceRefused: There is none of that name.
    """
    place = tree / folder
    if place.is_dir():
        return folder, ""
    if place.is_file() and rest.rstrip("/").endswith(folder):
        return folder.rpartition("/")[0], "The URL names a file: its folder was taken."
    raise SourceRefused(f"no folder named {folder} in it", where=where, advice="Check its name and the reference.")


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def ship(tree: Path, session: Session, into: str, *, timeout_s: float = 600) -> None:
    """Send a tree to a node, as one stream through the open session.

    It appears under its name in one step. Where ``into`` exists already it stays as it is, so the second call, also
    one after a crash in the first, leaves the same.

    Raises:
        CommandFailed: The node refused (disk full, no such folder).
        NodeUnreachable, TimedOut: The connection or the time was gone.
    """
    if session.run(["test", "-e", into], check=False).code == 0:
        return
    part = f"{into}.part"
    session.run(["rm", "-rf", "--", part])
    session.run(["mkdir", "-p", "-m", "0700", "--", part])
    with packed(tree) as (chunks, _):
        session.run(["tar", "-x", "--no-same-owner", "-C", part, "-f", "-"], stdin=chunks, timeout_s=timeout_s)
    session.run(["mv", "-T", "--", part, into])


@contextmanager
def packed(tree: Path) -> Iterator[tuple[Iterator[bytes], int]]:
    """Give a tree as the chunks of a tar, and how many bytes they are."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for path in sorted(tree.iterdir()):
                tar.add(path, arcname=path.name, filter=_plain)
        size = file.tell()
        file.seek(0)
        yield iter(lambda: file.read(262_144), b""), size


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who owned it here, and what our umask made of its mode."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def hash_on(sessions: Sequence[Session], python: str, folder: str, *, timeout_s: float = 300) -> dict[str, str]:
    """Return each node's hash over a folder, by the node's name; see `tree_hash.tree_hash`. Side by side.

    Raises:
        CommandFailed: A node cannot read it.
        NodeUnreachable, TimedOut: A node does not answer.
    """
    program = Path(tree_hash.__file__).read_bytes()

    def on(session: Session) -> str:
        return session.run([python, "-I", "-", folder], stdin=program, timeout_s=timeout_s).text

    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, max(len(sessions), 1))) as pool:
        hashes = list(pool.map(on, sessions))
    return {session.node.name: value for session, value in zip(sessions, hashes, strict=True)}
