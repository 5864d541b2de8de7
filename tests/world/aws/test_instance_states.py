"""The life of an instance in the AWS world: its states by the clock, in every answer that tells them (OPS-24)."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.world.aws.launches import instances, launch, named
from tests.world.aws.refusals import refused
from tests.worlds.aws.keys import root_key
from tests.worlds.aws.rules import instance_states
from tests.worlds.aws.server import Server
from tests.worlds.aws_world import CUSTOMER, AwsWorld


def told_everywhere(ec2: Any, instance_id: str) -> str:
    """Return an instance's state, which all answers and filters must agree on."""
    found = instances(ec2, InstanceIds=[instance_id])[0]["State"]["Name"]
    status = ec2.describe_instance_status(InstanceIds=[instance_id], IncludeAllInstances=True)["InstanceStatuses"][0]
    assert status["InstanceState"]["Name"] == found
    by_filter = instances(ec2, Filters=named("instance-state-name", found))
    assert [one["InstanceId"] for one in by_filter] == [instance_id]
    others = sorted(set(instance_states.CODES) - {found})
    assert instances(ec2, Filters=named("instance-state-name", *others)) == []
    return str(found)


def change(answer: dict[str, Any]) -> tuple[str, str]:
    """Return the states before and after that an answer tells."""
    (found,) = next(value for name, value in answer.items() if name.endswith("Instances"))
    return found["PreviousState"]["Name"], found["CurrentState"]["Name"]


def test_the_states_follow_the_clock(aws: AwsWorld) -> None:
    """A waiter that looks at the launch's answer, or takes the first Describe for the truth, would pass on bare moto:
    there an instance runs, stops and ends at once."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    made = launch(ec2)[0]
    name = made["InstanceId"]
    assert made["State"] == {"Code": 0, "Name": "pending"}
    assert made["StateReason"]["Code"] == "pending"
    assert told_everywhere(ec2, name) == "pending"
    assert ec2.describe_instance_status(InstanceIds=[name])["InstanceStatuses"] == []
    aws.advance(19)
    assert told_everywhere(ec2, name) == "pending"
    aws.advance(2)
    assert told_everywhere(ec2, name) == "running"
    assert "StateReason" not in instances(ec2)[0]
    assert change(ec2.stop_instances(InstanceIds=[name])) == ("running", "stopping")
    aws.advance(29)
    assert told_everywhere(ec2, name) == "stopping"
    aws.advance(2)
    assert told_everywhere(ec2, name) == "stopped"
    assert instances(ec2)[0]["StateTransitionReason"].startswith("User initiated (")
    assert instances(ec2)[0]["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert change(ec2.start_instances(InstanceIds=[name])) == ("stopped", "pending")
    aws.advance(21)
    assert told_everywhere(ec2, name) == "running"
    assert change(ec2.terminate_instances(InstanceIds=[name])) == ("running", "shutting-down")
    aws.advance(29)
    assert told_everywhere(ec2, name) == "shutting-down"
    aws.advance(2)
    assert told_everywhere(ec2, name) == "terminated"
    assert change(ec2.terminate_instances(InstanceIds=[name])) == ("terminated", "terminated")
    aws.advance(3500)
    assert told_everywhere(ec2, name) == "terminated"
    aws.advance(100)
    assert instances(ec2) == []
    refused("InvalidInstanceID.NotFound", ec2.describe_instances, InstanceIds=[name])
    refused("InvalidInstanceID.NotFound", ec2.terminate_instances, InstanceIds=[name])


def test_a_day_that_passes_at_once_ends_what_was_begun(aws: AwsWorld) -> None:
    """Tests push the clock over several states at once; a state that is only left when somebody looks would last."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    name = launch(ec2)[0]["InstanceId"]
    ec2.terminate_instances(InstanceIds=[name])
    aws.advance(86400)
    assert instances(ec2) == []
    assert ec2.describe_volumes()["Volumes"] == []


