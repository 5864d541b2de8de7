"""A job's own Python environment: installed where the flow runs, sent to the cluster once, found there by its hash.

Nodes need neither an index nor a way to one, and who we are to the index never leaves the flow's machine. Only wheels
are installed: to build a package from its source is to run it, here, beside our secrets.
"""

import hashlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from blocks.errors import CommandFailed, RequirementsRefused
from blocks.ground import Ground
from tasks import installer
from tasks.bootstrap import Furniture
from tasks.checkout import packed
from tasks.requirements import Requirements
from tasks.ssh import Session
from tasks.stores.base import JobStore

INSTALL_LIMIT_S = 1800
MAKE_LIMIT_S = 1800

_SCHEME = 1  # of what is made of the same requirements on the same base
_NOTE = "requirements.json"
_GLIBC = (17, 28, *range(31, 41))  # those 2.x that uv has a name for
_START = re.compile(rb"\A#!(?:/bin/sh\n'''exec' [^\n]*\n' '''|/[^\n]*/python[^\n]*)\n")
_LONGEST = 120  # what the kernels of all nodes read of a script's first line, with room to spare
_THE_CLUSTERS_MPI = "libmpi.so.12"  # MPICH and Intel MPI, as our mpiexec


class Base(BaseModel):
    """The Python of a cluster's nodes, as the head tells it: what environments come on top of."""

    model_config = ConfigDict(frozen=True)

    machine: str
    libc: str
    libc_version: str
    implementation: str
    version: str
    executable: str
    prefix: str
    sites: list[str]

    @property
    def python(self) -> str:
        """Its version without the last number."""
        return ".".join(self.version.split(".")[:2])

    @property
    def platform(self) -> str:
        """Its platform in uv's words, the newest one that it can run."""
        if self.libc == "musl":
            return f"{self.machine}-unknown-linux-musl"
        glibc = int(self.libc_version.split(".")[1])
        return f"{self.machine}-manylinux_2_{max((known for known in _GLIBC if known <= glibc), default=17)}"

    @property
    def says(self) -> str:
        """Both in words."""
        return f"Python {self.python} on {self.machine} with {self.libc} {self.libc_version}".strip()


class Environment(BaseModel):
    """One on a cluster: its hash, whether it was there already, how long that took."""

    model_config = ConfigDict(frozen=True)

    hash: str
    was_there: bool
    took_s: float

    @property
    def says(self) -> str:
        """One line for people."""
        how = "found" if self.was_there else f"made in {self.took_s:.1f} s"
        return f"environment {self.hash[:12]}: {how}"


def note(store: JobStore, requirements: Requirements | None) -> None:
    """Keep what a job's source asks for beside the job's record, for the step that makes it; None: nothing."""
    if requirements is not None or store.read(_NOTE):
        store.write(_NOTE, b"" if requirements is None else requirements.model_dump_json(indent=2).encode())


def noted(store: JobStore) -> Requirements | None:
    """Return what a job's source asks for."""
    kept = store.read(_NOTE)
    return Requirements.model_validate_json(kept) if kept else None


def environment_hash(requirements: Requirements, base: Base) -> str:
    """Return a hash over all that decides what an environment holds. The order of lines does not."""
    wanted = [sorted(set(requirements.lines)), sorted(set(requirements.constraints)), requirements.is_whole]
    return hashlib.sha256(json.dumps([_SCHEME, *wanted, base.platform, base.model_dump()]).encode()).hexdigest()[:32]


def python_of(environment: str, ground: Ground) -> str:
    """Return the path of an environment's Python on the nodes; of no environment none."""
    return f"{Furniture(ground.shared).environment(environment)}/bin/python" if environment else ""


