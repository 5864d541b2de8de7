"""Real hosts: what the world says is a running instance is a node of the local provider at its private address.

Each VPC is a place of its own (``vpc``), kept by a process of its own (``birth``). What happens to instances is
carried out for each VPC in order, in a thread of its own (``work``): no request waits for it.
"""

import os
import secrets
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from tasks.keys import key_pair
from tasks.providers.local import folders, sshd
from tests.worlds.aws.call import CannotAnswer
from tests.worlds.aws.hosts import cloud_init, commands
from tests.worlds.aws.hosts.disks import Disks
from tests.worlds.aws.hosts.doors import Doors, Unreachable
from tests.worlds.aws.hosts.files import Host, console, image_user
from tests.worlds.aws.hosts.mounts import Mounts, Typed
from tests.worlds.aws.hosts.reach import admits
from tests.worlds.aws.hosts.vpc import Vpc
from tests.worlds.aws.hosts.work import TIER, VpcWork
from tests.worlds.aws.rules import images
from tests.worlds.aws.rules.instance_states import Event, Lives
from tests.worlds.aws.rules.passing_time import catch_up

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

PREFIX = "gw-aws-"
"""How the names of worlds' folders begin, among the machine's temporary ones."""

ROOT = Path(__file__).parents[4]

ANY_VPC = "jump"
"""The jump host's user for who does not know the VPC: the one in which the address is."""


class Hosts:
    """All hosts of one world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        # Short, for sockets are in it, whose paths may have 107 bytes only.
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        self._key = key_pair()
        self._all: dict[str, Host] = {}
        self._vpcs: dict[str, VpcWork] = {}
        self._mounts = Mounts(world, self.folder / "efs")
        self.disks = Disks(self.folder / "snapshots")
        self.doors = Doors(self.folder / "world", hear=self._hear, reach=self._reach)

    def told(self, event: Event) -> None:
        """Take notice of what happens to an instance. Returns at once.

        Raises:
            CannotAnswer: There is no host of such an instance.
        """
        if event.kind == "launched":
            self._launch(event)
        host = self._all.get(event.instance_id)
        if host is None:
            return  # It was launched while no hosts were wanted.
        work = self._vpcs[event.vpc_id]
        if event.kind in ("stopped", "rebooted", "terminated"):
            host.is_ready = False
            host.mounts.clear()
            work.put("gone" if event.kind == "terminated" else "down", host)
        if event.kind in ("launched", "started", "rebooted"):
            work.put("up", host)

    def is_ready(self, instance_id: str) -> bool:
        """Tell whether an instance's host answers, or there is none to wait for."""
        host = self._all.get(instance_id)
        return host is None or host.is_ready

    def console(self, instance_id: str) -> str | None:
        """Return what an instance's console shows; None where it has no host."""
        host = self._all.get(instance_id)
        return None if host is None else console(host)

    def save_disk(self, snapshot_id: str, volume_id: str) -> None:
        """Let a snapshot hold what is on a host's disk, where its volume is one's root."""
        for host in self._all.values():
            if host.disk.exists() and _root_volume(host) == volume_id:
                self.disks.save(snapshot_id, host.disk, host.vpc.user)

    def forget(self, file_system_id: str) -> None:
        """Delete what is on a file system."""
        folders.delete(self.folder / "efs" / file_system_id)

    def close(self) -> None:
        """End all hosts and return when nothing of them is left, no process and no file."""
        for work in self._vpcs.values():
            work.close()
        self.doors.close()
        folders.delete(self.folder)

    def _launch(self, event: Event) -> None:
        image = next(
            store.amis[event.image_id] for store in images.stores(event.region) if event.image_id in store.amis
        )
        if "windows" in (image.platform or "").lower():
            raise CannotAnswer(f"there are no hosts of Windows images ({event.image_id})")
        first_boot = cloud_init.read(event.user_data)
        if event.vpc_id not in self._vpcs:
            self._vpcs[event.vpc_id] = self._open(event)
        saved = self.disks.of(images.devices_of(image)[0]["Ebs"]["SnapshotId"])
        user = saved.user if saved else image_user(image.name or "")
        vpc = replace(self._vpcs[event.vpc_id].vpc, user=user)
        if IPv4Address(event.private_address) not in IPv4Network(vpc.cidr):
            raise CannotAnswer(f"hosts live in their VPC's first block {vpc.cidr} only, not {event.private_address}")
        self._all[event.instance_id] = Host(event, vpc, first_boot, saved)

    def _open(self, event: Event) -> VpcWork:
        """Make a VPC's place."""
        cidr = get_backend("ec2")[event.account][event.region].vpcs[event.vpc_id].cidr_block
        folder = self.folder / "vpcs" / event.vpc_id
        folders.make(folder)
        needed = [str(ROOT), sys.prefix, sys.base_prefix, sshd.program("sshd"), sshd.program("ip")]
        place = Vpc(
            folder,
            uuid=f"{self.folder.name}-{event.vpc_id}",
            user="ec2-user",
            tier="namespaces",
            network=str(self._free_network()),
            port=_free_port(),
            says="a VPC of the AWS test world",
            cidr=cidr,
            needed=tuple(path for path in needed if path),
        )
        sshd.write_cluster_files(place)
        commands.write(place.commands, sys.executable)
        place.write()
        failed = self._world.cannot
        return VpcWork(place, world_key=self._key, mount_all=self._mount_all, failed=failed)

    def _free_network(self) -> int:
        taken = {int(work.vpc.network) for work in self._vpcs.values()}
        return secrets.choice([number for number in range(64, 254) if number not in taken])

    def _mount_all(self, host: Host) -> None:
        self._mounts.all_of(host, (host.disk / "etc/fstab").read_text(errors="replace"))

    def _hear(self, told: dict[str, Any]) -> tuple[int, str]:
        """Obey a command that was typed on a host."""
        host = self._all.get(told["instance"])
        if host is None:
            return 32, "the AWS test world does not know this host\n"
        return self._mounts.obey(host, Typed(told["words"], told["folder"], told["fstab"]))

    def _reach(self, vpc_id: str, address: str, port: int) -> tuple[str, int]:
        """Return where a running instance's SSH server is behind, for the jump host."""
        if port != 22:
            raise Unreachable("this jump host leads to port 22 only")
        with self._world._lock:
            catch_up(self._world)
            found = [life for life in self._running() if _stands_at(life.instance, vpc_id, address)]
            if not found:
                where = "" if vpc_id == ANY_VPC else f" of {vpc_id}"
                raise Unreachable(f"no running instance{where} has the address {address}")
            if len(found) > 1:
                raise Unreachable(
                    f"instances in {len(found)} VPCs have the address {address}; the VPC as user names one"
                )
            life = found[0]
            host = self._all[life.instance.id]
            if not admits(life.instance.nics[0].group_set, port, address=host.vpc.controller):
                raise Unreachable(
                    f"security groups of {address} let nobody in to port {port} from {host.vpc.controller}"
                )
        return host.vpc.loopback(host.index), host.vpc.port

    def _running(self) -> list[Any]:
        lives = self._world.of(Lives).all
        return [life for name, life in lives.items() if name in self._all and life.instance.state == "running"]


