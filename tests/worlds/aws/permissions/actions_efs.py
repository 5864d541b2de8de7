"""Which IAM actions and resources a call to EFS needs.

By "Actions, resources, and condition keys for Amazon Elastic File System"; what EFS does in other services with the
caller's rights is said in its API reference (CreateMountTarget, DeleteMountTarget) and User Guide ("Encrypting data at
rest", "Using service-linked roles").
"""

from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from tests.worlds.aws.call import Call
from tests.worlds.aws.permissions import actions_kms, service_roles
from tests.worlds.aws.permissions.needs import Context, Need, asked_tags, by_service, held_tags

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_FOR_KEYS = ("kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant")


def needs(world: "World", call: Call) -> list[Need]:
    """Return what a call to EFS needs."""
    asked = asked_tags(call.params.get("Tags", []))
    context = asked | _encrypted(call.params)
    if call.params.get("TagKeys"):
        context["aws:tagkeys"] = list(call.params["TagKeys"])
    arn = _resource(call)
    found = [Need(f"elasticfilesystem:{call.operation}", arn, {**context, **held_tags(_tags(call, arn))})]
    if call.operation in ("CreateFileSystem", "CreateAccessPoint") and asked:
        kind = "file-system" if call.operation == "CreateFileSystem" else "access-point"
        create = {**asked, "elasticfilesystem:createaction": [call.operation]}
        found.append(Need("elasticfilesystem:TagResource", _arn(call, f"{kind}/*"), create))
    if call.operation == "CreateFileSystem":
        found += actions_kms.through(call, call.params.get("KmsKeyId"), _FOR_KEYS)
    return [*found, *_in_ec2(call)]


def _encrypted(params: dict[str, Any]) -> Context:
    return {"elasticfilesystem:encrypted": [str(params["Encrypted"]).lower()]} if "Encrypted" in params else {}


def _resource(call: Call) -> str:
    params = call.params
    if call.operation == "CreateFileSystem":
        return "*"
    target = _target(call)
    if params.get("MountTargetId"):
        return _arn(call, f"file-system/{target.file_system_id if target else '*'}")
    name = params.get("AccessPointId") or params.get("ResourceId") or params.get("FileSystemId") or "*"
    if name.startswith("arn:"):
        return str(name)
    return _arn(call, f"{'access-point' if name.startswith('fsap-') else 'file-system'}/{name}")


def _arn(call: Call, name: str) -> str:
    return f"arn:aws:elasticfilesystem:{call.region}:{call.account}:{name}"


def _store(call: Call) -> Any:
    return get_backend("efs")[call.account][call.region]


def _target(call: Call) -> Any:
    return _store(call).mount_targets_by_id.get(call.params.get("MountTargetId"))


def _tags(call: Call, arn: str) -> dict[str, str]:
    return dict(_store(call).tagging_service.get_tag_dict_for_resource(arn.rpartition("/")[2]))


def _in_ec2(call: Call) -> list[Need]:
    """Return what EFS does in EC2 in the caller's name."""
    here, service = f"arn:aws:ec2:{call.region}:{call.account}", "elasticfilesystem.amazonaws.com"
    if call.operation == "CreateMountTarget":
        names = [f"subnet/{call.params['SubnetId']}", "network-interface/*"]
        names += [f"security-group/{group}" for group in call.params.get("SecurityGroups", [])]
        made = [Need("ec2:CreateNetworkInterface", f"{here}:{name}", by_service(service)) for name in names]
        looks = [Need(f"ec2:Describe{what}", "*", by_service(service)) for what in ("Subnets", "NetworkInterfaces")]
        return [*service_roles.need(call, service), *looks, *made]
    target = _target(call)
    if call.operation == "DeleteMountTarget" and target is not None:
        arn = f"{here}:network-interface/{target.network_interface_id}"
        return [Need("ec2:DeleteNetworkInterface", arn, by_service(service))]
    return []
