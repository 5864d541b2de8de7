"""The files of a node: its host key, who may enter, how its sshd is set up."""

import functools
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

from blocks.cluster import Node
from tasks.keys import key_pair
from tasks.providers.local import layout
from tasks.providers.local.layout import Place

_PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/sbin"))


def program(name: str) -> str | None:
    """Return a system program's path; sbin folders are looked into though they are on few users' PATH."""
    return shutil.which(name, path=_PLACES)


def user_name() -> str:
    """Return the name of the user we are; one who has none (as in some containers) is named by number."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user{os.getuid()}"


def write_cluster_files(place: Place) -> None:
    """Write what all nodes of a cluster share, where it is missing."""
    for folder in (place.shared, place.home, place.nodes):
        folder.mkdir(mode=0o700, exist_ok=True)
    # All the nodes there can ever be: a file that is rewritten has moments in which running jobs read half of it.
    names = [("127.0.0.1", "localhost"), (place.controller, "controller")]
    names += [(place.inner_address(index), place.name_of(index)) for index in place.foreseen]
    _write(place.folder / "hosts", "".join(f"{address} {name}\n" for address, name in names), mode=0o644)
    # There is no name server in the cluster's network; without this each unknown name costs 10 s.
    _write(place.folder / "resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", mode=0o644)
    _write(place.folder / "passwd", _passwd(place), mode=0o644)
    _write(place.folder / "group", _group(), mode=0o644)
    # sshd refuses accounts that are locked, as root's often is. This one is not, and no password opens it.
    _write(place.folder / "shadow", f"{place.user}:x:1::::::\n")


def write_node_files(place: Place, index: int, *, address: str, port: int, public_key: str) -> None:
    """Write a node's files where they are missing: a host key once made is kept."""
    folder = place.node(index)
    folder.mkdir(mode=0o700, exist_ok=True)
    _write(folder / "authorized_keys", public_key.strip() + "\n")
    _write(folder / "sshd_config", _sshd_config(place, index, address=address, port=port))
    if not (folder / "host_key.pub").exists():
        private, public = key_pair()
        _write(folder / "host_key", private)
        _write(folder / "host_key.pub", public)


def host_key(place: Place, index: int) -> str:
    """Return the public host key of a node."""
    return (place.node(index) / "host_key.pub").read_text(encoding="ascii").strip()


def _write(path: Path, text: str, *, mode: int = 0o600) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.chmod(mode)
    part.replace(path)


def _passwd(place: Place) -> str:
    """Return the machine's users with ourselves at home in the cluster, with a shell that takes commands."""
    shell = program("bash") or "/bin/sh"
    own = f"{place.user}:x:{os.getuid()}:{os.getgid()}::{place.home_there}:{shell}\n"
    others = Path("/etc/passwd").read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    return own + "".join(line for line in others if not line.startswith(f"{place.user}:"))


def _group() -> str:
    """Return the machine's groups; for a plain user without ``tty``.

    sshd gives a terminal to that group where there is one, which only root may do; it then refuses the terminal.
    """
    groups = Path("/etc/group").read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    return "".join(line for line in groups if os.getuid() == 0 or not line.startswith("tty:"))


def _sshd_config(place: Place, index: int, *, address: str, port: int) -> str:
    folder = place.node(index)
    settings = {
        "ListenAddress": address,
        "Port": port,
        "HostKey": f'"{folder / "host_key"}"',
        "AuthorizedKeysFile": f'"{folder / "authorized_keys"}"',
        "AllowUsers": place.user,
        "PidFile": "none",
        "SetEnv": (
            f'"HOME={place.home_there}" PATH={layout.SESSION_PATH} LANG=C.UTF-8'
            f" LOCAL_NODE={layout.mark_of(place.uuid, index)}"
        ),
        "MaxStartups": "500:30:1000",
        "MaxSessions": 1000,
        "Subsystem": "sftp internal-sftp",
        "PubkeyAuthentication": "yes",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "UsePAM": "no",
        "UseDNS": "no",
        "StrictModes": "no",
        "PermitUserEnvironment": "no",
        "PermitUserRC": "no",
        "PrintMotd": "no",
        "PrintLastLog": "no",
    }
    if _openssh_version() >= (9, 8):
        settings["PerSourcePenalties"] = "no"  # All nodes and we come from very few addresses.
    return "".join(f"{name} {value}\n" for name, value in settings.items())


@functools.cache
def _openssh_version() -> tuple[int, ...]:
    sshd = program("sshd")
    if sshd is None:
        return ()
    told = subprocess.run([sshd, "-V"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", told.stderr + told.stdout)
    return tuple(int(part) for part in found.groups()) if found else ()


def told_node(place: Place, index: int, *, has_own_network: bool, is_up: bool) -> Node:
    """Return one node as the provider tells it.

    Raises:
        FileNotFoundError: It was removed meanwhile, or is not made to its end yet.
    """
    loopback = place.loopback(index)
    return Node(
        index=index,
        name=place.name_of(index),
        address=place.inner_address(index) if has_own_network else loopback,
        ssh_host=loopback,
        ssh_port=place.port,
        host_key=host_key(place, index),
        is_up=is_up,
    )
