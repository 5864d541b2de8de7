"""expose-services and allow-ssh, through a real Prefect server and worker: what is open then in the AWS world."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter

from blocks.aws_account import Feature
from blocks.aws_cluster import AwsClusterSpec, Service
from blocks.cluster import Cluster, State
from blocks.cluster_spec import LocalClusterSpec
from blocks.errors import AccessDenied, BadInput, WrongState
from blocks.exposure import EVERYONE
from flows.exposure import allow_ssh, expose_services
from tasks import documents, records
from tasks.installation import installation
from tasks.providers.aws.naming import Owner
from tests.worlds import flow_runs
from tests.worlds.aws_accounts import onboarded
from tests.worlds.aws_world import AwsWorld

pytestmark = pytest.mark.usefixtures("prefect_worker")

ME, SIX = "203.0.113.7/32", "2001:db8::1/128"
LAB = {"cluster": flow_runs.block("cluster", "lab")}


@dataclass
class Lab:
    """A cluster that is stopped, and its group as the account's owner sees it."""

    cluster: Cluster
    ec2: Any
    group: str

    def open_to(self) -> set[tuple[int, str]]:
        filters = [{"Name": "group-id", "Values": [self.group]}]
        rules = self.ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
        return {(one["FromPort"], one.get("CidrIpv4") or one["CidrIpv6"]) for one in rules if not one["IsEgress"]}

    def events(self, name: str) -> list[dict[str, Any]]:
        about = EventResourceFilter(id=[f"groundwork.cluster.{self.cluster.uuid}"])
        wanted = EventFilter(event=EventNameFilter(name=[f"groundwork.cluster.{name}"]), resource=about)
        with get_client(sync_client=True) as client:
            return [event.payload for event in client.read_events(wanted, limit=50).events]


def record(spec: AwsClusterSpec | LocalClusterSpec, state: State = State.STOPPED) -> Cluster:
    """Write a cluster's record."""
    cluster = Cluster(spec=spec, state=state)
    cluster.save(spec.name, overwrite=True)
    return records.read(spec.name)


def lab_in(aws: AwsWorld, *features: Feature) -> Lab:
    onboarded(aws, "team", features=list(features))
    cluster = record(AwsClusterSpec(name="lab", account="aws-account/team", region="us-east-1"))
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    born = Owner(installation(), cluster.uuid).born("security-group", "group")
    made = ec2.create_security_group(GroupName="lab", Description="-", VpcId=vpc, TagSpecifications=born)
    return Lab(cluster, ec2, made["GroupId"])


@pytest.fixture
def lab(no_accounts: AwsWorld) -> Iterator[Lab]:
    yield lab_in(no_accounts, Feature.PORTS)
    documents.remove(Cluster, "lab")


def end_of(seen: FlowRun) -> str:
    """How a run ended, in Prefect's words."""
    assert seen.state is not None
    return f"{seen.state.type.value}: {seen.state.message}"


def test_by_the_command_line(lab: Lab) -> None:
    """NET-07, NET-10, OPS-08: as a person does it, to a cluster that is stopped; everybody by ssh is refused."""
    flow_runs.require_completed(
        flow_runs.run("expose-services/on-demand", **LAB, services=["ui", "kafka"]),
    )
    flow_runs.require_completed(
        flow_runs.run("allow-ssh/on-demand", **LAB, addresses=[ME], for_how_long="8h"),
    )
    assert lab.open_to() == {(443, EVERYONE), (9092, EVERYONE), (22, ME)}
    refused = end_of(flow_runs.run("allow-ssh/on-demand", **LAB, addresses=["0.0.0.0/0"]))
    assert refused.startswith("FAILED: ")
    assert "addresses: 0.0.0.0/0 lets everyone try the doors of lab" in refused
    assert lab.open_to() == {(443, EVERYONE), (9092, EVERYONE), (22, ME)}


@pytest.mark.parametrize("everyone", [["0.0.0.0/0"], ["::/0"], ["0.0.0.0/1", "128.0.0.0/1"]])
def test_everyone_by_ssh(lab: Lab, everyone: list[str]) -> None:
    """NET-11: refused, with nothing changed; confirmed it is done, and an event tells of it."""
    with pytest.raises(BadInput, match=r"addresses: .*confirm_everyone"):
        allow_ssh(lab.cluster, everyone)
    assert lab.open_to() == set()
    assert lab.events("ssh-opened-to-everyone") == []
    allow_ssh(lab.cluster, everyone, confirm_everyone=True)
    assert lab.open_to() == {(22, address) for address in everyone}
    [told] = flow_runs.wait_until(lambda: lab.events("ssh-opened-to-everyone"), what="the event")
    assert told["addresses"] == everyone
    assert told["flow_run"]


def test_half_of_the_world_after_the_other(lab: Lab) -> None:
    """NET-11: what is everyone together with what was opened before, is asked about, too."""
    allow_ssh(lab.cluster, ["0.0.0.0/1"])
    with pytest.raises(BadInput, match="confirm_everyone"):
        allow_ssh(lab.cluster, ["128.0.0.0/1"])
    allow_ssh(lab.cluster, ["128.0.0.0/1"], only_these=True)
    assert lab.open_to() == {(22, "128.0.0.0/1")}


def test_what_is_open_is_told(lab: Lab) -> None:
    """NET-07: as a table of the run, and as an event."""
    expose_services(lab.cluster, [Service.SEARCH])
    allow_ssh(lab.cluster, [SIX])
    told = flow_runs.wait_until(lambda: lab.events("exposed")[1:] and lab.events("exposed"), what="both events")
    latest = max(told, key=lambda one: len(one["openings"]))
    assert {(one["service"], one["port"], one["address"]) for one in latest["openings"]} == {
        ("search", 9200, EVERYONE),
        ("ssh", 22, SIX),
    }
    assert lab.open_to() == {(9200, EVERYONE), (22, SIX)}


def test_without_the_feature(no_accounts: AwsWorld) -> None:
    """NET-07: refused with what would let us, before AWS is asked for anything."""
    lab = lab_in(no_accounts, Feature.EFS)
    before = len(no_accounts.calls())
    with pytest.raises(AccessDenied, match=r"cluster lab: .*without the feature ports"):
        expose_services(lab.cluster, [Service.UI])
    with pytest.raises(AccessDenied, match="without the feature ports"):
        allow_ssh(lab.cluster, [ME])
    assert len(no_accounts.calls()) == before
    documents.remove(Cluster, "lab")


def test_clusters_that_have_no_door(lab: Lab) -> None:
    """NET-07: one on a machine, and one that is being deleted."""
    home = record(LocalClusterSpec(name="home"))
    with pytest.raises(BadInput, match="cluster: home stands on a machine"):
        expose_services(home, [Service.UI])
    documents.remove(Cluster, "home")
    going = record(lab.cluster.spec, State.DELETING)  # type: ignore[arg-type]
    with pytest.raises(WrongState, match="deleting"):
        allow_ssh(going, [ME])
    assert lab.open_to() == set()
