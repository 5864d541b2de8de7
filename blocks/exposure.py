"""What of a cluster is open to the outside, and to whom: ports, addresses, for a while or for good."""

import ipaddress
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from blocks.aws_cluster import Cidr, Service
from blocks.errors import BadInput

EVERYONE = "0.0.0.0/0"
"""All addresses of IPv4. Nodes have no addresses of IPv6 in networks that we make."""

Addresses = Annotated[list[Cidr], Field(max_length=40)]
"""Blocks of addresses. A security group takes 60 rules (Amazon VPC User Guide, "Amazon VPC quotas")."""

Services = Annotated[list[Service], Field(max_length=len(Service))]

UI_ONLY = [Service.UI]
"""What of a new cluster is open, if nobody says otherwise."""

DurationOrNone = Annotated[str, Field(pattern=r"^([1-9][0-9]{0,5}(s|m|h))?$")]
"""A length of time with its unit, as 90s, 60m or 2h; empty: for good."""


class Opening(BaseModel):
    """A port that a block of addresses reaches, ``until`` a moment (UTC, whole seconds) or for good."""

    model_config = ConfigDict(frozen=True)

    service: Service
    port: int
    address: str
    until: datetime | None = None

    @property
    def way(self) -> tuple[int, str]:
        """Port and addresses: AWS keeps one rule for them, whatever its description says."""
        return self.port, self.address

    def is_over(self, now: datetime) -> bool:
        """Tell whether its time has passed."""
        return self.until is not None and self.until <= now


def normalised(address: str, *, field: str) -> str:
    """Return a block of addresses in its one short form: ``2001:DB8:0::1/128`` is ``2001:db8::1/128``.

    Args:
        address: A block; an address alone is a block of one.
        field: The form's field, for the message.

    Raises:
        BadInput: It is none, or says more than its mask keeps: ``203.0.113.7/24`` may mean /32 as well.
    """
    try:
        block = ipaddress.ip_network(address)
    except ValueError as error:
        raise _no_block(f"{address} is no block of addresses ({error})", field) from error
    if isinstance(block, ipaddress.IPv6Network) and block.network_address.ipv4_mapped is not None:
        raise _no_block(f"{address} is an IPv4 address in IPv6's words", field)
    return str(block)


def _no_block(what: str, field: str) -> BadInput:
    return BadInput(what, where=field, advice="Give one address as 203.0.113.7/32 or 2001:db8::1/128.")


def is_everyone(addresses: Iterable[str]) -> bool:
    """Tell whether blocks of addresses, alone or together, are all of IPv4 or all of IPv6: two halves are, too."""
    blocks = [ipaddress.ip_network(address) for address in addresses]
    four = ipaddress.collapse_addresses(one for one in blocks if isinstance(one, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(one for one in blocks if isinstance(one, ipaddress.IPv6Network))
    return 0 in {*(block.prefixlen for block in four), *(block.prefixlen for block in six)}


def becomes_everyone(before: Iterable[str], added: Iterable[str]) -> bool:
    """Tell whether blocks that are added make everyone of what was not everyone before, or are everyone themselves."""
    old, new = list(before), list(added)
    return is_everyone(new) or (is_everyone([*old, *new]) and not is_everyone(old))
