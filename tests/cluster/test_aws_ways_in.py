"""Nodes of AWS clusters on the world's hosts: entered through the jump host, their shared folder, what images keep."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from blocks.aws_cluster import AwsGround
from blocks.cluster import Cluster, Node
from blocks.cluster_spec import LocalClusterSpec
from blocks.errors import TimedOut
from blocks.jump_host import JumpHost
from blocks.local_machine import Hosts
from tasks import keys
from tasks.providers.aws.user_data import user_data
from tasks.shared_folder import wait_until_shared
from tasks.ssh import Login, Session, Sessions
from tasks.ssh_jump import Jump
from tests.worlds.aws_hosts import IMAGE, USER, ZONE, Site, make_site
from tests.worlds.aws_world import AwsWorld, aws_world
from tests.worlds.local_hosts import require, wait_until


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A VPC in a world of this file's own."""
    require(Hosts.NAMESPACES)
    with aws_world() as world:
        world.settings(hosts=True)
        yield make_site(world)


@contextmanager
def entered(site: Site, nodes: list[Node], *, user: str = USER) -> Iterator[list[Session]]:
    """Sessions of the product to private nodes, through the world's jump host, whose user knows no VPC."""
    told = dataclasses.asdict(site.aws.jump("jump"))
    jump = Jump(JumpHost(**{**told, "private_key": SecretStr(told["private_key"])}))
    with Sessions(Login(user, site.private_key, jump)) as sessions:
        yield sessions.to_all(nodes)


def make_file_system(aws: AwsWorld) -> str:
    """A file system that nobody can mount yet."""
    made = aws.client("efs").create_file_system(CreationToken="ways-in")
    aws.advance(30)
    return str(made["FileSystemId"])


def ground_on(site: Site, file_system_id: str) -> AwsGround:
    return AwsGround(
        user=USER,
        shared="/shared",
        python="/opt/mpich/bin/python3",
        mpiexec="/opt/mpich/bin/mpiexec",
        region="us-east-1",
        subnets=((ZONE, site.subnet),),
        security_groups=(site.group,),
        image_id=IMAGE,
        root_device="/dev/xvda",
        instance_profile="",
        key_name=site.vpc,
        disk_key="",
        file_system_id=file_system_id,
        folder="/clusters/7c0f",
    )


def test_the_shared_folder_is_waited_for_and_comes_again_after_a_stop(site: Site) -> None:
    """CLU-19, NET-12: a node lets us in before its file system is there; a cluster without one must not pass as ready,
    nor may the waiting for it keep us out."""
    ground = ground_on(site, make_file_system(site.aws))
    private, public = keys.key_pair()
    ids = site.launch(2, UserData=user_data(ground, (private, public), []))
    site.wait_until(ids, "running")
    nodes = site.nodes(ids)
    assert {node.host_key for node in nodes} == {public}
    with entered(site, nodes) as sessions:
        wait_until(lambda: "Failed to resolve" in site.console(ids[0]))
        with pytest.raises(TimedOut, match=rf"^{nodes[0].name}, {nodes[1].name}: /shared .*Failed to resolve server"):
            wait_until_shared(ground, sessions, limit_s=1)
        site.aws.client("efs").create_mount_target(
            FileSystemId=ground.file_system_id, SubnetId=site.subnet, SecurityGroups=[site.group]
        )
        site.aws.advance(90)
        wait_until_shared(ground, sessions, limit_s=60)
        sessions[0].write("/shared/mine", b"kept")
        assert sessions[1].read("/shared/mine") == b"kept"
    site.ec2.stop_instances(InstanceIds=ids[:1])
    site.wait_until(ids[:1], "stopped")
    site.ec2.start_instances(InstanceIds=ids[:1])
    site.wait_until(ids[:1], "running")
    with entered(site, nodes[:1]) as sessions:
        wait_until_shared(ground, sessions, limit_s=30)
        assert sessions[0].read("/shared/mine") == b"kept"
    site.ec2.terminate_instances(InstanceIds=ids)
    site.wait_until(ids, "terminated")


def test_a_place_whose_nodes_have_the_folder_from_the_start_does_not_wait(site: Site) -> None:
    """CLU-19: local clusters pay nothing for it, not even a command."""
    ground = ground_on(site, "fs-0123456789abcdef0").model_copy(update={"is_mounted_later": False})
    cluster = Cluster(spec=LocalClusterSpec(name="here"), ground=ground)
    wait_until_shared(cluster.require_ground(), [], limit_s=0)


def test_images_keep_a_hosts_own_disk(site: Site) -> None:
    """IMG: without it an image that the product made has nothing of what the product put there, and passes."""
    found = site.ec2.describe_images(Filters=[{"Name": "name", "Values": ["ubuntu/images/hvm-ssd/ubuntu-xenial*"]}])
    first = site.launch(ImageId=found["Images"][0]["ImageId"])
    site.wait_until(first, "running")
    (node,) = site.nodes(first)
    write = "mkdir -p /opt/groundwork/bin; echo new >/etc/groundwork; echo home >~/home; echo log >/var/log/log"
    with entered(site, [node], user="ubuntu") as (session,):
        session.run(["sh", "-ec", f"{write}; ln -s ../../mpich/bin/python3 /opt/groundwork/bin/python; mkfifo ~/pipe"])
        link = session.run(["sh", "-c", "exec /opt/groundwork/bin/python -c 'import mpi4py; print(1)'"]).text
    made = site.ec2.create_image(InstanceId=first[0], Name="groundwork-2026.11", NoReboot=True)["ImageId"]
    root = next(iter(site.instances(first)))["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    snapshot = site.ec2.create_snapshot(VolumeId=root)["SnapshotId"]
    site.aws.advance(120)
    copy = site.ec2.copy_image(Name="copy", SourceImageId=made, SourceRegion="us-east-1")["ImageId"]
    device = {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}
    registered = site.ec2.register_image(
        Name="registered", RootDeviceName="/dev/sda1", BlockDeviceMappings=[device], VirtualizationType="hvm",
        Architecture="x86_64", EnaSupport=True,
    )["ImageId"]  # fmt: skip
    with entered(site, [node], user="ubuntu") as (session,):
        session.run(["sh", "-c", "echo later >~/home"])
    site.ec2.terminate_instances(InstanceIds=first)
    site.wait_until(first, "terminated")
    later = [*site.launch(ImageId=copy), *site.launch(ImageId=registered)]
    site.wait_until(later, "running")
    nodes = site.nodes(later)
    assert len({one.host_key for one in [node, *nodes]}) == 3
    look = "hostname; cat /etc/groundwork ~/home; ls ~; ls /var/log"
    run = "/opt/groundwork/bin/python -c 'import mpi4py; print(1)'"
    with entered(site, nodes, user="ubuntu") as sessions:
        for one, session in zip(nodes, sessions, strict=True):
            said = session.run(["sh", "-c", f"{look}; {run}"]).text.split()
            assert said == [one.name, "new", "home", "home", "1"]
    assert link == "1"
    site.ec2.terminate_instances(InstanceIds=later)
    site.wait_until(later, "terminated")
