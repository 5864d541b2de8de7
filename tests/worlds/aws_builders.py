"""Where images are made in the AWS world: a network in the installation's own account, and the way into it."""

from typing import Any

from blocks.jump_host import JumpHost
from flows.aws_images import build_image
from tests.world.aws.launches import instances
from tests.worlds.aws_world import INSTALLATION, AwsWorld


def jump_host_of(aws: AwsWorld, name: str, vpc: str) -> JumpHost:
    """Keep the world's jump host into a network (or ``jump``: into the one that has the address) in a block."""
    way = aws.jump(vpc)
    key = " ".join(way.host_key.split()[:2])
    JumpHost(host=way.host, port=way.port, user=way.user, host_key=key, private_key=way.private_key).save(
        name, overwrite=True
    )
    found = JumpHost.load(name, _sync=True)
    assert isinstance(found, JumpHost)
    return found


class Builders:
    """A network in the installation's own account, and the way into it."""

    def __init__(self, aws: AwsWorld) -> None:
        self.aws, ec2 = aws, aws.client("ec2", INSTALLATION)
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        aws.advance(10)
        subnet = ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1a")
        self.subnet = subnet["Subnet"]["SubnetId"]
        self.group = ec2.create_security_group(GroupName="builders", Description="-", VpcId=self.vpc)["GroupId"]
        ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
        ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[ssh])

    @property
    def jump_host(self) -> JumpHost:
        """The way in, as a block of the house's."""
        return jump_host_of(self.aws, "builders", self.vpc)

    def build(self, version: str, **told: Any) -> None:
        build_image(version=version, subnet_id=self.subnet, security_group_id=self.group, **told)

    def nodes(self) -> list[str]:
        """The states of all nodes there."""
        return [one["State"]["Name"] for one in instances(self.aws.client("ec2", INSTALLATION))]

    def images(self) -> list[str]:
        found = self.aws.client("ec2", INSTALLATION).describe_images(Owners=["self"])["Images"]
        return [one["Name"] for one in found]