def _stands_at(instance: Any, vpc_id: str, address: str) -> bool:
    nic = instance.nics[0]
    return bool(vpc_id in (nic.vpc_id, ANY_VPC) and nic.private_ip_address == address)


def _root_volume(host: Host) -> str:
    instance = get_backend("ec2")[host.event.account][host.event.region].get_instance(host.event.instance_id)
    volumes = {name: mapping.volume_id for name, mapping in instance.get_block_device_mapping}
    return str(volumes.get(instance.root_device_name, ""))


def _free_port() -> int:
    """Return a port for all hosts of a VPC on their loopback addresses, where hardly anybody else listens."""
    return 20_000 + secrets.randbelow(10_000)


class _Kept:
    """The hosts of a world that has any."""

    def __init__(self) -> None:
        self.hosts: Hosts | None = None
        self.lock = threading.Lock()


def of(world: "World") -> Hosts | None:
    """Return a world's hosts, if it has any."""
    return world.of(_Kept).hosts


def made(world: "World") -> Hosts:
    """Return a world's hosts; the first call makes their folder and opens the jump host."""
    kept = world.of(_Kept)
    with kept.lock:
        if kept.hosts is None:
            kept.hosts = Hosts(world)
        return kept.hosts


def jump(world: "World") -> dict[str, Any]:
    """Return how one enters a world's jump host."""
    return made(world).doors.jump()


def close(world: "World") -> None:
    """End all hosts of a world, if it has any."""
    kept = world.of(_Kept)
    with kept.lock:
        if kept.hosts is not None:
            kept.hosts.close()
            kept.hosts = None


def clean_after_killed_worlds() -> None:
    """Delete what worlds left that were killed: their hosts went with them, their files did not."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError):  # Somebody else deletes it too.
            if folder.lstat().st_uid == os.getuid() and not folder.is_symlink() and _is_dead(folder / "world"):
                for vpc in map(Vpc.read, (folder / "vpcs").glob("*")):
                    if vpc is not None:
                        TIER.clear(vpc)
                folders.delete(folder)


def _is_dead(path: Path) -> bool:
    """Tell whether nobody listens at a socket any more. One that is not there yet is somebody's who just begins."""
    with socket.socket(socket.AF_UNIX) as trial:
        try:
            trial.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
