"""In which order things go: what each kind has to wait for.

By "Delete your VPC" and "Delete a NAT gateway" in the Amazon VPC User Guide, "Delete a file system" in the Amazon EFS
User Guide, and the errors of each deletion in the API references. What waits for nothing in common goes at once.
"""

from collections.abc import Collection, Iterable, Mapping

from tasks.providers.aws.removal.things import Kind, Thing

AFTER: Mapping[Kind, tuple[Kind, ...]] = {
    Kind.VOLUME: (Kind.NODE,),
    Kind.PLACEMENT_GROUP: (Kind.NODE,),
    Kind.KEY_PAIR: (Kind.NODE,),
    Kind.PARAMETER: (Kind.NODE,),
    Kind.MOUNT_TARGET: (Kind.NODE,),
    Kind.FILE_SYSTEM: (Kind.MOUNT_TARGET,),
    Kind.INTERFACE: (Kind.NODE, Kind.MOUNT_TARGET, Kind.NAT_GATEWAY, Kind.ENDPOINT),
    Kind.ADDRESS: (Kind.NAT_GATEWAY,),
    Kind.SUBNET: (Kind.NODE, Kind.MOUNT_TARGET, Kind.NAT_GATEWAY, Kind.ENDPOINT, Kind.INTERFACE),
    Kind.ROUTE_TABLE: (Kind.ENDPOINT, Kind.SUBNET),
    Kind.INTERNET_GATEWAY: (Kind.NODE, Kind.NAT_GATEWAY, Kind.ADDRESS),
    Kind.GROUP: (Kind.NODE, Kind.MOUNT_TARGET, Kind.ENDPOINT, Kind.INTERFACE),
    Kind.NETWORK_ACL: (Kind.SUBNET,),
    Kind.NETWORK: (
        Kind.ENDPOINT,
        Kind.INTERFACE,
        Kind.SUBNET,
        Kind.ROUTE_TABLE,
        Kind.INTERNET_GATEWAY,
        Kind.GROUP,
        Kind.NETWORK_ACL,
    ),
    Kind.PROFILE: (Kind.NODE,),
    Kind.ROLE: (Kind.PROFILE,),
    # What a key opens is unreadable without it: it goes when nothing is left that was encrypted with it.
    Kind.KEY: (Kind.NODE, Kind.VOLUME, Kind.PARAMETER, Kind.FILE_SYSTEM),
    # After its key: as long as the name is there, the key is found by it.
    Kind.ALIAS: (Kind.KEY,),
}
"""Kinds that have to be gone before one of this kind can go."""


def whose_turn(left: Collection[Thing]) -> list[Thing]:
    """Return the things that can go now, in order; those that AWS is removing already are not among them."""
    there = {thing.kind for thing in left}
    ready = [thing for thing in left if not there & {*AFTER.get(thing.kind, ())} and not thing.is_going]
    return sorted(ready, key=lambda thing: list(Kind).index(thing.kind))


def is_hopeless(left: Iterable[Thing], refused: Collection[tuple[Kind, str]]) -> bool:
    """Tell whether nothing can go any more: all that is left was refused for good, or waits for what was.

    Args:
        left: What is there still.
        refused: The keys of what was refused for good.
    """
    waiting = [thing for thing in left if thing.key not in refused]
    blocked = {thing.kind for thing in left if thing.key in refused}
    for kind in Kind:
        if blocked & {*AFTER.get(kind, ())} and any(thing.kind is kind for thing in waiting):
            blocked.add(kind)
    return not any(thing.is_going or not blocked & {*AFTER.get(thing.kind, ())} for thing in waiting)
