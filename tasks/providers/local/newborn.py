"""What a forked child of the supervisor does to become a node. Standard library only."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NoReturn

from tasks.providers.local import kernel, layout
from tasks.providers.local.layout import Place

_APART = kernel.NEW_NETWORK | kernel.NEW_MOUNTS | kernel.NEW_HOSTNAME | kernel.NEW_IPC
SSHD_NEEDS = "/run/sshd"
_OWN_DEVICES = (
    ("/dev/shm", "tmpfs", "mode=1777"),  # noqa: S108 # where the C library keeps shared memory
    ("/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=620"),
)

OwnRoot = Callable[[Place, int, bool], None]
"""Moves this process to a node's root folder; the third argument tells whether sshd's folder in /run is missing."""


def become_node(
    place: Place,
    index: int,
    *,
    tools: tuple[str, str],
    user: tuple[int, int] | None,
    pipes: tuple[int, int],
    make_root: OwnRoot,
) -> NoReturn:
    """Leave the supervisor's namespaces for a set of our own and become a node's sshd.

    Args:
        place: The cluster.
        index: Which node.
        tools: The programs sshd and ip.
        user: The uid and gid to map back to; none for root, who has no user namespace.
        pipes: Where to tell ``apart`` and ``linked`` (or what went wrong), and where to wait for the link.
        make_root: What gives the node its root folder, such as ``own_root``.
    """
    tell, listen = pipes
    sshd, ip = tools
    try:
        _cast_off(place.node(index) / "log", keep=pipes)
        kernel.unshare(_APART)
        os.write(tell, b"apart")
        os.read(listen, 1)
        socket.sethostname(place.name_of(index))
        make_root(place, index, user is None and not Path(SSHD_NEEDS).exists())
        _own_network(place, ip, index)
        os.write(tell, b"linked")
        if user is not None:
            kernel.unshare(kernel.NEW_USER)
            kernel.map_user(inside=user, outside=(0, 0))
        _close_all_but(())
        argv = [sshd, "-D", "-e", "-f", str(place.node(index) / "sshd_config")]
        os.execve(sshd, argv, layout.environment(place, index))  # noqa: S606 # no shell is the point
    except (OSError, subprocess.SubprocessError) as error:
        os.write(tell, str(error).encode())
    finally:
        os._exit(1)


def _cast_off(log: Path, *, keep: Collection[int]) -> None:
    """Let go of what belongs to the supervisor: its signals, sockets and output."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    _close_all_but(keep)
    os.setsid()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


def _close_all_but(keep: Collection[int]) -> None:
    start = 3
    for number in sorted(keep):
        os.closerange(start, number)
        start = number + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def own_root(place: Place, index: int, needs_run: bool) -> None:  # noqa: FBT001 # an OwnRoot
    """Move to a root folder that is the machine's, but for what a host must have of its own."""
    kernel.mount("none", "/", flags=kernel.PRIVATE)
    root = place.node(index) / "root"
    root.mkdir(exist_ok=True)
    alike = {"proc", "shared"}
    _mirror(Path("/"), root, leave=alike | ({"run"} if needs_run else set()))
    if needs_run:
        (root / "run").mkdir()
        _mirror(Path("/run"), root / "run", leave=set())
        (root / SSHD_NEEDS[1:]).mkdir(mode=0o755)
    for own in alike:
        (root / own).mkdir()
    kernel.mount(str(place.shared), str(root / "shared"), flags=kernel.BIND)
    kernel.mount("proc", str(root / "proc"), "proc")
    kernel.enter_root(str(root))
    for target, kind, options in _OWN_DEVICES:
        if Path(target).is_dir():
            kernel.mount("none", target, kind, options=options)
    for name in layout.OWN_FILES:
        if Path("/etc", name).exists():
            kernel.mount(str(place.folder / name), f"/etc/{name}", flags=kernel.BIND)


def _mirror(source: Path, target: Path, *, leave: Collection[str]) -> None:
    kernel.mount("none", str(target), "tmpfs", options="mode=755")
    for entry in source.iterdir():
        here = target / entry.name
        if entry.name in leave:
            continue
        if entry.is_symlink():
            here.symlink_to(entry.readlink())
            continue
        if entry.is_dir():
            here.mkdir()
        else:
            here.touch()
        kernel.mount(str(entry), str(here), flags=kernel.BIND)


def _own_network(place: Place, ip: str, index: int) -> None:
    address = f"{place.inner_address(index)}/{place.inner_bits}"
    commands = f"link set lo up\naddr add {address} dev eth0\nlink set eth0 up\n"
    # Known neighbours are not looked for: all namespaces share the kernel's table for those that are (gc_thresh3,
    # 1024 by default), and MPI between 64 nodes needs 4032.
    for other in place.foreseen:
        if other != index:
            there = f"{place.inner_address(other)} lladdr {place.link_address(other)}"
            commands += f"neigh replace {there} dev eth0 nud permanent\n"
    subprocess.run([ip, "-batch", "-"], input=commands, text=True, check=True, stdout=subprocess.DEVNULL)
    # A plain user's sshd may listen on port 22 here: the setting is the network namespace's own.
    Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0", encoding="ascii")
