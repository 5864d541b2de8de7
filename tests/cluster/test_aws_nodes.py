"""Nodes that the provider launches are real hosts: they show the key that was made for them and share one folder."""

import base64
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from blocks.cluster import Cluster, Node
from blocks.local_machine import Hosts
from tasks.keys import key_pair
from tests.worlds.aws_clusters import Place, PushedClock, make_place
from tests.worlds.aws_fixtures import become_prefect_worker
from tests.worlds.aws_hosts import through
from tests.worlds.aws_world import aws_world
from tests.worlds.local_hosts import require, wait_until


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A laid region whose instances are hosts; nothing of it is left."""
    require(Hosts.NAMESPACES)
    folder = Path(tempfile.mkdtemp(prefix="gw-"))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with aws_world() as aws:
        become_prefect_worker(monkeypatch, aws)
        found = make_place(aws, PushedClock(aws))
        aws.settings(hosts=True)
        found.ec2.modify_vpc_attribute(VpcId=found.region.vpc_id, EnableDnsHostnames={"Value": True})
        aws.speed(20)
        yield found
    folder.rmdir()


def open_files(place: Place) -> None:
    """Let the shared files be reached, which comes after the nodes."""
    group, efs = place.region.files_group_id, place.aws.client("efs")
    nfs = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049, "IpRanges": [{"CidrIp": place.region.cidr}]}
    place.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[nfs])
    for _, subnet in place.region.private_subnets:
        efs.create_mount_target(FileSystemId=place.region.file_system_id, SubnetId=subnet, SecurityGroups=[group])


def said(place: Place, cluster: Cluster, node: Node, command: str, *, private_key: str = "") -> str:
    """What a node says to a command, to whoever comes with a key (empty: the cluster's)."""
    kept = place.keys.find(cluster)
    assert kept is not None
    text = private_key or kept.private_key.get_secret_value()
    with through(place.aws.jump(place.region.vpc_id), node.address) as way:
        transport = paramiko.Transport(way)
        try:
            transport.connect(
                hostkey=paramiko.Ed25519Key(data=base64.b64decode(node.host_key.split()[1])),
                username=place.ground(cluster).user,
                pkey=paramiko.Ed25519Key.from_private_key(io.StringIO(text)),
            )
            session = transport.open_session()
            session.exec_command(command)
            return session.makefile().read().decode().strip()
        finally:
            transport.close()


def test_nodes_show_their_key_and_mount_the_shared_folder(place: Place) -> None:
    """CLU-11, SEC-13: the key in the tag is the one that is shown; the mount is waited for by the node, and stays."""
    mine, my_public = key_pair()
    cluster = place.cluster(node_count=2, jump_host="door", services=(), ssh_public_keys=(my_public,))
    place.prepare(cluster)
    place.launch(cluster)
    head, worker = place.provider.nodes(cluster)
    assert (
        said(place, cluster, head, "test -w /shared/x 2>/dev/null; mountpoint -q /shared || echo not yet") == "not yet"
    )
    open_files(place)
    for node in (head, worker):
        wait_until(lambda node=node: said(place, cluster, node, "mountpoint -q /shared && echo there") == "there")
    said(place, cluster, head, "hostname >/shared/by")
    assert said(place, cluster, worker, "cat /shared/by; hostname", private_key=mine).split() == [
        head.name,
        worker.name,
    ]
    place.provider.stop(cluster)
    place.provider.start(cluster)
    [again] = place.provider.nodes(cluster)
    assert again == head
    wait_until(lambda: said(place, cluster, head, "cat /shared/by") == head.name)
    place.provider.release(cluster)
    assert place.owned(cluster) == ["key"]
