"""An environment of Python packages for one job or many: a venv on the shared folder, made on the head.

``environment.py look`` tells what this node's Python is, as one line of JSON. ``environment.py make FOLDER SIZE``
reads a tar of so many bytes from its standard input (what wheels hold, laid out as a venv) and makes a venv of it.
The venv's own packages come first, and after them those of the Python that makes it. Standard library only.
"""

import fcntl
import json
import os
import platform
import shutil
import site
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

PARTS_OF_MPI = ("libmpi*", "mpich*")


def look() -> "dict[str, Any]":
    """Tell what decides which wheels fit, and what they come on top of."""
    libc, version = "musl", ""
    with suppress(ValueError, AttributeError):
        libc, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    return {
        "machine": platform.machine(),
        "libc": libc,
        "libc_version": version,
        "implementation": sys.implementation.name,
        "version": platform.python_version(),
        "executable": _executable(),
        "prefix": sys.prefix,
        "sites": [folder for folder in site.getsitepackages() if Path(folder).is_dir()],
    }


def _executable() -> str:
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def make(folder: Path, size: int) -> None:
    """Make it where it is not there yet. It appears in one step; who comes at the same time waits for that.

    Raises:
        SystemExit: Less came than was sent, or it could not be written.
    """
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return
        part = folder.parent / f"{folder.name}.part"
        # Of one who was killed: it held the lock, and nobody does.
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        try:
            _unpack(part, size)
            _furnish(part)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        # Else each rank of each job would compile what it imports. What cannot be compiled is not: as pip does it.
        argv = [sys.executable, "-I", "-S", "-m", "compileall", "-qq", "-j", "0", str(part / "lib")]
        subprocess.run(argv, stdin=subprocess.DEVNULL, check=False)
        part.rename(folder)


def _unpack(part: Path, size: int) -> None:
    argv = ["tar", "-x", "--no-same-owner", "-C", str(part), "-f", "-"]
    came = 0
    with suppress(BrokenPipeError), subprocess.Popen(argv, stdin=subprocess.PIPE) as tar:
        while chunk := os.read(0, 1 << 20):
            came += len(chunk)
            cast("IO[bytes]", tar.stdin).write(chunk)
    if tar.returncode != 0:
        is_full = os.statvfs(part).f_bavail == 0
        raise SystemExit("the shared folder is full" if is_full else f"tar ended with code {tar.returncode}")
    # tar takes a stream that breaks off between two files for a whole one.
    if came != size:
        raise SystemExit(f"the environment came in part: {came} of {size} bytes")


def _furnish(part: Path) -> None:
    """Make a venv of what wheels hold."""
    executable = _executable()
    lines = [
        f"home = {os.path.dirname(executable)}",  # noqa: PTH120 - its text, whatever it is a link to
        "include-system-site-packages = false",
        f"version = {platform.python_version()}",
    ]
    (part / "pyvenv.cfg").write_text("".join(f"{line}\n" for line in lines))
    (part / "bin").mkdir(exist_ok=True)
    for name, target in (("python", executable), ("python3", "python"), (_named(), "python")):
        (part / "bin" / name).unlink(missing_ok=True)
        (part / "bin" / name).symlink_to(target)
    packages = part / "lib" / _named() / "site-packages"
    packages.mkdir(parents=True, exist_ok=True)
    # With what they put on the path themselves: a line of folders would leave that out.
    bases = (f"import site; site.addsitedir({folder!r})\n" for folder in look()["sites"])
    (packages / "groundwork-base.pth").write_text("".join(bases))
    _show_mpi(part / "lib")


def _named() -> str:
    return "python{}.{}".format(*sys.version_info)


def _show_mpi(folder: Path) -> None:
    """Show ours where mpi4py looks for it, beside the packages of the Python that runs; unless wheels brought one."""
    if any(folder.glob("libmpi.so*")):
        return
    for pattern in PARTS_OF_MPI:
        for found in Path(sys.prefix, "lib").glob(pattern):
            if not (folder / found.name).exists():
                (folder / found.name).symlink_to(found)


def main(mode: str, *words: str) -> None:
    """Look, or make."""
    if mode == "look":
        sys.stdout.write(json.dumps(look()))
    else:
        make(Path(words[0]), int(words[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
