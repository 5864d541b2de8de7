"""A network with instances that are real hosts, made in the AWS test world through its API, and the way into them."""

import base64
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko

from blocks.cluster import Node
from tasks.ssh import Session
from tests.worlds.aws_world import AwsWorld, Jump

IMAGE = "ami-03c3da4cfa8e8943a"
"""An Amazon Linux image that moto knows; its user is ``ec2-user``."""
USER = "ec2-user"
ZONE = "us-east-1a"
LIMIT_S = 60


@dataclass
class Site:
    """A VPC with a subnet, a security group that lets SSH in, and a key pair, in a world whose instances are hosts."""

    aws: AwsWorld
    vpc: str
    subnet: str
    group: str
    private_key: str = field(repr=False)

    @property
    def ec2(self) -> Any:
        """EC2 as the account's root user."""
        return self.aws.client("ec2")

    def launch(self, count: int = 1, **wishes: Any) -> list[str]:
        """Launch instances and return their ids; does not wait."""
        asked = {
            "ImageId": IMAGE,
            "InstanceType": "t3.micro",
            "KeyName": self.vpc,
            "SubnetId": self.subnet,
            "SecurityGroupIds": [self.group],
            **wishes,
        }
        ran = self.ec2.run_instances(MinCount=count, MaxCount=count, **asked)
        return [instance["InstanceId"] for instance in ran["Instances"]]

    def instances(self, ids: list[str]) -> list[dict[str, Any]]:
        """Return what DescribeInstances tells, in the order of the ids."""
        told = self.ec2.describe_instances(InstanceIds=ids)["Reservations"]
        found = {instance["InstanceId"]: instance for part in told for instance in part["Instances"]}
        return [found[name] for name in ids]

    def wait_until(self, ids: list[str], state: str) -> list[dict[str, Any]]:
        """Push the clock and wait until all instances are in a state; return them."""
        self.aws.advance(60)
        deadline = time.monotonic() + LIMIT_S
        while True:
            found = self.instances(ids)
            if all(one["State"]["Name"] == state for one in found):
                return found
            assert self.aws.unanswered() == []
            assert time.monotonic() < deadline, [one["State"] for one in found]
            time.sleep(0.05)

    def nodes(self, ids: list[str]) -> list[Node]:
        """Return running instances as nodes, their host keys read from their consoles."""
        return [
            Node(
                index=index,
                name=one["PrivateDnsName"].partition(".")[0],
                address=one["PrivateIpAddress"],
                ssh_host=one["PrivateIpAddress"],
                ssh_port=22,
                host_key=self.console_key(one["InstanceId"]),
                slots=2,
            )
            for index, one in enumerate(self.instances(ids), 1)
        ]

    def console(self, instance_id: str) -> str:
        """Return an instance's console output."""
        return str(self.ec2.get_console_output(InstanceId=instance_id)["Output"])

    def console_key(self, instance_id: str) -> str:
        """Return the ed25519 host key that an instance's console shows."""
        block = self.console(instance_id).partition("BEGIN SSH HOST KEY KEYS-----\n")[2]
        found = re.search(r"^ssh-ed25519 \S+", block, re.MULTILINE)
        assert found, block
        return found[0]

    @contextmanager
    def session(self, node: Node, *, user: str = USER, private_key: str = "") -> Iterator[Session]:
        """Enter a host through the jump host, its host key known beforehand."""
        with through(self.aws.jump(self.vpc), node.address) as channel:
            transport = paramiko.Transport(channel)
            try:
                transport.start_client(timeout=30)
                assert transport.get_remote_server_key().asbytes() == base64.b64decode(node.host_key.split()[1])
                transport.auth_publickey(user, _key(private_key or self.private_key))
                yield Session(node, transport)
            finally:
                transport.close()

    def run(self, node: Node, line: str, *, check: bool = True) -> str:
        """Run a line of shell on a host; return what it wrote, standard error too."""
        with self.session(node) as session:
            return session.run(["sh", "-c", f"exec 2>&1; {line}"], check=check).text

    def processes(self) -> dict[int, str]:
        """Return the living processes of this machine that belong to the VPC's hosts."""
        return processes_of(self.vpc)


@contextmanager
def through(jump: Jump, address: str, port: int = 22) -> Iterator[paramiko.Channel]:
    """Open a connection to an address through a jump host; ``paramiko.ChannelException`` where it refuses."""
    transport = paramiko.Transport((jump.host, jump.port))
    try:
        transport.start_client(timeout=30)
        assert transport.get_remote_server_key().get_base64() == jump.host_key.split()[1]
        transport.auth_publickey(jump.user, _key(jump.private_key))
        yield transport.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=30)
    finally:
        transport.close()


def make_site(aws: AwsWorld, cidr: str = "10.0.0.0/16") -> Site:
    """Make a VPC and what instances in it need; ``cidr`` is its block, the subnet is the second /24 of it."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    aws.advance(10)
    inner = cidr.split(".")[:2]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=".".join([*inner, "1.0/24"]), AvailabilityZone=ZONE)
    group = ec2.create_security_group(GroupName="ours", Description="ours", VpcId=vpc)["GroupId"]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": cidr}]}
    each_other = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ssh, each_other])
    key = ec2.create_key_pair(KeyName=vpc, KeyType="ed25519")["KeyMaterial"]
    return Site(aws, vpc, subnet["Subnet"]["SubnetId"], group, key)


def processes_of(mark: str) -> dict[int, str]:
    """Return the living processes of this machine that have a text in their command line or environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            line = _read(entry / "cmdline")
            if mark in line or mark in _read(entry / "environ"):
                found[int(entry.name)] = line
    return found


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace").replace("\0", "\n")
    except OSError:
        return ""


def _key(text: str) -> paramiko.PKey:
    return paramiko.Ed25519Key.from_private_key(io.StringIO(text))