def test_status_checks_come_later_than_running(aws: AwsWorld) -> None:
    """A node is not reachable because it runs: the waiter ``instance_status_ok`` waits on."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    launch(ec2)
    aws.advance(21)
    (new,) = ec2.describe_instance_status()["InstanceStatuses"]
    assert new["InstanceStatus"]["Status"] == new["SystemStatus"]["Status"] == "initializing"
    aws.advance(60)
    wanted = named("instance-status.status", "ok")
    assert len(ec2.describe_instance_status(Filters=wanted)["InstanceStatuses"]) == 1


def test_addresses_over_stop_and_start(aws: AwsWorld) -> None:
    """A hostfile holds private addresses, which stay; the public one is another after each start (CLU-22)."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    made = launch(ec2)[0]
    assert "PublicIpAddress" not in made, "AWS tells it after the launch only"
    aws.advance(21)
    before = instances(ec2)[0]
    ec2.stop_instances(InstanceIds=[made["InstanceId"]])
    aws.advance(31)
    assert "PublicIpAddress" not in instances(ec2)[0]
    ec2.start_instances(InstanceIds=[made["InstanceId"]])
    aws.advance(21)
    after = instances(ec2)[0]
    assert after["PrivateIpAddress"] == before["PrivateIpAddress"] == made["PrivateIpAddress"]
    assert after["PublicIpAddress"] != before["PublicIpAddress"]
    elastic = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=elastic["AllocationId"], InstanceId=made["InstanceId"])
    ec2.stop_instances(InstanceIds=[made["InstanceId"]])
    aws.advance(31)
    assert instances(ec2)[0]["PublicIpAddress"] == elastic["PublicIp"]
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    aws.advance(31)
    assert "AssociationId" not in ec2.describe_addresses()["Addresses"][0]
    ec2.release_address(AllocationId=elastic["AllocationId"])