def ensure(requirements: Requirements, head: Session, ground: Ground) -> Environment:
    """Make sure that a cluster has the environment that is asked for. Where it has, nothing is installed or sent.

    Raises:
        RequirementsRefused: Its packages cannot be had.
        IndexUnreachable: The index does not answer.
        CommandFailed: The head refused (disk full), or its Python is none that wheels are made for.
    """
    began = time.monotonic()
    base = look(head, ground)
    name = environment_hash(requirements, base)
    folder = Furniture(ground.shared).environment(name)
    # Tells whether it is there, and when it was used last: a file in no folder is not made.
    was_there = head.run(["touch", "--", f"{folder}/used"], check=False).code == 0
    if not was_there:
        with installed(requirements, base, f"{folder}/bin/python") as tree, packed(tree) as (chunks, size):
            head.run([*_script(ground), "make", folder, str(size)], stdin=chunks, timeout_s=MAKE_LIMIT_S)
    return Environment(hash=name, was_there=was_there, took_s=time.monotonic() - began)


def look(head: Session, ground: Ground) -> Base:
    """Ask the head what its Python is."""
    base = Base.model_validate_json(head.run([*_script(ground), "look"]).text)
    if base.implementation != "cpython":
        raise CommandFailed(f"its Python is {base.implementation}; wheels are for CPython", where=head.node.name)
    return base


def _script(ground: Ground) -> list[str]:
    return [ground.python, "-I", Furniture(ground.shared).script("environment.py")]


@contextmanager
def installed(requirements: Requirements, base: Base, python: str) -> Iterator[Path]:
    """Give a folder with the packages for a base, laid out as the venv will be whose Python is ``python``.

    As a venv, for wheels find their parts that lie beside Python's packages (libraries, programs) by where they are
    put; a flat folder would part them.
    """
    place = Path(tempfile.mkdtemp(prefix="groundwork-"))
    try:
        tree = place / "venv"
        (tree / "lib").mkdir(parents=True)
        (tree / "lib64").symlink_to("lib")  # where this machine's Python would part the two
        _install(requirements, base, place, tree)
        _refuse_other_mpi(requirements, tree)
        ours = tree / "lib" / "python{}.{}".format(*sys.version_info)
        if ours.exists():
            ours.rename(ours.with_name(f"python{base.python}"))
        for script in (tree / "bin").glob("*"):
            _start_with(python, script)
        yield tree
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _install(requirements: Requirements, base: Base, place: Path, tree: Path) -> None:
    asked, constraints = place / "requirements.txt", place / "constraints.txt"
    asked.write_text("".join(f"{line}\n" for line in requirements.lines))
    constraints.write_text("".join(f"{line}\n" for line in requirements.constraints))
    argv = ["pip", "install", "--prefix", str(tree), *installer.python(), "--requirements", str(asked)]
    argv += ["--constraints", str(constraints), "--only-binary", ":all:", "--no-sources"]
    argv += ["--python-platform", base.platform, "--python-version", base.version]
    argv += ["--require-hashes"] if requirements.has_hashes else []
    argv += ["--no-deps"] if requirements.is_whole else []
    installer.uv(argv, where=requirements.origin, about=base.says, limit_s=INSTALL_LIMIT_S)
    (tree / ".lock").unlink(missing_ok=True)


def _refuse_other_mpi(requirements: Requirements, tree: Path) -> None:
    """With another MPI than mpiexec's each rank would take itself for the only one."""
    others = {path.name for path in (tree / "lib").glob("libmpi.so.*")} - {_THE_CLUSTERS_MPI}
    if others and not (tree / "lib" / _THE_CLUSTERS_MPI).exists():
        raise RequirementsRefused(
            f"a package brings another MPI ({', '.join(sorted(others))}) than the cluster's mpiexec speaks",
            where=requirements.origin,
            advice="Take it out: MPI and mpi4py are there.",
        )


def _start_with(python: str, script: Path) -> None:
    """Let a program that pip would start with our Python start with the environment's."""
    if script.is_symlink() or not script.is_file():
        return
    text = script.read_bytes()
    started = with_start(text, python)
    if started != text:
        mode = script.stat().st_mode
        script.unlink()  # it may be another name of the file in uv's cache
        script.write_bytes(started)
        script.chmod(mode)


def with_start(text: bytes, python: str) -> bytes:
    """Return a script with the line that starts it; what is not started by a Python's path stays as it is."""
    start = f"#!{python}\n"
    if len(start) > _LONGEST or " " in python:
        start = f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"
    return _START.sub(lambda _: start.encode(), text, count=1)
