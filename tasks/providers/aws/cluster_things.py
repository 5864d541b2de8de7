"""What a cluster owns beside its nodes: security group, key pair, placement group; made once, removed to zero.

Each has a name of which AWS takes no second one, so a creation whose reply was lost, or whose effect is not told of
yet, is seen when it is tried again. They are found by their tags: what only has the name is somebody else's.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from blocks.errors import Conflict, StillInUse, TimedOut
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.standing import Standing
from tasks.providers.aws.waiting import wait_for

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionTypeDef, SecurityGroupTypeDef

T = TypeVar("T")

GROUP = "group"
KEY_PAIR = "key-pair"
PLACEMENT_GROUP = "placement-group"

_SSH = 22
_SEEN_WITHIN_S = 60.0

_THERE = {"InvalidGroup.Duplicate", "InvalidKeyPair.Duplicate", "InvalidPlacementGroup.Duplicate"}
_GONE = {
    "InvalidGroup.NotFound",
    "InvalidGroupId.NotFound",
    "InvalidKeyPair.NotFound",
    "InvalidPlacementGroup.Unknown",
}
_NOT_YET = {"InvalidGroup.NotFound", "InvalidGroupId.NotFound"}
_RULE_THERE = "InvalidPermission.Duplicate"


# ------------------------------------------------------------------------------------------------------------ making


def ensure_group(
    standing: Standing, vpc_id: str, *, jump_from: str = "", also: "Sequence[IpPermissionTypeDef]" = ()
) -> tuple[str, bool]:
    """Let there be the cluster's security group; return its id, and whether it was made now.

    Its nodes reach each other on all ports.

    Args:
        standing: Whose.
        vpc_id: In which network.
        jump_from: From which addresses a jump host comes in over SSH; empty: there is none.
        also: Other rules for coming in; a group that was there already does not get them here.
    """
    group_id, is_new = _made(
        f"security group of {standing.where}",
        lambda: _group_id(standing, vpc_id),
        lambda: standing.ec2.create_security_group(
            GroupName=standing.label,
            Description=f"Nodes of Groundwork cluster {standing.spec.name}",
            VpcId=vpc_id,
            TagSpecifications=standing.owner.born("security-group", GROUP, standing.label),
        )["GroupId"],
    )
    ways_in = [_among_themselves(group_id), *([_ssh_from(jump_from)] if jump_from else []), *(also if is_new else ())]
    _allow(standing, ways_in, lambda ways: _authorize_in(standing, group_id, ways))
    if standing.spec.efa:
        # EFA's own traffic is let out to the group by name only ("Prepare an EFA-enabled security group").
        ways_out = [_among_themselves(group_id)]
        _allow(standing, ways_out, lambda ways: _authorize_out(standing, group_id, ways))
    return group_id, is_new


def ensure_key_pair(standing: Standing, public_key: str) -> str:
    """Let there be the cluster's key pair; return its name."""
    return _made(
        f"key pair of {standing.where}",
        lambda: next((name for name in _key_pairs(standing).values()), None),
        lambda: standing.ec2.import_key_pair(
            KeyName=standing.label,
            PublicKeyMaterial=public_key.encode(),
            TagSpecifications=standing.owner.born("key-pair", KEY_PAIR, standing.label),
        )["KeyName"],
    )[0]


def ensure_placement_group(standing: Standing) -> str:
    """Let there be the cluster's placement group, in which nodes stand close to each other; return its name."""
    return _made(
        f"placement group of {standing.where}",
        lambda: next(iter(_placement_groups(standing)), None),
        lambda: standing.ec2.create_placement_group(
            GroupName=standing.label,
            Strategy="cluster",
            TagSpecifications=standing.owner.born("placement-group", PLACEMENT_GROUP, standing.label),
        )["PlacementGroup"]["GroupName"],
    )[0]


def _made(what: str, look: Callable[[], T | None], make: Callable[[], T]) -> tuple[T, bool]:
    """Make a thing, or find the one whose name AWS refuses a second time; return it, and whether it was made now."""
    with translated(what):
        try:
            return make(), True
        except ClientError as error:
            if code_of(error) not in _THERE:
                raise
    return _seen(what, look), False


def _seen(what: str, look: Callable[[], T | None]) -> T:
    """Look for what AWS says is there, until it is told of."""
    try:
        found = wait_for(what, look, lambda seen: seen is not None, limit_s=_SEEN_WITHIN_S, first_s=0, every_s=1)
    except TimedOut as error:
        raise Conflict(
            "something of that name is there, and it is not ours", where=what, advice="Remove it in AWS's console."
        ) from error
    assert found is not None  # noqa: S101 # what is None is waited for
    return found