def test_what_a_terminated_instance_had_is_gone(aws: AwsWorld) -> None:
    """Bare moto lists the interface of a terminated instance for ever, so that a sweep is never done; and a volume
    that is to stay is left, and bills (CLU-30)."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    kept = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 20, "DeleteOnTermination": False}}
    free = {one["SubnetId"]: one["AvailableIpAddressCount"] for one in ec2.describe_subnets()["Subnets"]}
    made = launch(ec2, BlockDeviceMappings=[kept])[0]
    aws.advance(21)
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    assert len(ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1
    aws.advance(31)
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    (left,) = ec2.describe_volumes()["Volumes"]
    assert (left["Size"], left["State"], left["Attachments"]) == (20, "available", [])
    (ended,) = instances(ec2)
    assert not {"PrivateIpAddress", "SubnetId", "VpcId"} & set(ended)
    assert ended["NetworkInterfaces"] == ended["BlockDeviceMappings"] == ended["SecurityGroups"] == []
    assert {one["SubnetId"]: one["AvailableIpAddressCount"] for one in ec2.describe_subnets()["Subnets"]} == free


def test_a_wrong_state_is_refused(aws: AwsWorld) -> None:
    """Bare moto starts what is terminated and changes the type of what runs (CLU-23)."""
    aws.speed(0)
    ec2 = aws.client("ec2")
    name = launch(ec2)[0]["InstanceId"]
    named_so = {"InstanceIds": [name]}
    bigger = {"InstanceId": name, "InstanceType": {"Value": "t3.small"}}
    wrong = "IncorrectInstanceState"
    refused(wrong, ec2.stop_instances, **named_so)
    aws.advance(21)
    refused(wrong, ec2.modify_instance_attribute, **bigger)
    refused(wrong, ec2.modify_instance_attribute, InstanceId=name, UserData={"Value": b"echo"})
    assert change(ec2.start_instances(**named_so)) == ("running", "running")
    ec2.stop_instances(**named_so)
    refused(wrong, ec2.start_instances, **named_so)
    refused(wrong, ec2.modify_instance_attribute, **bigger)
    aws.advance(31)
    refused(wrong, ec2.reboot_instances, **named_so)
    assert change(ec2.stop_instances(**named_so)) == ("stopped", "stopped")
    ec2.modify_instance_attribute(**bigger)
    assert instances(ec2)[0]["InstanceType"] == "t3.small"
    ec2.terminate_instances(**named_so)
    for _ in range(2):
        refused(wrong, ec2.start_instances, **named_so)
        refused(wrong, ec2.stop_instances, **named_so)
        refused(wrong, ec2.modify_instance_attribute, InstanceId=name, DisableApiTermination={"Value": True})
        aws.advance(31)


def test_a_protected_instance_stays(aws: AwsWorld) -> None:
    """A head node may be protected: terminating it must fail, and save the others of its zone (CLU-30)."""
    ec2 = aws.client("ec2")
    subnets = {one["AvailabilityZone"]: one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]}
    head = launch(ec2, SubnetId=subnets["us-east-1a"], DisableApiTermination=True)[0]["InstanceId"]
    near = launch(ec2, SubnetId=subnets["us-east-1a"])[0]["InstanceId"]
    far = launch(ec2, SubnetId=subnets["us-east-1b"])[0]["InstanceId"]
    words = refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[far, near, head])
    assert head in words
    going = instances(ec2, Filters=named("instance-state-name", "shutting-down"))
    assert [one["InstanceId"] for one in going] == [far]
    ec2.modify_instance_attribute(InstanceId=head, DisableApiTermination={"Value": False})
    assert len(ec2.terminate_instances(InstanceIds=[near, head])["TerminatingInstances"]) == 2


@pytest.mark.parametrize("unknown", ["i-0123456789abcdef0", "nonsense"])
def test_one_unknown_id_refuses_the_whole_call(aws: AwsWorld, unknown: str) -> None:
    """A sweep that names one instance too many must not take it for done."""
    ec2 = aws.client("ec2")
    name = launch(ec2)[0]["InstanceId"]
    code = "InvalidInstanceID.NotFound" if unknown.startswith("i-") else "InvalidInstanceID.Malformed"
    for call in (ec2.terminate_instances, ec2.describe_instances, ec2.describe_instance_status):
        refused(code, call, InstanceIds=[name, unknown])
    assert instances(ec2)[0]["State"]["Name"] == "pending"


def test_a_launch_that_breaks_ends_without_running(aws: AwsWorld) -> None:
    """A launch is answered with success, and its instance ends all the same: a waiter must see the end (CLU-14)."""
    aws.speed(0)
    ec2, kms = aws.client("ec2"), aws.client("kms")
    key = kms.create_key()["KeyMetadata"]
    aws.settings(broken_launches=1)
    launch(ec2, 2)
    with_key = {"VolumeSize": 10, "Encrypted": True, "KmsKeyId": key["Arn"]}
    launch(ec2, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": with_key}])
    kms.disable_key(KeyId=key["KeyId"])
    launch(ec2, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": with_key}])
    aws.advance(25)
    found = [one["State"]["Name"] for one in instances(ec2)]
    assert found == ["shutting-down", "running", "running", "shutting-down"]
    codes = [one.get("StateReason", {}).get("Code") for one in instances(ec2)]
    assert codes == ["Client.InternalError", None, None, "Client.InvalidKMSKey.InvalidState"]


@pytest.fixture
def listener() -> Iterator[tuple[Server, list[instance_states.Event], list[str]]]:
    """A world in this process, what it tells to those who listen, and the instances that they call ready."""
    heard: list[instance_states.Event] = []
    ready: list[str] = []
    hear, hold = (lambda _, event: heard.append(event)), (lambda _, name: name not in ready)
    instance_states.LIFE.append(hear)
    instance_states.NOT_READY.append(hold)
    server = Server()
    server.start()
    yield server, heard, ready
    server.close()
    instance_states.LIFE.remove(hear)
    instance_states.NOT_READY.remove(hold)


def test_hosts_hear_of_every_change_and_hold_a_launch_up(
    listener: tuple[Server, list[instance_states.Event], list[str]],
) -> None:
    """Hosts of the local provider stand behind instances: they need address, key and user data, and time to boot."""
    server, heard, ready = listener
    server.world.clock.run(0)
    ec2 = AwsWorld(server.url).client("ec2")
    pair = ec2.create_key_pair(KeyName="team", KeyType="ed25519")
    (made,) = launch(ec2, KeyName="team", UserData="echo hello")
    name = made["InstanceId"]
    server.world.clock.advance(500)
    assert instances(ec2)[0]["State"]["Name"] == "pending"
    ready.append(name)
    assert instances(ec2)[0]["State"]["Name"] == "running"
    ec2.reboot_instances(InstanceIds=[name])
    ec2.stop_instances(InstanceIds=[name])
    server.world.clock.advance(31)
    ec2.start_instances(InstanceIds=[name])
    ec2.terminate_instances(InstanceIds=[name])
    ec2.terminate_instances(InstanceIds=[name])
    assert [event.kind for event in heard] == ["launched", "rebooted", "stopped", "started", "terminated"]
    (first, *_) = heard
    assert (first.instance_id, first.account, first.region) == (name, CUSTOMER, "us-east-1")
    assert (first.private_address, first.subnet_id, first.vpc_id) == tuple(
        made[member] for member in ("PrivateIpAddress", "SubnetId", "VpcId")
    )
    assert (first.user_data, first.key_name, first.image_id) == (b"echo hello", "team", made["ImageId"])
    assert first.public_key.startswith("ssh-ed25519 ")
    assert pair["KeyMaterial"] not in first.public_key
    assert root_key(CUSTOMER).secret not in str(heard)
