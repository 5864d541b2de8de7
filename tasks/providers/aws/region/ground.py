"""What a region has ready for the nodes of all clusters in it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RegionGround:
    """What stands in a region of an account.

    Args:
        region: As ``us-east-1``.
        vpc_id: The network.
        cidr: Its addresses, as ``10.0.0.0/16``.
        public_subnets: Zone and subnet id, by zone; what stands here can have a public address.
        private_subnets: The same; from here the internet is reached through the NAT gateway.
        file_system_id: The EFS file system of all shared folders, with a mount target in each private subnet.
        files_group_id: The security group of its mount targets: NFS from the network's addresses.
        key_arn: The KMS key of disks, files, objects and parameters.
        bucket: The state bucket's name.
        instance_profile: The name of the nodes' instance profile; their role has the same name.
    """

    region: str
    vpc_id: str
    cidr: str
    public_subnets: tuple[tuple[str, str], ...]
    private_subnets: tuple[tuple[str, str], ...]
    file_system_id: str
    files_group_id: str
    key_arn: str
    bucket: str
    instance_profile: str
