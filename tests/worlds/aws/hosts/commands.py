"""What hosts of the world have in place of ``mount``, ``umount`` and ``sudo``. Standard library only.

A network file system cannot be mounted by who is not root on the machine. So ``mount`` asks the world, which judges as
EFS would and then mounts a folder of this machine. ``sudo`` changes to nobody: a host belongs to its image's user.
"""

import json
import socket
import sys
from pathlib import Path

MOUNTS = ("mount", "mount.nfs", "mount.nfs4", "mount.efs", "umount")

SUDO = """#!/bin/sh
# A host of the AWS test world belongs to its image's user: there is nobody to change to.
while [ $# -gt 0 ]; do
  case $1 in
    -n|-E|-H|-S) shift ;;
    -u) [ "$2" = root ] || { echo "sudo: the AWS test world's hosts have no user $2" >&2; exit 1; }; shift 2 ;;
    --) shift; break ;;
    -*) echo "sudo: the AWS test world knows no option $1" >&2; exit 1 ;;
    *) break ;;
  esac
done
exec env "$@"
"""


def write(folder: Path, python: str) -> None:
    """Write the commands into a folder, as scripts."""
    folder.mkdir(exist_ok=True)
    for name in MOUNTS:
        (folder / name).write_text(f'#!/bin/sh\nexec "{python}" -I -S "{__file__}" {name} "$@"\n')
    (folder / "sudo").write_text(SUDO)


def main(name: str, *arguments: str) -> int:
    """Do what was typed, and return the exit code."""
    if name == "mount" and not arguments:
        sys.stdout.write(Path("/proc/self/mounts").read_text())
        return 0
    told = {
        "instance": Path("/run/instance").read_text(encoding="ascii").strip(),
        "words": [name, *arguments],
        "folder": str(Path.cwd()),
        "fstab": Path("/etc/fstab").read_text(errors="replace"),
    }
    with socket.socket(socket.AF_UNIX) as world:
        world.connect("/run/world")
        world.sendall(json.dumps(told).encode() + b"\n")
        with world.makefile("r") as answer:
            code, text = json.load(answer)
    sys.stderr.write(text)
    return int(code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
