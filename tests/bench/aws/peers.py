"""What people write for the same topology with boto3: a script that does one thing after another, and one with threads.

The topology: VPC with a public and a private subnet, internet gateway, NAT gateway, routes; EFS with a mount target; a
role and its profile, a KMS key, a key pair, a security group, a placement group, N nodes. Stock waiters where botocore
has them.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from tests.world.aws.identities import trust
from tests.world.aws.launches import image
from tests.worlds.aws.latencies import SSH_OPEN_S, STATES
from tests.worlds.aws_world import CUSTOMER, AwsWorld

ZONE = "us-east-1a"
NODE_TYPE = "c5.xlarge"
KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9xhWvQ8N2pZ0b1Vq9G0b3b8ykZkq3n1a8m1yQm0d4x bench"


class Topology:
    """The steps of the topology; each keeps what it made in ``ids``."""

    def __init__(self, aws: AwsWorld, nodes: int) -> None:
        self.nodes, self.ids = nodes, {}
        self.ec2, self.efs = aws.client("ec2"), aws.client("efs")
        self.iam, self.kms = aws.client("iam"), aws.client("kms")
        self.ids: dict[str, Any] = {"image": image(self.ec2)}

    def vpc(self) -> None:
        self.ids["vpc"] = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=self.ids["vpc"], EnableDnsHostnames={"Value": True})

    def gateway(self) -> None:
        self.ids["gateway"] = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]

    def attached(self) -> None:
        self.ec2.attach_internet_gateway(InternetGatewayId=self.ids["gateway"], VpcId=self.ids["vpc"])

    def public(self) -> None:
        self.ids["public"] = self._subnet("10.0.32.0/24")

    def private(self) -> None:
        self.ids["private"] = self._subnet("10.0.0.0/20")

    def _subnet(self, cidr: str) -> str:
        made = self.ec2.create_subnet(VpcId=self.ids["vpc"], CidrBlock=cidr, AvailabilityZone=ZONE)
        return str(made["Subnet"]["SubnetId"])

    def address(self) -> None:
        self.ids["address"] = self.ec2.allocate_address(Domain="vpc")["AllocationId"]

    def nat(self) -> None:
        made = self.ec2.create_nat_gateway(SubnetId=self.ids["public"], AllocationId=self.ids["address"])
        self.ids["nat"] = made["NatGateway"]["NatGatewayId"]

    def wait_nat(self) -> None:
        self.ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[self.ids["nat"]])

    def public_routes(self) -> None:
        self._routes("public", GatewayId=self.ids["gateway"])

    def private_routes(self) -> None:
        self._routes("private", NatGatewayId=self.ids["nat"])

    def _routes(self, subnet: str, **out: str) -> None:
        table = self.ec2.create_route_table(VpcId=self.ids["vpc"])["RouteTable"]["RouteTableId"]
        self.ec2.associate_route_table(RouteTableId=table, SubnetId=self.ids[subnet])
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **out)

    def group(self) -> None:
        made = self.ec2.create_security_group(GroupName="bench", Description="bench", VpcId=self.ids["vpc"])
        self.ids["group"] = made["GroupId"]
        rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": made["GroupId"]}]}
        self.ec2.authorize_security_group_ingress(GroupId=made["GroupId"], IpPermissions=[rule])

    def key_pair(self) -> None:
        self.ec2.import_key_pair(KeyName="bench", PublicKeyMaterial=KEY)

    def placement_group(self) -> None:
        self.ec2.create_placement_group(GroupName="bench", Strategy="cluster")

    def role(self) -> None:
        document = trust(f"arn:aws:iam::{CUSTOMER}:root")
        self.iam.create_role(RoleName="bench", AssumeRolePolicyDocument=document)
        policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'
        self.iam.put_role_policy(RoleName="bench", PolicyName="bench", PolicyDocument=policy)

    def profile(self) -> None:
        self.iam.create_instance_profile(InstanceProfileName="bench")
        self.iam.add_role_to_instance_profile(InstanceProfileName="bench", RoleName="bench")

    def key(self) -> None:
        self.ids["key"] = self.kms.create_key()["KeyMetadata"]["Arn"]

    def files(self) -> None:
        made = self.efs.create_file_system(CreationToken="bench", Encrypted=True, KmsKeyId=self.ids["key"])
        self.ids["files"] = made["FileSystemId"]

    def wait_files(self) -> None:
        self._wait_available("file_systems", "FileSystems", FileSystemId=self.ids["files"])

    def target(self) -> None:
        place = {"SubnetId": self.ids["private"], "SecurityGroups": [self.ids["group"]]}
        self.efs.create_mount_target(FileSystemId=self.ids["files"], **place)

    def wait_target(self) -> None:
        self._wait_available("mount_targets", "MountTargets", FileSystemId=self.ids["files"])

    def _wait_available(self, what: str, name: str, **told: str) -> None:
        # botocore has no waiter for EFS: people poll every five seconds.
        while getattr(self.efs, f"describe_{what}")(**told)[name][0]["LifeCycleState"] != "available":
            time.sleep(5)

    def launched(self) -> None:
        """People who know that a new profile is not known at once try again; every five seconds."""
        while True:
            try:
                began, made = time.monotonic(), self._launch()
            except ClientError as error:
                if "Instance Profile" not in str(error):
                    raise
                self.wait_pause(5)
            else:
                self.ids["nodes"] = [node["InstanceId"] for node in made["Instances"]]
                self.ids["open at"] = began + STATES["instance_s"]["pending"] + SSH_OPEN_S
                return

    def _launch(self) -> Any:
        return self.ec2.run_instances(
            ImageId=self.ids["image"],
            InstanceType=NODE_TYPE,
            MinCount=self.nodes,
            MaxCount=self.nodes,
            SubnetId=self.ids["private"],
            SecurityGroupIds=[self.ids["group"]],
            KeyName="bench",
            IamInstanceProfile={"Name": "bench"},
            Placement={"GroupName": "bench"},
        )

    def wait_running(self) -> None:
        self.ec2.get_waiter("instance_running").wait(InstanceIds=self.ids["nodes"])

    def wait_ssh(self) -> None:
        wait_ssh_open(self.ids["open at"])

    def wait_pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def stages(self) -> list[list[Callable[[], None]]]:
        """The steps in the order of a script; what stands in one stage does not need another of it."""
        return [
            [self.vpc, self.gateway, self.address, self.key_pair, self.placement_group, self.role, self.key],
            [self.attached, self.public, self.private, self.group, self.profile, self.files],
            [self.nat, self.public_routes, self.wait_files],
            [self.target, self.launched],
            [self.wait_running, self.wait_target, self.wait_nat],
            [self.wait_ssh, self.private_routes],
        ]

    def in_a_row(self) -> list[Callable[[], None]]:
        """The steps as people write them down: what was made is waited for, then comes the next."""
        return [
            *(self.vpc, self.gateway, self.attached, self.public, self.private, self.public_routes),
            *(self.address, self.nat, self.wait_nat, self.private_routes),
            *(self.group, self.key_pair, self.placement_group, self.role, self.profile),
            *(self.key, self.files, self.wait_files, self.target, self.wait_target),
            *(self.launched, self.wait_running, self.wait_ssh),
        ]


def wait_ssh_open(open_at_s: float) -> None:
    """Knock twice a second until SSH opens: the world without hosts has nobody who answers, so a clock does."""
    while time.monotonic() < open_at_s:
        time.sleep(0.5)


def one_after_another(aws: AwsWorld, nodes: int) -> None:
    """As in a script."""
    for step in Topology(aws, nodes).in_a_row():
        step()


def in_threads(aws: AwsWorld, nodes: int) -> None:
    """As in a script whose author has a thread pool: stage by stage."""
    with ThreadPoolExecutor(16) as pool:
        for stage in Topology(aws, nodes).stages():
            for done in [pool.submit(step) for step in stage]:
                done.result()
