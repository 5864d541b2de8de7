"""One deletion of one thing, kind by kind. What is gone already is as good as deleted.

By the deletions of each service in its API reference; "Deleting roles or instance profiles" in the IAM User Guide:
inline policies first; "Deleting a general purpose bucket" in the Amazon S3 User Guide: every version first.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blocks.errors import NotFound, WrongState
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.removal.network import referred
from tasks.providers.aws.removal.things import Area, Kind, Thing

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


@dataclass(frozen=True)
class Wishes:
    """What goes beside what always goes.

    Args:
        delete_bucket: The bucket with all that is in it.
        remove_orphans: What belongs to clusters that no record knows.
        key_deletion_days: How long the KMS key can still be saved, 7 to 30 days.
    """

    delete_bucket: bool = False
    remove_orphans: bool = False
    key_deletion_days: int = 30

    def stays(self, thing: Thing) -> bool:
        """Tell whether a thing is left as it is: what may be the user's data."""
        return thing.kind in (Kind.SNAPSHOT, Kind.IMAGE) or (thing.kind is Kind.BUCKET and not self.delete_bucket)

    def going(self, things: Iterable[Thing]) -> list[Thing]:
        """Return which of some things go."""
        return [thing for thing in things if not self.stays(thing)]


def delete(area: Area, thing: Thing, wishes: Wishes) -> None:
    """Ask AWS to delete a thing; some take minutes after that. Deleting what is gone does nothing.

    Raises:
        StillInUse: Something holds it.
        WrongState: It is on its way, up or down; or it goes by itself, or not at all.
        AccessDenied, CredentialsInvalid: It stays.
    """
    with suppress(NotFound), translated(str(thing)):
        _DELETIONS.get(thing.kind, _left_alone)(area, thing, wishes)


def _left_alone(_: Area, thing: Thing, __: Wishes) -> None:
    raise WrongState(_NO_DELETION.get(thing.kind, "Groundwork does not know how it is deleted"), where=str(thing))


_NO_DELETION = {
    Kind.VOLUME: "a disk goes with its node, and one that no node has may hold data: delete it by hand",
    Kind.INTERFACE: "it goes with what it was made for",
}


def _ec2(area: Area) -> "EC2Client":
    return area.session.client("ec2", area.region)


def _node(area: Area, thing: Thing, _: Wishes) -> None:
    _ec2(area).terminate_instances(InstanceIds=[thing.id])


def _placement_group(area: Area, thing: Thing, _: Wishes) -> None:
    _ec2(area).delete_placement_group(GroupName=thing.name)


def _key_pair(area: Area, thing: Thing, _: Wishes) -> None:
    _ec2(area).delete_key_pair(KeyPairId=thing.id)


def _parameter(area: Area, thing: Thing, _: Wishes) -> None:
    area.session.client("ssm", area.region).delete_parameter(Name=thing.id)


def _mount_target(area: Area, thing: Thing, _: Wishes) -> None:
    area.session.client("efs", area.region).delete_mount_target(MountTargetId=thing.id)


def _file_system(area: Area, thing: Thing, _: Wishes) -> None:
    area.session.client("efs", area.region).delete_file_system(FileSystemId=thing.id)


def _nat_gateway(area: Area, thing: Thing, _: Wishes) -> None:
    _ec2(area).delete_nat_gateway(NatGatewayId=thing.id)


def _endpoint(area: Area, thing: Thing, _: Wishes) -> None:
    told = _ec2(area).delete_vpc_endpoints(VpcEndpointIds=[thing.id])
    # It answers well and tells in there what it did not do.
    for failed in told.get("Unsuccessful", []):
        error = failed.get("Error", {})
        if not str(error.get("Code", "")).endswith("NotFound"):
            raise WrongState(f"{error.get('Code')}: {error.get('Message')}", where=str(thing))


def _address(area: Area, thing: Thing, _: Wishes) -> None:
    _ec2(area).release_address(AllocationId=thing.id)


def _subnet(area: Area, thing: Thing, _: Wishes) -> None:
    _ec2(area).delete_subnet(SubnetId=thing.id)


def _route_table(area: Area, thing: Thing, _: Wishes) -> None:
    _ec2(area).delete_route_table(RouteTableId=thing.id)


