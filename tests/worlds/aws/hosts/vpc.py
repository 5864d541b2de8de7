"""A VPC of the world as a place of the local provider: where its hosts stand. Standard library only.

::

    <world's folder>/
        world                    the socket at which the world hears its hosts, and by which they know that it lives
        efs/<file system>/       what is on a file system
        vpcs/<VPC>/              the place (see ``tasks.providers.local.layout``), and beside it
            commands/            mount, umount, sudo as hosts have them
            nodes/<index>/disk/  a host's root folder, which outlives its processes
            nodes/<index>/stage/ where the machine's folders are mounted while the host is made

A host's index is how far its address is from the VPC's first one, so index and address are one.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from tasks.providers.local.layout import Place


@dataclass(frozen=True)
class Vpc(Place):
    """One VPC.

    ``cidr`` is its block, ``needed`` are folders and programs of this machine that hosts must see wherever they lie.
    ``network`` holds one number here: the hosts' loopback addresses begin with 127 and it.
    """

    cidr: str = ""
    needed: tuple[str, ...] = ()

    def name_of(self, index: int) -> str:
        """Return the host name that EC2 gives by address: ``ip-10-0-1-23``."""
        return "ip-" + self.inner_address(index).replace(".", "-")

    def inner_address(self, index: int) -> str:
        """Return a host's private address."""
        return str(IPv4Network(self.cidr)[index])

    def index_of(self, address: str) -> int:
        """Return the index of the host with a private address."""
        return int(IPv4Address(address)) - int(IPv4Network(self.cidr)[0])

    @property
    def controller(self) -> str:
        """The address of the VPC's router, which no instance gets: we stand there."""
        return str(IPv4Network(self.cidr)[1])

    @property
    def inner_bits(self) -> int:
        """Subnets of a VPC reach each other, so hosts take the whole VPC for their neighbourhood."""
        return IPv4Network(self.cidr).prefixlen

    @property
    def foreseen(self) -> range:
        """No host is known before it is launched."""
        return range(0)

    @property
    def home_there(self) -> str:
        """The home folder of the image's user."""
        return f"/home/{self.user}"

    def loopback(self, index: int) -> str:
        """Return the loopback address behind which a host's SSH server is."""
        return f"127.{self.network}.{index >> 8}.{index & 255}"

    @property
    def world(self) -> Path:
        """The socket at which the world hears its hosts."""
        return self.folder.parent.parent / "world"

    @property
    def commands(self) -> Path:
        """The commands that hosts have in place of the machine's."""
        return self.folder / "commands"

    def disk(self, index: int) -> Path:
        """Return a host's root folder, as this machine sees it."""
        return self.node(index) / "disk"
