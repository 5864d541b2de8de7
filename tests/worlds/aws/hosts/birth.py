"""The process that keeps the hosts of one VPC: the local provider's supervisor, with hosts in place of nodes.

Standard library only: it runs in a bare Python (``detached``). What differs from a local cluster:

* It ends with the world, also when that is killed: it holds a connection to the world's socket, which the kernel ends.
* A host has a disk: its root folder is a folder of its own, which outlives the host's processes. The machine's folders
  are seen in it, but nothing of the machine can be changed: no bootstrap tried here can harm who tries it.
* File systems are mounted into a host while it runs.
"""

import asyncio
import ctypes
import json
import os
import shlex
import signal
import socket
import stat
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from tasks.providers.local import kernel
from tasks.providers.local.control import Refused, Request
from tasks.providers.local.newborn import SSHD_NEEDS
from tasks.providers.local.supervisor import Supervisor, enter_namespaces, supervise
from tests.worlds.aws.hosts.vpc import Vpc

OWN = {"dev", "etc", "home", "media", "mnt", "opt", "proc", "root", "run", "shared", "srv", "tmp", "var"}
"""Folders of the root that are the host's own."""
OWN_ETC = {"fstab", "group", "hostname", "hosts", "passwd", "resolv.conf", "shadow"}
OWN_VAR = {"lib", "log", "tmp"}

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
"""No disks: a bootstrap that formats what it finds must find nothing."""
_DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_SBIN = "usr/local/sbin"
_PROGRAMS = ("usr/bin", "usr/sbin")

# Numbers and meanings: the manual pages open_tree(2), move_mount(2), mount_setattr(2), setns(2).
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_HERE, _RECURSIVE = -100, 0x8000
_CLONE, _FROM_EMPTY_PATH, _READ_ONLY = 1, 4, 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def main(folder: str, tools: str) -> None:
    """Keep a VPC's hosts: called in a process of its own (``detached``)."""
    vpc = Vpc.read(Path(folder))
    if vpc is None:
        sys.exit("there is no such VPC")
    # The world waits for its signals with them blocked, and we inherit that; hosts and we shall hear ours.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    world = socket.socket(socket.AF_UNIX)
    world.connect(str(vpc.world))
    sshd, ip = json.loads(tools)
    newborn = enter_namespaces(vpc, (sshd, ip), host_root)
    asyncio.run(_keep(HostKeeper(vpc, ip=ip, newborn=newborn), vpc, world))


async def _keep(keeper: "HostKeeper", vpc: Vpc, world: socket.socket) -> None:
    reader, _ = await asyncio.open_unix_connection(sock=world)
    until = {asyncio.create_task(supervise(keeper, vpc)), asyncio.create_task(reader.read())}
    done, _ = await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
    for ended in done:
        ended.result()
    os._exit(0)  # The kernel ends all hosts with us.


class HostKeeper(Supervisor):
    """Keeps hosts, and mounts folders into them: verbs ``mount SOURCE TARGET`` and ``unmount TARGET``."""

    async def act(self, request: Request, listeners: Sequence[socket.socket]) -> set[int]:
        verb, *words = shlex.split(request.verb)
        if verb in _CHANGES:
            for index in request.indexes:
                _in_host(self._alive[index].pid, verb, words)
            return set(self._alive)
        return await super().act(request, listeners)


