"""What a plan says is what a run makes: the same counts in the account, each thing with its tags."""

from tasks.providers.aws.plan import Asker, Plan, make
from tasks.providers.aws.standing import spec_of_aws
from tests.contract.plan_ground import made, said, verified
from tests.worlds.aws_clusters import OWNER, Place, account_record
from tests.worlds.aws_world import INSTALLATION


def planned(place: Place, **wishes: object) -> Plan:
    """The plan of what is asked for in a place."""
    asker = Asker(place.us, verified(account_record()), INSTALLATION, OWNER.installation)
    return make(asker, spec_of_aws(place.cluster(**wishes).spec))


def test_a_run_makes_what_its_plan_said(place: Place) -> None:
    """CLU-07, CLU-38: nodes, disks, interfaces, group, keys; all with the user's tags and ours, and nothing else."""
    asked = {"node_count": 3, "head_type": "m5.large", "tags": {"cost": "lab"}}
    plan = planned(place, **asked)
    plan.require_feasible()
    cluster = place.built(**asked)
    tags = place.tags(cluster)
    assert made(tags) == said(plan.parts, "cluster")
    ours = {"cost": "lab", "groundwork:installation": OWNER.installation, "groundwork:cluster": cluster.uuid}
    assert [arn for arn, told in tags.items() if not ours.items() <= told.items()] == []
    nodes = place.nodes(cluster)
    there = {disk["Ebs"]["VolumeId"] for node in nodes for disk in node["BlockDeviceMappings"]}
    there |= {card["NetworkInterfaceId"] for node in nodes for card in node["NetworkInterfaces"]}
    assert there <= {arn.rpartition("/")[2] for arn in tags}


def test_one_node_has_no_placement_group(place: Place) -> None:
    """CLU-07, NET-14: and the plan says so."""
    plan = planned(place, node_count=1)
    assert made(place.tags(place.built(node_count=1))) == said(plan.parts, "cluster")
