"""Instances as DescribeInstances and RunInstances tell them."""

from datetime import UTC
from typing import Any

from tests.worlds.aws.call import Answer
from tests.worlds.aws.rules.instance_states import state_of

FILTERS = {
    "affinity": "Placement.Affinity",
    "architecture": "Architecture",
    "availability-zone": "Placement.AvailabilityZone",
    "block-device-mapping.delete-on-termination": "BlockDeviceMappings.Ebs.DeleteOnTermination",
    "block-device-mapping.device-name": "BlockDeviceMappings.DeviceName",
    "block-device-mapping.status": "BlockDeviceMappings.Ebs.Status",
    "block-device-mapping.volume-id": "BlockDeviceMappings.Ebs.VolumeId",
    "client-token": "ClientToken",
    "dns-name": "PublicDnsName",
    "hypervisor": "Hypervisor",
    "iam-instance-profile.arn": "IamInstanceProfile.Arn",
    "iam-instance-profile.id": "IamInstanceProfile.Id",
    "image-id": "ImageId",
    "instance-id": "InstanceId",
    "instance-lifecycle": "InstanceLifecycle",
    "instance-state-code": "State.Code",
    "instance-state-name": "State.Name",
    "instance-type": "InstanceType",
    "instance.group-id": "SecurityGroups.GroupId",
    "instance.group-name": "SecurityGroups.GroupName",
    "ip-address": "PublicIpAddress",
    "key-name": "KeyName",
    "launch-index": "AmiLaunchIndex",
    "launch-time": "LaunchTime",
    "metadata-options.http-endpoint": "MetadataOptions.HttpEndpoint",
    "metadata-options.http-tokens": "MetadataOptions.HttpTokens",
    "monitoring-state": "Monitoring.State",
    "network-interface.addresses.private-ip-address": "NetworkInterfaces.PrivateIpAddresses.PrivateIpAddress",
    "network-interface.group-id": "NetworkInterfaces.Groups.GroupId",
    "network-interface.network-interface-id": "NetworkInterfaces.NetworkInterfaceId",
    "network-interface.subnet-id": "NetworkInterfaces.SubnetId",
    "network-interface.vpc-id": "NetworkInterfaces.VpcId",
    "placement-group-name": "Placement.GroupName",
    "placement-partition-number": "Placement.PartitionNumber",
    "platform": "Platform",
    "private-dns-name": "PrivateDnsName",
    "private-ip-address": "PrivateIpAddress",
    "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType",
    "spot-instance-request-id": "SpotInstanceRequestId",
    "state-reason-code": "StateReason.Code",
    "subnet-id": "SubnetId",
    "tenancy": "Placement.Tenancy",
    "vpc-id": "VpcId",
}
"""DescribeInstances' filters, by where their values stand. Those of a reservation are not modelled."""


def instance_document(instance: Any) -> Answer:
    """Return one instance. A terminated one has lost its network, its volumes and its groups."""
    kept = instance.kept
    document = {
        "AmiLaunchIndex": instance.ami_launch_index,
        "Architecture": instance.architecture,
        "BlockDeviceMappings": [],
        "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
        "ClientToken": instance.client_token,
        "CpuOptions": kept["CpuOptions"],
        "CurrentInstanceBootMode": "legacy-bios",
        "EbsOptimized": instance.ebs_optimized,
        "EnaSupport": kept["EnaSupport"],
        "EnclaveOptions": {"Enabled": False},
        "HibernationOptions": {"Configured": kept["IsHibernating"]},
        "Hypervisor": "xen",
        "ImageId": instance.image_id,
        "InstanceId": instance.id,
        "InstanceType": instance.instance_type,
        "LaunchTime": instance.launch_time,
        "MaintenanceOptions": {"AutoRecovery": "default"},
        "MetadataOptions": {"State": "applied", **kept["MetadataOptions"]},
        "Monitoring": {"State": instance.monitoring_state},
        "NetworkInterfaces": [],
        "Placement": kept["Placement"],
        "PlatformDetails": "Windows" if instance.platform else "Linux/UNIX",
        "PrivateDnsName": "",
        "ProductCodes": [],
        "PublicDnsName": "",
        "RootDeviceName": instance.root_device_name,
        "RootDeviceType": "ebs",
        "SecurityGroups": [],
        "State": state_of(instance),
        "StateTransitionReason": instance.state_transition_reason,
        "Tags": tags_of(instance),
        "UsageOperation": "RunInstances:0002" if instance.platform else "RunInstances",
        "UsageOperationUpdateTime": kept["LaunchedAt"],
        "VirtualizationType": instance.virtualization_type,
    }
    if instance.state != "terminated":
        document.update(_attached(instance))
    document.update(_if_any(instance))
    return document


