"""What a region's things cost for an hour, for as long as they are left.

Prices are AWS's of us-east-1 as of 2025, of the pages named with each: its price list has no simple question for these.
In other regions they differ by up to a half. What is paid by use (traffic, requests) is not in it.
"""

from collections.abc import Iterable, Mapping

from tasks.providers.aws.removal.things import Kind, Thing

HOURS_A_MONTH = 730
"""As AWS's own calculator counts them."""

NAT_GATEWAY_USD = 0.045
"""For an hour ("Amazon VPC pricing", NAT gateway), beside 0.045 USD for each GB through it."""

ADDRESS_USD = 0.005
"""For an hour of a public IPv4 address, used or idle ("Amazon VPC pricing", Public IPv4 addresses)."""

FILES_GIB_MONTH_USD = 0.30
"""For a GiB and month of EFS Standard ("Amazon EFS pricing"), by what is stored."""

KEY_MONTH_USD = 1.0
"""For a month of a KMS key ("AWS KMS pricing"); nothing from the day that its deletion is scheduled."""


def hourly_usd(thing: Thing, nodes: Mapping[str, float]) -> float | None:
    """Return what a thing costs for an hour in USD; None where that is not known.

    Args:
        thing: What it is.
        nodes: The price of an hour by type of node.
    """
    if thing.kind is Kind.NAT_GATEWAY:
        return NAT_GATEWAY_USD
    if thing.kind is Kind.ADDRESS:
        return ADDRESS_USD
    if thing.kind is Kind.FILE_SYSTEM:
        return thing.gib * FILES_GIB_MONTH_USD / HOURS_A_MONTH
    if thing.kind is Kind.KEY:
        return KEY_MONTH_USD / HOURS_A_MONTH
    if thing.kind is Kind.NODE and thing.state not in ("stopped", "stopping"):
        return nodes.get(thing.type)
    return None if thing.kind in _BY_USE else 0.0


_BY_USE = (Kind.NODE, Kind.VOLUME, Kind.SNAPSHOT, Kind.IMAGE, Kind.BUCKET, Kind.OTHER)


def total_usd(things: Iterable[Thing], nodes: Mapping[str, float]) -> float:
    """Return what things cost for an hour together, as far as that is known."""
    return sum(hourly_usd(thing, nodes) or 0.0 for thing in things)