def _internet_gateway(area: Area, thing: Thing, _: Wishes) -> None:
    if thing.inside:
        _ec2(area).detach_internet_gateway(InternetGatewayId=thing.id, VpcId=thing.inside)
    _ec2(area).delete_internet_gateway(InternetGatewayId=thing.id)


def _group(area: Area, thing: Thing, _: Wishes) -> None:
    ec2 = _ec2(area)
    [found] = ec2.describe_security_groups(GroupIds=[thing.id])["SecurityGroups"]
    # Two groups that name each other would keep each other: the rules go first.
    naming: Any = [rule for rule in map(_of_groups, found["IpPermissions"]) if {*referred(_rules(rule))} - {thing.id}]
    if naming:
        ec2.revoke_security_group_ingress(GroupId=thing.id, IpPermissions=naming)
    ec2.delete_security_group(GroupId=thing.id)


def _rules(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {"IpPermissions": [rule]}


def _of_groups(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a rule only what names groups, and each only by its id."""
    pairs = [{"GroupId": pair["GroupId"]} for pair in rule.get("UserIdGroupPairs", []) if pair.get("GroupId")]
    ports = {name: rule[name] for name in ("FromPort", "ToPort") if name in rule}
    return {"IpProtocol": rule["IpProtocol"], **ports, "UserIdGroupPairs": pairs}


def _network(area: Area, thing: Thing, _: Wishes) -> None:
    _ec2(area).delete_vpc(VpcId=thing.id)


def _profile(area: Area, thing: Thing, _: Wishes) -> None:
    iam = area.session.client("iam")
    for role in iam.get_instance_profile(InstanceProfileName=thing.id)["InstanceProfile"]["Roles"]:
        with suppress(iam.exceptions.NoSuchEntityException):
            iam.remove_role_from_instance_profile(InstanceProfileName=thing.id, RoleName=role["RoleName"])
    iam.delete_instance_profile(InstanceProfileName=thing.id)


def _role(area: Area, thing: Thing, _: Wishes) -> None:
    iam = area.session.client("iam")
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=thing.id):
        for name in page["PolicyNames"]:
            with suppress(iam.exceptions.NoSuchEntityException):
                iam.delete_role_policy(RoleName=thing.id, PolicyName=name)
    iam.delete_role(RoleName=thing.id)


def _bucket(area: Area, thing: Thing, _: Wishes) -> None:
    s3 = area.session.client("s3", area.region)
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=thing.id):
        versions: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects: list[Any] = [{"Key": found["Key"], "VersionId": found["VersionId"]} for found in versions]
        if not objects:
            continue
        for failed in s3.delete_objects(Bucket=thing.id, Delete={"Objects": objects, "Quiet": True}).get("Errors", []):
            words = f"{failed.get('Code')}: {failed.get('Message')}"
            raise WrongState(f"object {failed.get('Key')} cannot be deleted ({words})", where=str(thing))
    s3.delete_bucket(Bucket=thing.id)


def _key(area: Area, thing: Thing, wishes: Wishes) -> None:
    days = wishes.key_deletion_days
    area.session.client("kms", area.region).schedule_key_deletion(KeyId=thing.id, PendingWindowInDays=days)


def _alias(area: Area, thing: Thing, _: Wishes) -> None:
    area.session.client("kms", area.region).delete_alias(AliasName=thing.id)


_DELETIONS: Mapping[Kind, Callable[[Area, Thing, Wishes], None]] = {
    Kind.NODE: _node,
    Kind.PLACEMENT_GROUP: _placement_group,
    Kind.KEY_PAIR: _key_pair,
    Kind.PARAMETER: _parameter,
    Kind.MOUNT_TARGET: _mount_target,
    Kind.FILE_SYSTEM: _file_system,
    Kind.NAT_GATEWAY: _nat_gateway,
    Kind.ENDPOINT: _endpoint,
    Kind.ADDRESS: _address,
    Kind.SUBNET: _subnet,
    Kind.ROUTE_TABLE: _route_table,
    Kind.INTERNET_GATEWAY: _internet_gateway,
    Kind.GROUP: _group,
    Kind.NETWORK: _network,
    Kind.PROFILE: _profile,
    Kind.ROLE: _role,
    Kind.BUCKET: _bucket,
    Kind.KEY: _key,
    Kind.ALIAS: _alias,
}