def tags_of(resource: Any) -> list[dict[str, str]]:
    """Return the tags of one of moto's resources as AWS tells them."""
    return [{"Key": key, "Value": value} for key, value in resource.ec2_backend.tags.get(resource.id, {}).items()]


def _if_any(instance: Any) -> Answer:
    kept = instance.kept
    found = {
        "IamInstanceProfile": _profile(instance),
        "InstanceLifecycle": instance.lifecycle,
        "KeyName": instance.key_name,
        "Platform": "windows" if instance.platform else None,
        "SpotInstanceRequestId": kept.get("SpotInstanceRequestId"),
    }
    if instance.state == "pending":
        found["StateReason"] = {"Code": "pending", "Message": "pending"}
    elif instance.state_reason.code:
        found["StateReason"] = {"Code": instance.state_reason.code, "Message": instance.state_reason.message}
    return {name: value for name, value in found.items() if value}


def _profile(instance: Any) -> Answer:
    association = instance.ec2_backend.iam_instance_profile_associations.get(instance.id)
    if association is None:
        return {}
    return {"Arn": association.iam_instance_profile.arn, "Id": association.iam_instance_profile.id}


def _attached(instance: Any) -> Answer:
    primary = instance.nics[0]
    public = _public(instance, primary)
    return {
        "BlockDeviceMappings": [
            {
                "DeviceName": device,
                "Ebs": {
                    "AttachTime": mapping.attach_time.replace(tzinfo=UTC),
                    "DeleteOnTermination": mapping.delete_on_termination,
                    "Status": "attached",
                    "VolumeId": mapping.volume_id,
                },
            }
            for device, mapping in instance.get_block_device_mapping
        ],
        "NetworkInterfaces": [_interface(instance, nic) for nic in instance.nics.values()],
        "PrivateDnsName": instance.private_dns_name,
        "PrivateDnsNameOptions": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "PrivateIpAddress": primary.private_ip_address,
        **({"PublicDnsName": instance.public_dns_name, "PublicIpAddress": public} if public else {}),
        "SecurityGroups": _groups(primary),
        "SourceDestCheck": primary.source_dest_check,
        "SubnetId": primary.subnet_id,
        "VpcId": primary.vpc_id,
    }


def _interface(instance: Any, nic: Any) -> Answer:
    public = _public(instance, nic)
    owner = nic.owner_id if elastic_of(nic) else "amazon"
    association = {"IpOwnerId": owner, "PublicDnsName": instance.public_dns_name or "", "PublicIp": public}
    shown = {"Association": association} if public else {}
    return {
        **shown,
        "Attachment": {
            "AttachTime": nic.attach_time.replace(tzinfo=UTC),
            "AttachmentId": nic.attachment_id,
            "DeleteOnTermination": bool(nic.delete_on_termination),
            "DeviceIndex": nic.device_index,
            "NetworkCardIndex": card_of(nic),
            "Status": "attaching" if instance.state == "pending" else "attached",
        },
        "Description": nic.description,
        "Groups": _groups(nic),
        "InterfaceType": nic.interface_type,
        "Ipv6Addresses": [],
        "MacAddress": nic.mac_address,
        "NetworkInterfaceId": nic.id,
        "OwnerId": nic.owner_id,
        "PrivateDnsName": getattr(nic, "private_dns_name", None) or instance.private_dns_name,
        "PrivateIpAddress": nic.private_ip_address,
        "PrivateIpAddresses": [
            {"Primary": address["Primary"], "PrivateIpAddress": address["PrivateIpAddress"], **shown}
            for address in nic.private_ip_addresses
        ],
        "SourceDestCheck": nic.source_dest_check,
        "Status": "in-use",
        "SubnetId": nic.subnet_id,
        "VpcId": nic.vpc_id,
    }


def elastic_of(nic: Any) -> Any:
    """Return the elastic address that an interface has; None where it has none, or one of AWS's pool."""
    return next((address for address in nic.ec2_backend.addresses if address.eni is nic), None)


def card_of(nic: Any) -> int:
    """Return the network card on which an interface is."""
    card: int = getattr(nic, "network_card_index", 0)
    return card


def _public(instance: Any, nic: Any) -> str:
    # A launch's answer does not tell the public address: it comes a little later.
    return "" if instance.state == "pending" else nic.public_ip or ""


def _groups(nic: Any) -> list[dict[str, str]]:
    groups = sorted(nic.group_set, key=lambda group: str(group.id))
    return [{"GroupId": group.id, "GroupName": group.name} for group in groups]
