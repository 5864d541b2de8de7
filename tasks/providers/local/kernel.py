"""The calls of the Linux kernel that Python 3.11 has no names for. Standard library only.

Numbers and meanings: the manual pages unshare(2), mount(2), pivot_root(2), prctl(2).
"""

import ctypes
import os
from pathlib import Path

NEW_MOUNTS = 0x00020000
NEW_HOSTNAME = 0x04000000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PIDS = 0x20000000
NEW_NETWORK = 0x40000000

BIND = 4096 | 16384
"""A bind mount with all that is mounted below it: the kernel refuses a plain one inside user namespaces."""
PRIVATE = (1 << 18) | 16384

_DETACH = 2
_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def unshare(namespaces: int) -> None:
    """Leave these namespaces for new ones. New pids count for the next child only."""
    _call("unshare", namespaces)


def same_pids_again() -> None:
    """Take back ``unshare(NEW_PIDS)`` for the children to come, so that it can be called for the next one."""
    handle = os.open("/proc/self/ns/pid", os.O_RDONLY)
    try:
        _call("setns", handle, NEW_PIDS)
    finally:
        os.close(handle)


def mount(source: str, target: str, kind: str = "", *, flags: int = 0, options: str = "") -> None:
    """Mount ``source`` on ``target``."""
    _call("mount", source.encode(), target.encode(), kind.encode(), flags, options.encode())


def enter_root(root: str) -> None:
    """Make ``root`` the root folder and let go of the old one.

    Not ``chroot``: the kernel refuses a new user namespace to a process that was chrooted.
    """
    os.chdir(root)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", _DETACH)
    os.chdir("/")


def map_user(*, inside: tuple[int, int], outside: tuple[int, int]) -> None:
    """Map one user and group (uid, gid) into the new user namespace that this process has just entered."""
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    for kind, inner, outer in zip(("uid", "gid"), inside, outside, strict=True):
        Path(f"/proc/self/{kind}_map").write_text(f"{inner} {outer} 1", encoding="ascii")


def adopt_orphans() -> None:
    """Become the parent of all orphans among the descendants. Kept over exec, not by children."""
    _call("prctl", _SUBREAPER, 1, 0, 0, 0)