def _in_host(pid: int, verb: str, words: Sequence[str]) -> None:
    """Mount or unmount in the root folder of a host's first process."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            _CHANGES[verb](pid, *words)
            code = 0
        except OSError as error:
            code = error.errno or 255
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise Refused(os.strerror(code))


def _mount_there(pid: int, source: str, target: str) -> None:
    tree = _checked(_libc.syscall(_OPEN_TREE, _HERE, source.encode(), _CLONE | _RECURSIVE))
    _enter(pid)
    _checked(_libc.syscall(_MOVE_MOUNT, tree, b"", _HERE, target.encode(), _FROM_EMPTY_PATH))


def _unmount_there(pid: int, target: str) -> None:
    _enter(pid)
    _checked(_libc.umount2(target.encode(), 0))


def _enter(pid: int) -> None:
    handle = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    _checked(_libc.setns(handle, kernel.NEW_MOUNTS))


_CHANGES: dict[str, Callable[..., None]] = {"mount": _mount_there, "unmount": _unmount_there}


def host_root(vpc: Vpc, index: int, _: bool) -> None:
    """Move this process to a host's root folder: its disk, with the machine's folders in it to be read only."""
    kernel.mount("none", "/", flags=kernel.PRIVATE)
    node, disk = vpc.node(index), vpc.disk(index)
    stage, root = node / "stage", node / "root"
    for folder in (stage, root):
        folder.mkdir(exist_ok=True)
    kernel.mount("/", str(stage), flags=kernel.BIND)
    _let_read_only(stage)
    kernel.mount(str(disk), str(root), flags=kernel.BIND)
    for name in OWN - {"shared"}:
        (root / name).mkdir(exist_ok=True)
    _show(stage, root, but=OWN)
    _show(stage / "etc", root / "etc", but=OWN_ETC)
    _show(stage / "var", root / "var", but=OWN_VAR)
    _show(stage / "var/lib", root / "var/lib", but={"cloud"})
    _mount_file(vpc.folder / "hosts", root / "etc/hosts", read_only_from=stage)
    _own_run(vpc, index, root)
    _own_devices(stage, root)
    _commands(vpc, stage, root)
    kernel.mount("none", str(root / "tmp"), "tmpfs", options="mode=1777")
    for needed in (*vpc.needed, str(node)):
        _show_too(needed, stage, root)
    kernel.mount("proc", str(root / "proc"), "proc")
    kernel.enter_root(str(root))


def _let_read_only(folder: Path) -> None:
    """Make all that is mounted here read only. What is mounted elsewhere from here inherits it."""
    attributes = (ctypes.c_uint64 * 4)(_READ_ONLY, 0, 0, 0)
    arguments = (str(folder).encode(), _RECURSIVE, ctypes.byref(attributes), ctypes.sizeof(attributes))
    _checked(_libc.syscall(_MOUNT_SETATTR, _HERE, *arguments))


def _show(source: Path, target: Path, *, but: Collection[str]) -> None:
    """Let each entry of a folder be seen in another one, which keeps what it has."""
    target.mkdir(exist_ok=True)
    for entry in os.scandir(source):
        here = target / entry.name
        if entry.name in but:
            continue
        if entry.is_symlink():
            if not os.path.lexists(here):
                here.symlink_to(Path(entry).readlink())
            continue
        here.mkdir(exist_ok=True) if entry.is_dir() else here.touch()
        kernel.mount(entry.path, str(here), flags=kernel.BIND)


def _show_too(path: str, stage: Path, root: Path) -> None:
    """Let a folder or file of this machine be seen at its place, where it is not yet."""
    source, here = stage / path[1:], root / path[1:]
    if here.exists() and here.samefile(source):
        return
    here.parent.mkdir(parents=True, exist_ok=True)
    here.mkdir(exist_ok=True) if source.is_dir() else here.touch()
    kernel.mount(str(source), str(here), flags=kernel.BIND)


def _mount_file(source: Path, target: Path, *, read_only_from: Path) -> None:
    target.touch()
    kernel.mount(str(read_only_from / str(source)[1:]), str(target), flags=kernel.BIND)


def _own_run(vpc: Vpc, index: int, root: Path) -> None:
    run = root / "run"
    run.mkdir(exist_ok=True)
    kernel.mount("none", str(run), "tmpfs", options="mode=755")
    (root / SSHD_NEEDS[1:]).mkdir(mode=0o755)
    (run / "lock").mkdir(mode=0o777)
    (run / "instance").write_text((vpc.node(index) / "instance").read_text(encoding="ascii"), encoding="ascii")
    (run / "world").touch()
    kernel.mount(str(vpc.world), str(run / "world"), flags=kernel.BIND)


def _own_devices(stage: Path, root: Path) -> None:
    devices = root / "dev"
    kernel.mount("none", str(devices), "tmpfs", options="mode=755")
    for name in _DEVICES:
        if stat.S_ISCHR((stage / "dev" / name).stat().st_mode):
            (devices / name).touch()
            kernel.mount(str(stage / "dev" / name), str(devices / name), flags=kernel.BIND)
    for name, target in _DEVICE_LINKS.items():
        (devices / name).symlink_to(target)
    for name, kind, options in (("shm", "tmpfs", "mode=1777"), ("pts", "devpts", "newinstance,ptmxmode=0666,mode=620")):
        (devices / name).mkdir()
        kernel.mount("none", str(devices / name), kind, options=options)


def _commands(vpc: Vpc, stage: Path, root: Path) -> None:
    """Put our commands first on the path, and over the machine's of the same name."""
    kernel.mount("none", str(root / _SBIN), "tmpfs", options="mode=755")
    names = [entry.name for entry in vpc.commands.iterdir()]
    _show(stage / _SBIN, root / _SBIN, but=names)
    for name in names:
        ours = root / _SBIN / name
        ours.write_bytes((vpc.commands / name).read_bytes())
        ours.chmod(0o755)
        for folder in _PROGRAMS:
            theirs = root / folder / name
            if theirs.exists():
                kernel.mount(str(ours), str(theirs), flags=kernel.BIND)
