"""The provider contract in an AWS account: what is there after each verb, and after it again, as its owner sees it."""

from typing import Any

import pytest

from blocks.aws_cluster import AwsGround
from blocks.cluster_spec import LocalClusterSpec
from blocks.errors import BadInput, QuotaExceeded, WrongState
from tests.worlds.aws.limits import VCPUS_STANDARD
from tests.worlds.aws_clusters import CUSTOMER, OWNER, Place

THINGS = ["group", "key", "key-pair", "placement-group"]
NODE = 3
"""A node, its disk and its interface."""


def whole(workers: int, *, head: bool = True) -> list[str]:
    """The parts of a cluster with so many workers; each node with its disk and its interface."""
    return sorted([*THINGS, *["head"] * NODE * head, *["workers"] * NODE * workers])


def volumes(place: Place, nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = [disk["Ebs"]["VolumeId"] for node in nodes for disk in node["BlockDeviceMappings"]]
    found: list[dict[str, Any]] = place.ec2.describe_volumes(VolumeIds=ids)["Volumes"]
    return found


def test_each_verb_twice(place: Place) -> None:
    """CLU-12, CLU-24, CLN-01: a second call finds all done; what all clusters share outlives them."""
    cluster = place.cluster()
    shared = place.shared()
    for _ in range(2):
        place.provider.check(cluster.spec)
        assert place.owned(cluster) == ["key"]
    grounds = [place.prepare(cluster), place.prepare(cluster)]
    assert grounds[0] == grounds[1]
    assert place.owned(cluster) == THINGS
    seen = []
    for _ in range(2):
        place.launch(cluster)
        assert place.states(cluster) == {1: "running", 2: "running", 3: "running"}
        assert place.owned(cluster) == whole(2)
        seen.append(place.provider.nodes(cluster))
    assert seen[0] == seen[1]
    for _ in range(2):
        place.provider.stop(cluster)
        assert place.states(cluster) == {1: "stopped"}
        assert [node.is_up for node in place.provider.nodes(cluster)] == [False]
    for _ in range(2):
        place.provider.start(cluster)
        assert place.states(cluster) == {1: "running"}
    for _ in range(2):
        place.launch(cluster)
        assert place.owned(cluster) == whole(2)
    assert place.provider.nodes(cluster)[0] == seen[0][0]
    for _ in range(2):
        place.provider.terminate(cluster, [3, 77])
        assert place.states(cluster) == {1: "running", 2: "running"}
    for _ in range(2):
        place.provider.release(cluster)
        assert place.owned(cluster) == ["key"]
        assert place.provider.nodes(cluster) == []
    assert place.shared() == shared


def test_what_was_never_made_is_released(place: Place) -> None:
    """CLU-12: also stop, start and terminate find nothing to do."""
    cluster = place.cluster()
    for verb in (place.provider.stop, place.provider.start, place.provider.release):
        verb(cluster)
    place.provider.terminate(cluster, [1])
    with pytest.raises(WrongState):
        place.provider.launch(cluster, LocalGround, [1], public_key="")
    assert place.owned(cluster) == ["key"]


LocalGround = AwsGround.__base__(user="u", shared="/s", python="p", mpiexec="m")  # type: ignore[misc]


def test_nodes_are_closed_and_encrypted(place: Place) -> None:
    """SEC-10: IMDSv2 only; every disk with the region's key; no way in but among themselves, and the UI's."""
    cluster = place.built(node_count=2, node_disk_gib=64)
    nodes = place.nodes(cluster)
    assert {node["MetadataOptions"]["HttpTokens"] for node in nodes} == {"required"}
    disks = volumes(place, nodes)
    assert {(disk["Encrypted"], disk["KmsKeyId"]) for disk in disks} == {(True, place.region.key_arn)}
    assert sorted(disk["Size"] for disk in disks) == [64, 512]
    assert {node["IamInstanceProfile"]["Arn"].rpartition("/")[2] for node in nodes} == {place.region.instance_profile}
    assert not any(node.get("PublicIpAddress") for node in nodes)
    [group] = {group["GroupId"] for node in nodes for group in node["SecurityGroups"]}
    assert place.rules(group) == {("-1", -1, group), ("tcp", 443, "0.0.0.0/0")}
    place.provider.release(cluster)


def test_tags_are_there_from_birth(place: Place) -> None:
    """CLU-38: the user's and ours on everything, given by the call that makes it: nothing was tagged later."""
    cluster = place.built(tags={"team": "red", "cost centre": "7"})
    told = place.tags(cluster)
    assert len(told) == len(whole(2))
    for arn, tags in told.items():
        assert tags.items() >= {"team": "red", "cost centre": "7"}.items(), arn
        assert tags["groundwork:installation"] == OWNER.installation, arn
        assert tags["groundwork:cluster"] == cluster.uuid, arn
    runs = {tags.get("groundwork:run") for arn, tags in told.items() if ":parameter/" not in arn}
    assert runs == {cluster.creator}
    assert place.calls("CreateTags") == []


def test_private_clusters_let_the_jump_host_in(place: Place) -> None:
    """NET-12: from the network's own addresses; people from theirs."""
    cluster = place.cluster(jump_host="door", services=("ssh",), allowed_addresses=("203.0.113.7/32",))
    ground = place.prepare(cluster)
    [group] = ground.security_groups
    assert place.rules(group) == {("-1", -1, group), ("tcp", 22, place.region.cidr), ("tcp", 22, "203.0.113.7/32")}
    assert ground.jump_host == "door"


def test_public_addresses_are_how_we_reach_nodes(place: Place) -> None:
    """CLU-02: in the public subnets; the nodes still reach each other by their private addresses."""
    cluster = place.built(node_count=2, public_addresses=True)
    told = {node["PrivateIpAddress"]: node["PublicIpAddress"] for node in place.nodes(cluster)}
    for node in place.provider.nodes(cluster):
        assert told[node.address] == node.ssh_host
    subnets = {node["SubnetId"] for node in place.nodes(cluster)}
    assert subnets <= {subnet for _, subnet in place.region.public_subnets}


def test_efa(place: Place) -> None:
    """NET-14: adapters, the placement group, one zone, and all traffic within the group both ways."""
    cluster = place.built(node_count=2, efa=True, node_type="c5n.18xlarge", head_type="c5n.18xlarge")
    nodes = place.nodes(cluster)
    assert {nic["InterfaceType"] for node in nodes for nic in node["NetworkInterfaces"]} == {"efa"}
    assert {node["Placement"]["GroupName"] for node in nodes} == {f"groundwork-{cluster.uuid}"}
    assert len(place.zones(cluster)) == 1
    [group] = place.ground(cluster).security_groups
    assert ("-1", -1, group) in place.rules(group)
    assert ("-1", -1, group) in place.rules(group, out=True)
    place.provider.release(cluster)
    assert place.owned(cluster) == ["key"]


def test_efa_on_each_network_card(place: Place) -> None:
    """NET-14: a type with four cards gets four adapters; a type without them is refused before anything is made."""
    place.aws.settings(limits={"L-417A185B": 1000})
    cluster = place.cluster(node_count=1, efa=True, node_type="p4d.24xlarge")
    place.prepare(cluster)
    place.launch(cluster)
    [node] = place.nodes(cluster)
    cards = [nic["Attachment"]["NetworkCardIndex"] for nic in node["NetworkInterfaces"]]
    assert sorted(cards) == [0, 1, 2, 3]
    with pytest.raises(BadInput, match="efa"):
        place.provider.check(place.cluster(efa=True, node_type="t3.micro").spec)


def test_types_that_do_not_gather_have_no_placement_group(place: Place) -> None:
    """NET-14: nor has a single node."""
    for wishes in ({"node_type": "t3.medium"}, {"node_count": 1}):
        cluster = place.cluster(**wishes)
        assert place.prepare(cluster).placement_group == ""
    mixed = place.built(node_count=2, head_type="t3.medium")
    told = {node["InstanceType"]: node["Placement"].get("GroupName", "") for node in place.nodes(mixed)}
    assert told == {"c5.xlarge": f"groundwork-{mixed.uuid}", "t3.medium": ""}


def test_the_users_network_is_used_and_left(place: Place) -> None:
    """NET-02: its subnet and group are used, changed by no more than our ports, and there afterwards as they were."""
    subnet = place.region.private_subnets[1]
    group = place.ec2.create_security_group(GroupName="mine", Description="-", VpcId=place.region.vpc_id)["GroupId"]
    before = place.rules(group)
    cluster = place.cluster(
        node_count=1, vpc_id=place.region.vpc_id, subnet_id=subnet[1], security_group_id=group, services=()
    )
    with pytest.raises(WrongState):
        place.prepare(cluster)
    own = place.lay_own(cluster)
    assert place.prepare(cluster).file_system_id == own.file_system_id
    place.launch(cluster)
    [node] = place.nodes(cluster)
    assert (node["SubnetId"], [one["GroupId"] for one in node["SecurityGroups"]]) == (subnet[1], [group])
    assert "group" not in place.owned(cluster)
    place.provider.release(cluster)
    assert place.rules(group) == before
    place.ec2.delete_security_group(GroupId=group)


def test_new_nodes_have_new_host_keys_and_the_old_image(place: Place) -> None:
    """CLU-12: a key that somebody stole with a node is not the next one's; a cluster is of one image."""
    cluster = place.built(node_count=2)
    before = place.provider.nodes(cluster)
    newer = place.newer_image()
    try:
        place.prepare(cluster)
        place.provider.terminate(cluster, [2])
        place.launch(cluster)
        after = place.provider.nodes(cluster)
        assert after[0] == before[0]
        assert after[1].host_key != before[1].host_key
        assert {node["ImageId"] for node in place.nodes(cluster)} == {place.image_id}
        assert place.prepare(place.cluster()).image_id == newer
    finally:
        place.drop_image(newer)


def test_quotas_are_asked_for_what_is_missing(place: Place) -> None:
    """CLU-16, ACC-21: a cluster that stands is not counted twice, when it is made again or resized."""
    place.aws.settings(limits={VCPUS_STANDARD: 12})
    cluster = place.cluster()
    with pytest.raises(QuotaExceeded, match="16 needed, 12 free"):
        place.provider.check(cluster.spec.model_copy(update={"node_count": 4}))
    place.prepare(cluster)
    place.launch(cluster)
    place.provider.check(cluster.spec)
    with pytest.raises(QuotaExceeded, match="4 needed, 0 free"):
        place.provider.check(cluster.spec.model_copy(update={"node_count": 4}))


def test_types_that_are_none_are_refused_by_their_field(place: Place) -> None:
    """CLU-05: before anything is made."""
    for wishes, field in (({"node_type": "c5.unheard"}, "node_type"), ({"head_type": "c5.unheard"}, "head_type")):
        with pytest.raises(BadInput, match=field):
            place.provider.check(place.cluster(**wishes).spec)
    with pytest.raises(BadInput, match="not in aws-account/team"):
        place.provider.check(LocalClusterSpec(name="here"))


def test_spot(place: Place) -> None:
    """CLU-02: nodes at the spot price; they cannot be stopped, and nothing is tried."""
    cluster = place.built(node_count=2, spot=True)
    assert {node["InstanceLifecycle"] for node in place.nodes(cluster)} == {"spot"}
    with pytest.raises(WrongState, match="spot"):
        place.provider.stop(cluster)
    assert place.states(cluster) == {1: "running", 2: "running"}
    place.provider.release(cluster)
    assert place.owned(cluster) == ["key"]


def test_another_accounts_cluster_is_refused_before_any_call(place: Place) -> None:
    """ACC-20: in that account nothing of it is seen, and the cluster would be taken for gone."""
    cluster = place.built(node_count=1)
    other = place.provider_of("other")
    before = len(place.aws.calls())
    for verb in (other.release, other.nodes, other.stop, other.start, other.prepare):
        with pytest.raises(BadInput, match="aws-account/other"):
            verb(cluster)
    assert len(place.aws.calls()) == before
    assert place.states(cluster) == {1: "running"}
    assert CUSTOMER in place.region.bucket
