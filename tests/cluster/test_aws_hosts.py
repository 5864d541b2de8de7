"""Instances of the AWS test world are real hosts at their private addresses, reached through one jump host."""

import io
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import paramiko
import pytest
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.cluster import Cluster
from blocks.cluster_key import ClusterKey
from blocks.cluster_spec import LocalClusterSpec
from blocks.ground import Ground
from blocks.local_machine import Hosts
from tasks import bootstrap, checkout, keys
from tasks.providers.aws.session import session_with
from tests.worlds.aws.keys import root_key
from tests.worlds.aws.server import Server
from tests.worlds.aws_clusters import account_record
from tests.worlds.aws_fixtures import become_prefect_worker
from tests.worlds.aws_hosts import USER, Site, make_site, through
from tests.worlds.aws_world import CUSTOMER, AwsWorld, aws_world
from tests.worlds.buckets import Taking, bucket, packed
from tests.worlds.local_hosts import require, wait_until

REFUSED = paramiko.ChannelException


@pytest.fixture(scope="module")
def world() -> Iterator[AwsWorld]:
    """A world in a temporary folder of its own: others clean up after killed worlds too. Nothing is left in it."""
    require(Hosts.NAMESPACES)
    folder = Path(tempfile.mkdtemp(prefix="gw-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        with aws_world() as world:
            yield world
    folder.rmdir()


@pytest.fixture(scope="module")
def site(world: AwsWorld) -> Site:
    """A VPC for all tests of this file; they clean up what they launch, but for ``trio``."""
    world.settings(hosts=True)
    return make_site(world)


@pytest.fixture(scope="module")
def trio(site: Site) -> list[str]:
    """Three instances that run, with a file system on /shared, mounted by their user data."""
    efs = site.aws.client("efs")
    system = efs.create_file_system(CreationToken="shared")["FileSystemId"]
    site.aws.advance(30)
    efs.create_mount_target(FileSystemId=system, SubnetId=site.subnet, SecurityGroups=[site.group])
    site.aws.advance(60)
    source = f"{system}.efs.us-east-1.amazonaws.com:/"
    table = f"{source} /shared nfs4 nfsvers=4.1,_netdev 0 0"
    mounted = f"sudo mkdir /shared\necho '{table}' >>/etc/fstab\nsudo mount -a -t nfs4\n"
    ids = site.launch(3, UserData=f"#!/bin/sh -e\necho ran >>~/boots\n{mounted}")
    site.wait_until(ids, "running")
    for instance in ids:
        wait_until(lambda instance=instance: "user data ended with code 0" in site.console(instance))
    return ids


def test_hosts_are_what_describe_instances_tells(site: Site, trio: list[str]) -> None:
    """OPS-24: without it a cluster that the API tells and the hosts that MPI runs on could be two things."""
    told = site.instances(trio)
    assert len({one["PrivateIpAddress"] for one in told}) == 3
    for one, node in zip(told, site.nodes(trio), strict=True):
        seen = site.run(node, "hostname; hostname -i; hostname -I; id -un; pwd; getent hosts ip-10-0-1-99 || echo none")
        address = one["PrivateIpAddress"]
        assert seen.split() == [node.name, address, address, USER, f"/home/{USER}", "none"]
        for other in told:
            name = other["PrivateDnsName"]
            assert site.run(node, f"getent hosts {name}").split() == [
                other["PrivateIpAddress"], name, name.partition(".")[0]
            ]  # fmt: skip


def test_mpiexec_over_the_private_addresses(site: Site, trio: list[str]) -> None:
    """Without it nothing shows that the house's own bootstrap makes a cluster of EC2's instances."""
    python = "/opt/mpich/bin/python3"
    ground = Ground(user=USER, shared="/shared", python=python, mpiexec="/opt/mpich/bin/mpiexec")
    nodes = site.nodes(trio)
    cluster = Cluster(spec=LocalClusterSpec(name="ec2", node_count=3), ground=ground, nodes=nodes)
    key = ClusterKey(cluster_uuid=cluster.uuid, public_key="", private_key=site.private_key)
    with site.session(cluster.head) as head:
        bootstrap.furnish(head, cluster, key)
        bootstrap.warm_up(head, cluster)
        said = head.run([*bootstrap.mpiexec(cluster, 6), "hostname", "-I"]).text.split()
        rank = "from mpi4py import MPI; print(MPI.COMM_WORLD.allreduce(1))"
        counted = head.run([*bootstrap.mpiexec(cluster, 6), python, "-m", "mpi4py", "-c", rank]).text.split()
    assert sorted(said) == sorted(2 * [node.address for node in nodes])
    assert counted == ["6"] * 6


def test_a_program_out_of_s3_runs_on_every_host(
    site: Site, trio: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JOB-05, JOB-06: a folder and an archive of it are the same tree on each node, and run there."""
    become_prefect_worker(monkeypatch, site.aws)
    root, lab = root_key(CUSTOMER), bucket(site.aws)
    us = session_with(AwsCredentials(aws_access_key_id=root.access_key, aws_secret_access_key=SecretStr(root.secret)))
    files = {"ex.py": "import lib.part", "lib/part.py": "from mpi4py import MPI\nprint(MPI.COMM_WORLD.allreduce(1))\n"}
    lab.put({f"heat/{name}": text for name, text in files.items()} | {"heat.tgz": packed(files)})
    python = "/opt/mpich/bin/python3"
    ground = Ground(user=USER, shared="/shared", python=python, mpiexec="/opt/mpich/bin/mpiexec")
    cluster = Cluster(spec=LocalClusterSpec(name="s3", node_count=3), ground=ground, nodes=site.nodes(trio))
    key = ClusterKey(cluster_uuid=cluster.uuid, public_key="", private_key=site.private_key)
    with ExitStack() as opened:
        sessions = [opened.enter_context(site.session(node)) for node in cluster.nodes]
        bootstrap.furnish(sessions[0], cluster, key)
        for name in ("heat/", "heat.tgz"):
            into = f"/shared/{name.strip('/')}"
            found = Taking(account_record(), us).take(f"s3://lab-data/{name}", tmp_path / name)
            checkout.ship(tmp_path / name, sessions[0], into)
            hashes = checkout.hash_on(sessions, python, into)
            assert hashes == dict.fromkeys((node.name for node in cluster.nodes), found.tree_hash)
            run = [*bootstrap.mpiexec(cluster, 6), python, "-m", "mpi4py", f"{into}/ex.py"]
            assert sessions[0].run(run).text.split() == ["6"] * 6


def test_stop_and_start_keep_disk_address_and_host_key(site: Site, trio: list[str]) -> None:
    """Without it a product that stops clusters could lose what AWS keeps, or keep what AWS loses, unseen."""
    instance, node = trio[2], site.nodes(trio)[2]
    site.run(node, "echo kept >~/kept; echo lost >/dev/shm/lost; echo all >/shared/all")
    site.run(node, "setsid sleep 1234 </dev/null >/dev/null 2>&1 &")
    site.ec2.stop_instances(InstanceIds=[instance])
    site.wait_until([instance], "stopped")
    wait_until(lambda: not any("sleep\n1234" in line for line in site.processes().values()))
    with pytest.raises(REFUSED), through(site.aws.jump(site.vpc), node.address):
        pass
    site.ec2.start_instances(InstanceIds=[instance])
    site.wait_until([instance], "running")
    assert site.nodes(trio)[2] == node
    assert site.run(node, "cat ~/kept ~/boots /shared/all; ls /dev/shm; pgrep -f 'sleep 123[4]' || echo gone") == (
        "kept\nran\nall\ngone"
    )
    site.ec2.reboot_instances(InstanceIds=[instance])
    wait_until(lambda: site.console(instance) != "")
    assert site.run(node, "cat ~/boots") == "ran"


def test_hosts_cannot_change_the_machine(site: Site, trio: list[str]) -> None:
    """Without it a bootstrap that is tried in the world changes the machine of who tries it."""
    node = site.nodes(trio)[0]
    said = site.run(node, "touch /usr/bin/mine /etc/mine; echo x >>/etc/hosts; ls /dev/[sv]d* /root", check=False)
    assert said.count("Read-only file system") == 2
    assert "No such file" in said
    assert not Path("/etc/mine").exists()


REFUSED_MOUNTS = {
    "mount -t nfs4 {named} /nowhere": "mount: /nowhere: mount point does not exist",
    "mount -t nfs4 {named}none /mnt": "reason given by server: No such file or directory",
    "mount.nfs4 us-east-1b.{named} /mnt": "Failed to resolve server us-east-1b.",
    "mount -t nfs4 fs-0123456789abcdef0.efs.us-east-1.amazonaws.com:/ /mnt": "Failed to resolve server fs-0123",
    "mount -t nfs4 10.0.1.250:/ /mnt": "mount: Connection timed out",
    "mount -t efs -o tls {id} /mnt && cd /mnt && umount /mnt": "umount: /mnt: target is busy.",
    "umount /opt": "umount: /opt: not mounted.",
    "mount -t ext4 /dev/vda /mnt": "mount nfs, nfs4, efs, not 'ext4'",
    "mount /media": "mount: /media: can't find in /etc/fstab.",
    "sudo -u nobody id": "have no user nobody",
}


def test_mounts_that_efs_refuses(site: Site, trio: list[str]) -> None:
    """Without it a product's mount succeeds here and fails in AWS. Real mounts are in ``trio``."""
    with site.session(site.nodes(trio)[0]) as session:
        source = session.run(["cut", "-d ", "-f1", "/etc/fstab"]).text
        said = {}
        for line in REFUSED_MOUNTS:
            typed = line.format(named=source, id=source.partition(".")[0])
            said[line] = session.run(["sh", "-c", typed], check=False).stderr.decode()
        session.run(["umount", "/mnt"])
    assert {line: words for line, words in said.items() if REFUSED_MOUNTS[line] not in words} == {}


def test_a_closed_group_closes_the_mount_target_and_the_host(site: Site, trio: list[str]) -> None:
    """SEC: without it a cluster whose security groups are wrong works here, and nobody gets in in AWS."""
    node = site.nodes(trio)[1]
    closed = site.ec2.create_security_group(GroupName="closed", Description="closed", VpcId=site.vpc)["GroupId"]
    site.ec2.modify_instance_attribute(InstanceId=trio[1], Groups=[closed])
    try:
        with pytest.raises(REFUSED), through(site.aws.jump(site.vpc), node.address):
            pass
        only_ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.1/32"}]}
        site.ec2.authorize_security_group_ingress(GroupId=closed, IpPermissions=[only_ssh])
        said = site.run(node, "mount -t nfs4 $(cut -d' ' -f1 /etc/fstab) /mnt", check=False)
        assert said == "mount: Connection timed out"
    finally:
        site.ec2.modify_instance_attribute(InstanceId=trio[1], Groups=[site.group])
    site.run(node, "mount -t nfs4 $(cut -d' ' -f1 /etc/fstab) /mnt && umount /mnt")


def test_the_jump_host_leads_to_hosts_of_its_vpc_only(site: Site, trio: list[str]) -> None:
    """Without it two clusters in two networks reach each other here, and a wrong network goes unseen."""
    other = make_site(site.aws, "10.1.0.0/16")
    same = make_site(site.aws)
    ours = site.nodes(trio)
    there, twin = other.launch(), same.launch(PrivateIpAddress=ours[0].address)
    other.wait_until([*there, *twin], "running")
    stranger, twin_node = other.nodes(there)[0], same.nodes(twin)[0]
    assert same.run(twin_node, "hostname; ls /shared", check=False).startswith(twin_node.name)
    reach = "timeout 5 bash -c 'head -c 4 </dev/tcp/{}/22'"
    assert site.run(ours[0], reach.format(ours[1].address)) == "SSH-"
    assert "SSH-" not in site.run(ours[0], reach.format(stranger.address), check=False)
    for jump, address, port in (
        (site.aws.jump(site.vpc), stranger.address, 22),
        (site.aws.jump(other.vpc), ours[0].address, 22),
        (site.aws.jump("vpc-0"), ours[0].address, 22),
        (site.aws.jump(site.vpc), ours[0].address, 111),
        (site.aws.jump("jump"), ours[0].address, 22),  # two VPCs have it
        (site.aws.jump("jump"), "10.0.1.249", 22),
    ):
        with pytest.raises(REFUSED), through(jump, address, port):
            pass
    for only in (stranger, ours[1]):
        with through(site.aws.jump("jump"), only.address) as channel:
            assert channel.recv(4) == b"SSH-"
    for gone, ids in ((other, there), (same, twin)):
        gone.ec2.terminate_instances(InstanceIds=ids)
        gone.wait_until(ids, "terminated")


def test_who_is_not_let_in(site: Site, trio: list[str]) -> None:
    """Without it any key and any user of an image could be wrong here and pass."""
    node, (strange, _) = site.nodes(trio)[0], keys.key_pair()
    for wrong in ({"private_key": strange}, {"user": "ubuntu"}, {"user": "root"}):
        with pytest.raises(paramiko.AuthenticationException), site.session(node, **wrong):
            pass
    jump = site.aws.jump(site.vpc)
    transport = paramiko.Transport((jump.host, jump.port))
    try:
        transport.start_client(timeout=30)
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_publickey(jump.user, paramiko.Ed25519Key.from_private_key(io.StringIO(strange)))
    finally:
        transport.close()


def test_a_terminated_host_is_gone_and_its_address_free(site: Site, trio: list[str]) -> None:
    """Without it a terminated instance's host goes on running, and answers for the next one at its address."""
    first = site.launch(PrivateIpAddress="10.0.1.200")
    site.wait_until(first, "running")
    (node,) = site.nodes(first)
    site.run(node, "echo mine >~/mine; setsid sleep 4321 </dev/null >/dev/null 2>&1 &")
    wait_until(lambda: any("sleep\n4321" in line for line in site.processes().values()))
    site.ec2.terminate_instances(InstanceIds=first)
    site.wait_until(first, "terminated")
    wait_until(lambda: not any("sleep\n4321" in line for line in site.processes().values()))
    with pytest.raises(REFUSED), through(site.aws.jump(site.vpc), node.address):
        pass
    second = site.launch(PrivateIpAddress="10.0.1.200")
    site.wait_until(second, "running")
    (again,) = site.nodes(second)
    assert again.host_key != node.host_key
    assert site.run(again, "ls ~") == ""
    site.ec2.terminate_instances(InstanceIds=second)
    site.wait_until(second, "terminated")


def test_cloud_config_and_the_images_user(site: Site) -> None:
    """Without it a product that gives keys by cloud-config, or takes Ubuntu, is not let in."""
    private, public = keys.key_pair()
    host_private, host_public = keys.key_pair()
    indented = "".join(f"    {line}\n" for line in host_private.splitlines())
    config = (
        f"#cloud-config\nssh_authorized_keys: ['{public}']\nruncmd:\n- [sh, -c, 'echo \"a  b\" >~/ran']\n"
        f"ssh_keys:\n  ed25519_private: |\n{indented}  ed25519_public: {host_public}\n"
    )
    image = site.ec2.describe_images(Filters=[{"Name": "name", "Values": ["ubuntu/images/hvm-ssd/ubuntu-xenial*"]}])
    ids = site.launch(UserData=config, ImageId=image["Images"][0]["ImageId"])
    site.wait_until(ids, "running")
    (node,) = site.nodes(ids)
    assert node.host_key == host_public
    wait_until(lambda: "user data ended" in site.console(ids[0]))
    with site.session(node, user="ubuntu", private_key=private) as session:
        assert session.run(["sh", "-c", "id -un; cat ~/ran"]).text == "ubuntu\na  b"
    site.ec2.terminate_instances(InstanceIds=ids)
    site.wait_until(ids, "terminated")


def test_an_instance_is_pending_until_its_host_answers(site: Site, trio: list[str]) -> None:
    """Without it a product that does not wait for SSH passes here by luck."""
    (keeper,) = [pid for pid, line in site.processes().items() if "hosts.birth" in line]
    assert f"SigBlk:\t{0:016}" in Path(f"/proc/{keeper}/status").read_text(), "it hears no signals"
    os.kill(keeper, signal.SIGSTOP)
    try:
        ids = site.launch()
        site.aws.advance(600)
        assert site.instances(ids)[0]["State"]["Name"] == "pending"
        assert site.ec2.get_console_output(InstanceId=ids[0]).get("Output", "") == ""
    finally:
        os.kill(keeper, signal.SIGCONT)
    site.wait_until(ids, "running")
    site.ec2.terminate_instances(InstanceIds=ids)
    site.wait_until(ids, "terminated")


def test_a_host_that_answers_is_not_reached_before_its_instance_runs(site: Site, trio: list[str]) -> None:
    """Without it a product that goes by SSH alone, whatever EC2 says, passes here."""
    site.aws.speed(0)
    try:
        ids = site.launch()
        wait_until(lambda: site.console(ids[0]) != "")
        (one,) = site.instances(ids)
        assert one["State"]["Name"] == "pending"
        with pytest.raises(REFUSED), through(site.aws.jump(site.vpc), one["PrivateIpAddress"]):
            pass
    finally:
        site.aws.speed(1)
    site.wait_until(ids, "running")
    with through(site.aws.jump(site.vpc), one["PrivateIpAddress"]) as channel:
        assert channel.recv(4) == b"SSH-"
    site.ec2.terminate_instances(InstanceIds=ids)
    site.wait_until(ids, "terminated")


def test_no_host_is_made_unless_it_is_wanted(world: AwsWorld, site: Site) -> None:
    """Without it every test that launches instances pays for hosts."""
    world.settings(hosts=False)
    try:
        bare = make_site(world, "10.9.0.0/16")
        ids = bare.launch(UserData="neither script nor config")
        bare.wait_until(ids, "running")
        assert bare.processes() == {}
        with pytest.raises(REFUSED), through(world.jump(bare.vpc), bare.instances(ids)[0]["PrivateIpAddress"]):
            pass
    finally:
        world.settings(hosts=True)


def test_a_reset_leaves_nothing(world: AwsWorld, site: Site, trio: list[str]) -> None:
    """OPS-24: without it hosts of one test live on in the next. The last test of ``trio``."""
    folder = folder_of(site)
    assert len(site.processes()) > 3
    jump = world.jump(site.vpc)
    world.reset()
    assert site.processes() == {}
    assert not folder.exists()
    with pytest.raises(OSError), socket.create_connection((jump.host, jump.port), timeout=5):
        pass


def folder_of(site: Site) -> Path:
    """Return the folder of a world's hosts."""
    lines = "\n".join(site.processes().values()).splitlines()
    path = next(line for line in lines if line.endswith(site.vpc) and "/vpcs/" in line)
    return Path(path).parents[1]


def listener_of(path: Path) -> int:
    """Return the process that listens at a socket."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(path))
        credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[:4], "little")


def test_a_killed_world_takes_its_hosts_along(world: AwsWorld) -> None:
    """Without it a killed test run leaves hosts for good. The last test: it kills the world of this file."""
    world.settings(hosts=True)
    site = make_site(world)
    site.wait_until(site.launch(), "running")
    folder = folder_of(site)
    os.kill(listener_of(folder / "world"), signal.SIGKILL)
    wait_until(lambda: site.processes() == {})
    assert folder.exists()
    next_world = Server()
    assert not folder.exists()
    next_world.start()
    next_world.close()
