"""A cluster in AWS as a new user makes it: all by `prefect deployment run`, on real hosts of the AWS test world."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.cluster import Cluster, State
from blocks.local_machine import Hosts
from deployments.settings import ROOT
from flows.aws_images import share_image
from tasks import aws_account_records as accounts
from tasks import records
from tasks.home import home
from tests.drill.snapshot import difference, seen
from tests.worlds import flow_runs
from tests.worlds.aws_accounts import CONSOLE_ID, account_ref, make_role_by_hand, newest
from tests.worlds.aws_builders import Builders, jump_host_of
from tests.worlds.aws_hosts import processes_of
from tests.worlds.aws_world import AwsWorld
from tests.worlds.buckets import bucket
from tests.worlds.flow_runs import block
from tests.worlds.git_server import GitServer
from tests.worlds.local_hosts import require
from tests.worlds.prefect_server import PrefectServer

EXAMPLE = ROOT / "deployments" / "examples" / "heat.py"
CLUSTER = ["-p", f"cluster={json.dumps(block('cluster', 'eight'))}"]
SCRIPT = "#!/bin/sh\nsudo -n true && mountpoint -q $GROUNDWORK_SHARED && touch ~/mine\n"
ACCOUNT = ["-p", f"account={json.dumps(account_ref('team'))}"]


@pytest.fixture
def hosts(no_accounts: AwsWorld, prefect_worker: AwsWorld) -> Iterator[AwsWorld]:
    """A world with real hosts, in which nobody waits minutes for a NAT gateway."""
    require(Hosts.NAMESPACES)
    prefect_worker.settings(hosts=True)
    prefect_worker.speed(20)
    yield prefect_worker
    prefect_worker.speed(1)


@pytest.fixture
def example(tmp_path: Path) -> Iterator[str]:
    """The address of a git repository with the example in it."""
    with GitServer(tmp_path) as git:
        git.repository("ada/heat").commit({EXAMPLE.name: EXAMPLE.read_text()})
        yield git.url("ada/heat")


def on_hosts(aws: AwsWorld) -> list[str]:
    """The states of all nodes in the customer's account that were not ended."""
    told = aws.client("ec2").describe_instances()["Reservations"]
    states = [node["State"]["Name"] for part in told for node in part["Instances"]]
    return sorted(state for state in states if state not in ("terminated", "shutting-down"))


def network_of(aws: AwsWorld, cluster: Cluster) -> str:
    """The network that a cluster's nodes are in."""
    by_cluster = [{"Name": "tag:groundwork:cluster", "Values": [cluster.uuid]}]
    found = aws.client("ec2").describe_instances(Filters=by_cluster)["Reservations"]
    return str(found[0]["Instances"][0]["VpcId"])


def test_a_cluster_as_a_new_user(house: PrefectServer, hosts: AwsWorld, example: str) -> None:
    """OPS-08, JOB-05, CLU-02, CLU-12, CLU-19, CLU-21, CLU-22, CLU-24, CLU-25, CON-09, CLN-01, CLN-03: onboard, create
    eight nodes, run the example out of git, stop, start, resize, run it out of S3, delete, clean the region; the
    account holds what the user brought."""
    house.run_cli("show-aws-onboarding", "-p", "name=team")
    arn = make_role_by_hand(hosts, newest("onboarding-team"))
    house.run_cli("onboard-aws-account", *ACCOUNT, "-p", f"account_id={CONSOLE_ID}", "-p", f"role_arn={arn}")
    bucket(hosts).put({f"heat/{EXAMPLE.name}": EXAMPLE.read_text()})
    builders = Builders(hosts)
    builders.build("2026.11", jump_host=builders.jump_host)
    share_image(version="2026.11", account=accounts.read("team"), regions=["us-east-1"])
    jump_host_of(hosts, "nodes", "jump")
    way_in = f"jump_host={json.dumps(block('jump-host', 'nodes'))}"
    brought = seen(hosts)

    form = ["-p", "name=eight", "-p", "node_count=8", "-p", "slots_per_node=1", "-p", way_in, "-p"]
    house.run_cli("create-aws-cluster", *ACCOUNT, *form, f"init_script={json.dumps(SCRIPT)}")
    assert "ended well on 8 of 8 nodes, 8 of them ran it now" in log_of("create-eight")
    made = records.read("eight")
    assert (made.state, made.slots, on_hosts(hosts)) == (State.RUNNING, 8, ["running"] * 8)
    vpc = network_of(hosts, made)
    assert len(processes_of(vpc)) >= 8
    house.run_cli("run-job", *CLUSTER, "-p", "name=heat", "-p", f"source={example}", "-p", f"command={EXAMPLE.name}")
    assert "8 ranks agree with one" in last_output("heat")

    house.run_cli("stop-cluster", *CLUSTER)
    assert (records.read("eight").state, on_hosts(hosts)) == (State.STOPPED, ["stopped"])
    house.run_cli("start-cluster", *CLUSTER)
    assert (records.read("eight").slots, on_hosts(hosts)) == (8, ["running"] * 8)
    assert "ended well on 8 of 8 nodes, 7 of them ran it now" in log_of("start-eight")  # The head kept its disk.
    house.run_cli("resize-cluster", *CLUSTER, "-p", "node_count=3")
    assert (records.read("eight").slots, on_hosts(hosts)) == (3, ["running"] * 3)
    house.run_cli("run-job", *CLUSTER, "-p", "name=again", "-p", f"source={example}", "-p", f"command={EXAMPLE.name}")
    assert "3 ranks agree with one" in last_output("again")
    source = ["-p", "source=s3://lab-data/heat/"]
    house.run_cli("run-job", *CLUSTER, "-p", "name=stored", *source, "-p", f"command={EXAMPLE.name}")
    assert "3 ranks agree with one" in last_output("stored")

    house.run_cli("delete-cluster", *CLUSTER)
    assert records.find("eight") is None
    assert on_hosts(hosts) == []
    house.run_cli("cleanup-region", *ACCOUNT, "-p", "region=us-east-1", "-p", "delete_bucket=true")
    missing, left = difference(brought, seen(hosts))
    # EFS made this one when it was first asked for a mount target; it costs nothing and stays with the account.
    assert (missing, [line for line in left if "/aws-service-role/elasticfilesystem." not in line]) == ([], [])
    assert processes_of(vpc) == {}
    house.run_cli("offboard-account", *ACCOUNT)
    assert accounts.find("team") is None


def log_of(name: str) -> str:
    """The log of the newest run of a name."""
    return flow_runs.log(flow_runs.latest(name).id)


def last_output(name: str) -> str:
    """What the newest job of a name wrote."""
    folders = [folder for folder in (home() / "jobs").iterdir() if re.fullmatch(rf"{name}-[0-9a-f]{{8}}", folder.name)]
    newest_folder = max(folders, key=lambda folder: folder.stat().st_mtime)
    return (newest_folder / "attempt-1" / "stdout.log").read_text()
