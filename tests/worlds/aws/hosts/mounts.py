"""``mount`` and ``umount`` as a host's user types them: judged as EFS would, then done by who keeps the host.

Words and codes: mount(8), mount.nfs(8), and what amazon-efs-utils says. Where EFS lets a client wait for minutes, the
world tells it the end at once.
"""

import getopt
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from tasks.providers.local.control import Refused, Request, ask
from tests.worlds.aws.hosts.files import Host
from tests.worlds.aws.hosts.reach import admits
from tests.worlds.aws.rules.passing_time import catch_up

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

NFS = 2049
KINDS = ("nfs", "nfs4", "efs")

_BY_NAME = re.compile(r"(?:(?P<zone>[a-z]{2}-[a-z]+-\d[a-z])\.)?(?P<fs>fs-[0-9a-f]+)\.efs\.[a-z0-9-]+\.amazonaws\.com")
_BY_ID = re.compile(r"fs-[0-9a-f]+")


class Failed(Exception):
    """What was typed ends with this code and these words."""

    def __init__(self, words: str, code: int = 32) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True)
class Typed:
    """What a host's user typed, where, and what the host's ``/etc/fstab`` says."""

    words: list[str]
    folder: str = "/"
    fstab: str = ""

    def target(self, path: str) -> str:
        """Return a path that was typed as a whole one."""
        return os.path.normpath(os.path.join(self.folder, path))  # noqa: PTH118 # of a host, not of this machine


