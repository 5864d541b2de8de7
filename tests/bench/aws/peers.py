"""What people write for the same topology with boto3: a script that does one thing after another, and one with threads.

The topology is ours: VPC with public and private subnets in two zones, internet gateway, NAT gateway with its address,
routes, an endpoint for S3; a KMS key, a bucket; EFS with a mount target in each zone; a role and its profile; a key
pair whose private half is kept, a security group, a placement group, N nodes. Waiters are botocore's where it has them.
"""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from tests.world.aws.launches import image
from tests.worlds.aws.latencies import SSH_OPEN_S, STATES
from tests.worlds.aws_world import AwsWorld

PLACES = (
    {"zone": "us-east-1a", "public": "10.0.32.0/24", "private": "10.0.0.0/20"},
    {"zone": "us-east-1b", "public": "10.0.33.0/24", "private": "10.0.16.0/20"},
)
NODE_TYPE = "c5.xlarge"
KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9xhWvQ8N2pZ0b1Vq9G0b3b8ykZkq3n1a8m1yQm0d4x bench"
PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"
CLOSED = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


class Topology:
    """The steps of the topology; each keeps what it made in ``ids``."""

    def __init__(self, aws: AwsWorld, nodes: int) -> None:
        self.nodes = nodes
        self.ec2, self.efs, self.s3 = aws.client("ec2"), aws.client("efs"), aws.client("s3")
        self.iam, self.kms, self.ssm = aws.client("iam"), aws.client("kms"), aws.client("ssm")
        self.ids: dict[str, Any] = {"image": image(self.ec2)}

    def vpc(self) -> None:
        self.ids["vpc"] = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=self.ids["vpc"], EnableDnsHostnames={"Value": True})

    def gateway(self) -> None:
        self.ids["gateway"] = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]

    def attached(self) -> None:
        self.ec2.attach_internet_gateway(InternetGatewayId=self.ids["gateway"], VpcId=self.ids["vpc"])

    def public(self) -> None:
        self._subnets("public")

    def private(self) -> None:
        self._subnets("private")

    def _subnets(self, kind: str) -> None:
        told = [(place[kind], place["zone"]) for place in PLACES]
        made = [
            self.ec2.create_subnet(VpcId=self.ids["vpc"], CidrBlock=cidr, AvailabilityZone=zone) for cidr, zone in told
        ]
        self.ids[kind] = [one["Subnet"]["SubnetId"] for one in made]

    def address(self) -> None:
        self.ids["address"] = self.ec2.allocate_address(Domain="vpc")["AllocationId"]

    def nat(self) -> None:
        made = self.ec2.create_nat_gateway(SubnetId=self.ids["public"][0], AllocationId=self.ids["address"])
        self.ids["nat"] = made["NatGateway"]["NatGatewayId"]

    def wait_nat(self) -> None:
        self.ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[self.ids["nat"]])

    def public_routes(self) -> None:
        self._table("public")
        self._way_out("public", GatewayId=self.ids["gateway"])

    def private_table(self) -> None:
        self._table("private")

    def private_routes(self) -> None:
        self._way_out("private", NatGatewayId=self.ids["nat"])

    def _table(self, kind: str) -> None:
        table = self.ec2.create_route_table(VpcId=self.ids["vpc"])["RouteTable"]["RouteTableId"]
        for subnet in self.ids[kind]:
            self.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        self.ids[f"{kind} routes"] = table

    def _way_out(self, kind: str, **out: str) -> None:
        self.ec2.create_route(RouteTableId=self.ids[f"{kind} routes"], DestinationCidrBlock="0.0.0.0/0", **out)

    def endpoint(self) -> None:
        tables = [self.ids["public routes"], self.ids["private routes"]]
        service = "com.amazonaws.us-east-1.s3"
        self.ec2.create_vpc_endpoint(VpcId=self.ids["vpc"], ServiceName=service, RouteTableIds=tables)

    def group(self) -> None:
        self.ids["group"] = group_id = self._group("bench")
        rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group_id}]}
        self.ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[rule])

    def door(self) -> None:
        self.ids["door"] = group_id = self._group("bench-files")
        ports = {"FromPort": 2049, "ToPort": 2049}
        rule = {"IpProtocol": "tcp", **ports, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
        self.ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[rule])

    def _group(self, name: str) -> str:
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.ids["vpc"])
        return str(made["GroupId"])

    def key_pair(self) -> None:
        self.ec2.import_key_pair(KeyName="bench", PublicKeyMaterial=KEY)
        self.ssm.put_parameter(Name="/bench/key", Value=PRIVATE_KEY, Type="SecureString")

    def placement_group(self) -> None:
        self.ec2.create_placement_group(GroupName="bench", Strategy="cluster")

    def role(self) -> None:
        self.iam.create_role(RoleName="bench", AssumeRolePolicyDocument=trusting_nodes())
        self.iam.put_role_policy(RoleName="bench", PolicyName="bench", PolicyDocument=role_policy())

    def profile(self) -> None:
        self.iam.create_instance_profile(InstanceProfileName="bench")
        self.iam.add_role_to_instance_profile(InstanceProfileName="bench", RoleName="bench")

    def key(self) -> None:
        self.ids["key"] = self.kms.create_key()["KeyMetadata"]["Arn"]
        self.kms.enable_key_rotation(KeyId=self.ids["key"])
        self.kms.create_alias(AliasName="alias/bench", TargetKeyId=self.ids["key"])

    def bucket(self) -> None:
        name = "bench-boto3"
        self.s3.create_bucket(Bucket=name)
        self.s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(CLOSED, True))
        self.s3.put_bucket_policy(Bucket=name, Policy=bucket_policy(name))
        self.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "Name", "Value": "bench"}]})

    def files(self) -> None:
        made = self.efs.create_file_system(CreationToken="bench", Encrypted=True, KmsKeyId=self.ids["key"])
        self.ids["files"] = made["FileSystemId"]

    def wait_files(self) -> None:
        self._wait_available("file_systems", "FileSystems", FileSystemId=self.ids["files"])

    def targets(self) -> None:
        for subnet in self.ids["private"]:
            place = {"SubnetId": subnet, "SecurityGroups": [self.ids["door"]]}
            self.efs.create_mount_target(FileSystemId=self.ids["files"], **place)

    def wait_targets(self) -> None:
        self._wait_available("mount_targets", "MountTargets", FileSystemId=self.ids["files"])

    def _wait_available(self, what: str, name: str, **told: str) -> None:
        # botocore has no waiter for EFS: people poll every five seconds.
        ask = getattr(self.efs, f"describe_{what}")
        while any(one["LifeCycleState"] != "available" for one in ask(**told)[name]):
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
            SubnetId=self.ids["private"][0],
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
            [self.attached, self.public, self.private, self.group, self.door, self.profile, self.files, self.bucket],
            [self.nat, self.public_routes, self.private_table, self.wait_files],
            [self.targets, self.launched, self.endpoint],
            [self.wait_running, self.wait_targets, self.wait_nat],
            [self.wait_ssh, self.private_routes],
        ]

    def in_a_row(self) -> list[Callable[[], None]]:
        """The steps as people write them down: what was made is waited for, then comes the next."""
        return [
            *(self.vpc, self.gateway, self.attached, self.public, self.private, self.public_routes),
            *(self.address, self.nat, self.wait_nat, self.private_table, self.private_routes, self.endpoint),
            *(self.group, self.door, self.key_pair, self.placement_group, self.role, self.profile),
            *(self.key, self.bucket, self.files, self.wait_files, self.targets, self.wait_targets),
            *(self.launched, self.wait_running, self.wait_ssh),
        ]


def trusting_nodes() -> str:
    """The trust policy of nodes' role."""
    return document({"Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}})


def role_policy() -> str:
    """What nodes may do."""
    return document({"Action": "s3:GetObject", "Resource": "*"})


def bucket_policy(bucket: str) -> str:
    """Nobody comes to the bucket without TLS."""
    where = {"Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
    only = {"Bool": {"aws:SecureTransport": "false"}}
    return document({"Effect": "Deny", "Principal": "*", **where, "Condition": only})


def document(statement: dict[str, Any]) -> str:
    """A policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


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
