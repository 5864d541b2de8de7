"""A host: which instance it is, what is on its disk when it first boots, what its console shows."""

import base64
import hashlib
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tasks.providers.local import sshd
from tests.worlds.aws.hosts.cloud_init import FirstBoot
from tests.worlds.aws.hosts.disks import Saved, copy_disk
from tests.worlds.aws.hosts.vpc import Vpc
from tests.worlds.aws.rules.instance_states import Event

SCRIPT = "/var/lib/cloud/instance/scripts/part-001"
LOG = "/var/log/cloud-init-output.log"
RUN_SCRIPT = f"""set -e
mkdir -p {Path(SCRIPT).parent}
cat >{SCRIPT}
chmod 700 {SCRIPT}
(
  set +e
  setsid --wait {SCRIPT} >>{LOG} 2>&1
  echo "user data ended with code $?" >>{LOG}
  touch /var/lib/cloud/instance/boot-finished
) </dev/null >/dev/null 2>&1 &
"""
"""Given to a host's shell at its first boot, with the user data's script on standard input."""

MPI = "/opt/mpich/bin"
"""Where hosts have MPI and a Python with mpi4py, as an image with MPICH would: in truth those of this machine."""

_KEYS = """-----BEGIN SSH HOST KEY FINGERPRINTS-----
{fingerprint}
-----END SSH HOST KEY FINGERPRINTS-----
-----BEGIN SSH HOST KEY KEYS-----
{key} root@{name}
-----END SSH HOST KEY KEYS-----
"""


@dataclass
class Host:
    """An instance's host.

    ``vpc`` names the image's user; ``saved`` is the disk that its image was made of, if the image is of a host;
    ``is_ready`` tells that its SSH server answers.
    """

    event: Event
    vpc: Vpc
    first_boot: FirstBoot
    saved: Saved | None = None
    is_ready: bool = False
    mounts: set[str] = field(default_factory=set)

    @property
    def index(self) -> int:
        """Which node of the VPC's place it is."""
        return self.vpc.index_of(self.event.private_address)

    @property
    def node(self) -> Path:
        """Its folder."""
        return self.vpc.node(self.index)

    @property
    def disk(self) -> Path:
        """Its root folder, as this machine sees it."""
        return self.vpc.disk(self.index)

    @property
    def is_new(self) -> bool:
        """Whether it has never booted."""
        return not (self.node / "booted").exists()

    def has_booted(self) -> None:
        """Remember that it has booted once."""
        (self.node / "booted").touch()


def image_user(image_name: str) -> str:
    """Return the user that an image lets in ("Default user names for AMIs" in the EC2 user guide)."""
    name = image_name.lower()
    if "ubuntu" in name:
        return "ubuntu"
    return "admin" if "debian" in name else "ec2-user"


def domain(region: str) -> str:
    """Return the domain of private host names in a region."""
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


def furnish(host: Host, world_key: str) -> None:
    """Write what a host needs before it is started; what was on its disk and its host key are kept."""
    node, vpc = host.node, host.vpc
    node.mkdir(mode=0o700, exist_ok=True)
    if host.first_boot.host_key and not (node / "host_key").exists():
        for name, text in zip(("host_key", "host_key.pub"), host.first_boot.host_key, strict=True):
            (node / name).touch(mode=0o600)
            (node / name).write_text(text.strip() + "\n")
    address = host.event.private_address
    sshd.write_node_files(vpc, host.index, address=address, port=22, public_key=world_key)
    config = node / "sshd_config"
    # sshd heeds the first one: ours is the world's own way in, the other is where EC2's images have their keys.
    config.write_text(f'AuthorizedKeysFile "{node}/authorized_keys" .ssh/authorized_keys\n{config.read_text()}')
    (node / "instance").write_text(host.event.instance_id)
    _tell_name(host)
    if not host.disk.exists():
        _write_disk(host)


def _tell_name(host: Host) -> None:
    """Add a host to the names that the VPC's hosts know: an address has the same name for ever."""
    address, name = host.event.private_address, host.vpc.name_of(host.index)
    line = f"{address} {name}.{domain(host.event.region)} {name}\n"
    hosts = host.vpc.folder / "hosts"
    if line not in hosts.read_text():
        with hosts.open("a") as names:
            names.write(line)


def _write_disk(host: Host) -> None:
    """Write what an image's disk has of its own; in one step, for a host with half a disk would stay so."""
    vpc, part = host.vpc, host.node / "disk.part"
    if host.saved is not None:
        copy_disk(host.saved.disk, part)
    home = part / vpc.home_there[1:]
    for folder in (home / ".ssh", part / "etc", part / "var/log", part / "var/lib/cloud/instance", part / "var/tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    (home / ".ssh").chmod(0o700)
    keys = [host.event.public_key, *host.first_boot.authorized_keys]
    with (home / ".ssh/authorized_keys").open("a") as known:  # An image may have some: who made it gets in, as in EC2.
        known.writelines(f"{key.strip()}\n" for key in keys if key)
    _write_mpi(part / MPI[1:])
    (part / "etc/fstab").touch()
    texts = {
        "group": sshd._group(),
        "hostname": f"{vpc.name_of(host.index)}\n",
        "passwd": sshd._passwd(vpc),
        "resolv.conf": (vpc.folder / "resolv.conf").read_text(),
        "shadow": f"{vpc.user}:x:1::::::\n",
    }
    for name, text in texts.items():
        (part / "etc" / name).write_text(text)
    (part / "var/tmp").chmod(0o1777)
    part.rename(host.disk)


def _write_mpi(folder: Path) -> None:
    """Write programs that start those of this Python's environment: links would not find their parts beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("mpiexec", "python3"):
        (folder / name).write_text(f'#!/bin/sh\nexec "{Path(sys.executable).parent / name}" "$@"\n')
        (folder / name).chmod(0o755)


def console(host: Host) -> str:
    """Return what a host's console shows: nothing before it is up, then its host key as cloud-init tells it."""
    if not host.is_ready:
        return ""
    key = sshd.host_key(host.vpc, host.index)
    shown = _KEYS.format(key=key, fingerprint=_fingerprint(key), name=host.vpc.name_of(host.index))
    log = host.disk / LOG[1:]
    said = log.read_text(errors="replace") if log.exists() else ""
    return shown + said


def _fingerprint(key: str) -> str:
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "256 SHA256:" + base64.b64encode(digest).decode().rstrip("=")