@dataclass(frozen=True)
class Mounts:
    """The file systems of a world, to be mounted by its hosts. ``folder`` has a folder for each."""

    world: "World"
    folder: Path

    def obey(self, host: Host, typed: Typed) -> tuple[int, str]:
        """Do what was typed; return the exit code and what is said to standard error."""
        name, *words = typed.words
        try:
            self._verb(name)(host, typed, words)
        except (Failed, getopt.GetoptError) as error:
            return getattr(error, "code", 1), f"{name}: {error}\n"
        return 0, ""

    def all_of(self, host: Host, fstab: str) -> None:
        """Mount what a host's table says, as its boot does; what fails is left out."""
        self.obey(host, Typed(["mount", "-a"], fstab=fstab))

    def _verb(self, name: str) -> Callable[[Host, Typed, list[str]], None]:
        if name == "umount":
            return self._umount
        return self._mount if name == "mount" else self._mount_direct

    def _mount_direct(self, host: Host, typed: Typed, words: list[str]) -> None:
        """``mount.nfs4 SOURCE TARGET -o OPTIONS``."""
        options, places = getopt.gnu_getopt(words, "o:vns")
        _require(len(places) == 2, f"usage: {typed.words[0]} SOURCE TARGET")
        self._put(host, places[0], typed.target(places[1]), dict(options).get("-o", ""))

    def _mount(self, host: Host, typed: Typed, words: list[str]) -> None:
        options, places = getopt.gnu_getopt(words, "t:o:av")
        told = dict(options)
        if "-a" in told:
            self._mount_table(host, typed, told.get("-t", ",".join(KINDS)).split(","))
        elif len(places) == 1:
            lines = [line for line in _lines(typed.fstab) if line[1] == typed.target(places[0])]
            _require(bool(lines), f"{places[0]}: can't find in /etc/fstab.")
            self._put(host, lines[0][0], lines[0][1], lines[0][3])
        else:
            kind = told.get("-t", "")
            _require(kind in KINDS, f"hosts of the AWS test world mount {', '.join(KINDS)}, not {kind!r}")
            _require(len(places) == 2, "bad usage")
            self._put(host, places[0], typed.target(places[1]), told.get("-o", ""))

    def _mount_table(self, host: Host, typed: Typed, kinds: list[str]) -> None:
        wrong = []
        for source, target, kind, options in _lines(typed.fstab):
            if kind not in kinds or kind not in KINDS or target in host.mounts or "noauto" in options.split(","):
                continue
            try:
                self._put(host, source, target, options)
            except Failed as error:
                wrong.append(error)
        if wrong:
            raise wrong[0]

    def _put(self, host: Host, source: str, target: str, options: str) -> None:
        _require("accesspoint=" not in options, "the AWS test world has no access points")
        found, _, path = source.partition(":")
        file_system = self._file_system(host, found)
        folder = self.folder / file_system
        folder.mkdir(parents=True, exist_ok=True)
        there = folder / os.path.normpath(path or "/").lstrip("/")
        reason = f"mounting {source} failed, reason given by server: No such file or directory"
        _require(there.is_dir() and there.resolve().is_relative_to(folder.resolve()), reason)
        self._tell(host, "mount", str(there), target)
        host.mounts.add(target)

    def _umount(self, host: Host, typed: Typed, words: list[str]) -> None:
        _, places = getopt.gnu_getopt(words, "flv")
        _require(len(places) == 1, "bad usage", code=1)
        target = typed.target(places[0])
        _require(target in host.mounts, f"{target}: not mounted.")
        self._tell(host, "unmount", target)
        host.mounts.discard(target)

    def _tell(self, host: Host, verb: str, *words: str) -> None:
        try:
            ask(host.vpc.control, Request(shlex.join([verb, *words]), [host.index]))
        except Refused as error:
            text = {
                "No such file or directory": "mount point does not exist",
                "Device or resource busy": "target is busy.",
            }
            raise Failed(f"{words[-1]}: {text.get(str(error), error)}") from error

    def _file_system(self, host: Host, server: str) -> str:
        """Return the id of the file system that a server's name or address stands for, seen from a host."""
        with self.world._lock:
            catch_up(self.world)
            target = self._mount_target(host, server)
            unknown = f"Failed to resolve server {server}: Name or service not known"
            _require(target is not None, "Connection timed out" if server[:1].isdigit() else unknown)
            groups = {group.id for group in self._instance(host).nics[0].group_set}
            is_let_in = admits(
                self._groups(host, target), NFS, address=host.event.private_address, source_groups=groups
            )
            _require(is_let_in, "Connection timed out")
            return str(target.file_system_id)

    def _mount_target(self, host: Host, server: str) -> Any:
        """Return the mount target that a host reaches by a name or address; None where there is none.

        A name stands for the mount target in the host's own zone ("Mounting on EC2 with a DNS name"); one that names a
        zone stands for that zone's.
        """
        named = _BY_NAME.fullmatch(server)
        fs, zone = (named["fs"], named["zone"]) if named else (server if _BY_ID.fullmatch(server) else "", "")
        zone = zone or self._instance(host).placement.zone
        for target in self._mount_targets(host):
            by_name = target.file_system_id == fs and target.availability_zone_name == zone
            if by_name or target.ip_address == server:
                return target
        return None

    def _mount_targets(self, host: Host) -> list[Any]:
        """Return the available mount targets in a host's VPC."""
        backend = get_backend("efs")[host.event.account][host.event.region]
        found = [target for fs in backend.file_systems_by_id.values() for target in fs.iter_mount_targets()]
        return [one for one in found if one.vpc_id == host.event.vpc_id and one.life_cycle_state == "available"]

    def _groups(self, host: Host, target: Any) -> list[Any]:
        backend = self._ec2(host)
        if target.security_groups:
            return [backend.get_security_group_from_id(group) for group in target.security_groups]
        return [backend.get_default_security_group(host.event.vpc_id)]

    def _instance(self, host: Host) -> Any:
        return self._ec2(host).get_instance(host.event.instance_id)

    def _ec2(self, host: Host) -> Any:
        return get_backend("ec2")[host.event.account][host.event.region]


def _require(good: bool, words: str, *, code: int = 32) -> None:
    if not good:
        raise Failed(words, code)


def _lines(fstab: str) -> list[tuple[str, str, str, str]]:
    """Return source, target, kind and options of each line of a table."""
    split = [line.split() for line in fstab.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(words[0], words[1], words[2], words[3]) for words in split if len(words) >= 4]