# ------------------------------------------------------------------------------------------------------------- rules


def _among_themselves(group_id: str) -> "IpPermissionTypeDef":
    return {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group_id, "Description": "nodes of the cluster"}]}


def _ssh_from(addresses: str) -> "IpPermissionTypeDef":
    peer = {"CidrIp": addresses, "Description": "jump host"}
    return {"IpProtocol": "tcp", "FromPort": _SSH, "ToPort": _SSH, "IpRanges": [peer]}  # type: ignore[list-item]


def _authorize_in(standing: Standing, group_id: str, ways: "Sequence[IpPermissionTypeDef]") -> None:
    standing.ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=ways)


def _authorize_out(standing: Standing, group_id: str, ways: "Sequence[IpPermissionTypeDef]") -> None:
    standing.ec2.authorize_security_group_egress(GroupId=group_id, IpPermissions=ways)


def _allow(
    standing: Standing,
    ways: "Sequence[IpPermissionTypeDef]",
    authorize: "Callable[[Sequence[IpPermissionTypeDef]], None]",
) -> None:
    """Let rules be there. AWS makes all or none of a call: where one is there already, each is asked for by itself."""
    if not _is_new(standing, partial(authorize, ways)) and len(ways) > 1:
        for way in ways:
            _is_new(standing, partial(authorize, [way]))


def _is_new(standing: Standing, authorize: Callable[[], None]) -> bool:
    def ask() -> str:
        try:
            authorize()
        except ClientError as error:
            if code_of(error) in {_RULE_THERE, *_NOT_YET}:
                return code_of(error)
            raise
        return ""

    what = f"rules of the security group of {standing.where}"
    said = wait_for(what, ask, lambda code: code not in _NOT_YET, limit_s=_SEEN_WITHIN_S, first_s=0, every_s=1)
    return not said


# ---------------------------------------------------------------------------------------------------------- removing


def remove_all(standing: Standing) -> tuple[set[str], list[str]]:
    """Remove what is there, once; return which parts were there, and what still is, with the reason.

    Raises:
        GroundworkError: AWS does not tell, or does not let us.
    """
    there = list(_owned(standing))
    tried = {name: _refusal(name, remove) for _, name, remove in there}
    left = [tried.get(name) or name for _, name, _ in _owned(standing)] if there else []
    return {part for part, _, _ in there}, left


def _owned(standing: Standing) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Yield part, name and how it is removed of all that is there."""
    with translated(f"what {standing.where} owns"):
        groups = [group["GroupId"] for group in _groups(standing)]
        pairs, placements = list(_key_pairs(standing)), _placement_groups(standing)
    ec2 = standing.ec2
    for group_id in groups:
        yield GROUP, f"security group {group_id}", partial(ec2.delete_security_group, GroupId=group_id)
    for pair_id in pairs:
        yield KEY_PAIR, f"key pair {pair_id}", partial(ec2.delete_key_pair, KeyPairId=pair_id)
    for name in placements:
        yield PLACEMENT_GROUP, f"placement group {name}", partial(ec2.delete_placement_group, GroupName=name)


def _refusal(name: str, remove: Callable[[], object]) -> str:
    """Remove one thing; return why it cannot be removed yet. What is gone is removed."""
    try:
        with translated(name):
            try:
                remove()
            except ClientError as error:
                if code_of(error) not in _GONE:
                    raise
    except StillInUse as error:
        return str(error)
    return ""


# ----------------------------------------------------------------------------------------------------------- looking


def _groups(standing: Standing) -> "list[SecurityGroupTypeDef]":
    pages = standing.ec2.get_paginator("describe_security_groups").paginate(Filters=standing.owner.filters(GROUP))
    return [group for page in pages for group in page["SecurityGroups"]]


def _group_id(standing: Standing, vpc_id: str) -> str | None:
    return next((group["GroupId"] for group in _groups(standing) if group.get("VpcId") == vpc_id), None)


def _key_pairs(standing: Standing) -> dict[str, str]:
    """Return the names of the cluster's key pairs by their ids."""
    told = standing.ec2.describe_key_pairs(Filters=standing.owner.filters(KEY_PAIR))["KeyPairs"]
    return {pair["KeyPairId"]: pair["KeyName"] for pair in told}


def _placement_groups(standing: Standing) -> list[str]:
    filters = [*standing.owner.filters(PLACEMENT_GROUP), {"Name": "state", "Values": ["pending", "available"]}]
    told = standing.ec2.describe_placement_groups(Filters=filters)["PlacementGroups"]
    return [group["GroupName"] for group in told]
