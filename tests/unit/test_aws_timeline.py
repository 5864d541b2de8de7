"""The critical path of a run: the longest chain of calls and states, whatever was done in between (OPS-16)."""

from typing import Any

import pytest

from tests.bench.aws.timeline import counts, critical_path_s


def call(name: str, at_s: float, took_s: float, *made: str, **params: Any) -> dict[str, Any]:
    service, _, operation = name.partition(":")
    told = {"service": service, "operation": operation, "world_s": at_s, "took_s": took_s, "late_s": 0.0}
    return {**told, "params": params, "made": [*params.values(), *made], "status": 200, "error": ""}


VPC = call("ec2:CreateVpc", 0, 0.4, "vpc-00000001")
SUBNET = call("ec2:CreateSubnet", 5, 0.3, "subnet-00000001", VpcId="vpc-00000001")
ADDRESS = call("ec2:AllocateAddress", 6, 0.25, "eipalloc-00000001")
NAT = call("ec2:CreateNatGateway", 7, 0.6, "nat-00000001", SubnetId="subnet-00000001", AllocationId="eipalloc-00000001")
ROUTE = call("ec2:CreateRoute", 120, 0.25, RouteTableId="rtb-00000001", NatGatewayId="nat-00000001")
NODES = call("ec2:RunInstances", 9, 1.5, "i-00000001", SubnetId="subnet-00000001")


def test_only_what_is_named_is_waited_for() -> None:
    """Pauses, looks and calls that nothing needs are not in it."""
    look = call("ec2:DescribeVpcs", 1, 4.0)
    assert critical_path_s([VPC, look, ADDRESS, SUBNET]) == pytest.approx(0.7)


def test_states_are_waited_for_from_the_arrival_of_the_call() -> None:
    """A route leads through a NAT gateway 90 s after that was asked for; nodes let people in after 35 s."""
    everything = [VPC, SUBNET, ADDRESS, NAT, ROUTE, NODES]
    assert critical_path_s(everything, aside=()) == pytest.approx(0.7 + 90 + 0.25)
    assert critical_path_s(everything) == pytest.approx(0.7 + 35), "nodes do not need the NAT gateway"


def test_what_failed_made_nothing() -> None:
    """A refused call is no step."""
    refused = {**SUBNET, "status": 400}
    assert critical_path_s([VPC, refused]) == pytest.approx(0.4)


def test_a_question_in_the_same_words_is_a_poll() -> None:
    """Goals are about calls that are not polls."""
    look, other = call("ec2:DescribeVpcs", 1, 0.1, VpcIds="vpc-00000001"), call("ec2:DescribeVpcs", 1, 0.1)
    throttled = {**look, "error": "RequestLimitExceeded", "status": 503}
    found = counts([VPC, look, look, other, throttled])
    assert (found.writes, found.looks, found.polls, found.but_polls, found.throttled) == (1, 2, 2, 3, 1)


def test_a_refused_change_in_the_same_words_is_a_poll_and_a_done_one_is_none() -> None:
    """OPS-16: what is made twice counts twice."""
    refused = {**NODES, "error": "InvalidParameterValue", "status": 400}
    found = counts([refused, refused, NODES, VPC, VPC])
    assert (found.writes, found.looks, found.polls) == (3, 0, 2)


def test_coming_in_again_is_no_poll() -> None:
    """OPS-16: a role that each step assumes for itself is what the goals are against."""
    door = call("sts:AssumeRole", 0, 0.2, RoleArn="arn:aws:iam::1:role/a")
    found = counts([door, door, VPC])
    assert (found.writes, found.looks, found.polls) == (1, 2, 0)
