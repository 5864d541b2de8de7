"""What is drilled: acts in a row, in a world that was made ready for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic import SecretStr

from blocks.aws_account import AwsAccount, Feature, Health, Variant
from blocks.jump_host import JumpHost
from tasks.providers.aws import policies
from tasks.providers.aws.image_catalogue import description_of, name_of
from tests.contract.least_rights import EXTERNAL_ID, role
from tests.drill import acts
from tests.world.aws.launches import launch
from tests.worlds.aws_accounts import keys_of_a_user
from tests.worlds.aws_clusters import share_image
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld
from tests.worlds.flow_runs import wait_until

INSTALLATION_ID = "d" * 12
"""The installation that every lane is: its name is in what it makes, and lanes are compared."""

Told = Mapping[str, Mapping[str, Any]]
"""The words of each act, by its name."""


@dataclass(frozen=True)
class Life:
    """Acts in a row.

    Args:
        name: Its name.
        acts: What is done and killed, by names in ``tests.drill.acts``; each is compared with its undisturbed end.
        first: What is done before, undisturbed.
        ready: Makes an empty world ready; returns the acts' words.
        settings: The world's settings.
    """

    name: str
    acts: tuple[str, ...]
    first: tuple[str, ...] = ()
    ready: Callable[[AwsWorld], Told] = lambda _: {}
    settings: Mapping[str, Any] = field(default_factory=dict)


def _keys_for_a_role(aws: AwsWorld) -> Told:
    return {"make_role": {"key": keys_of_a_user(aws)}}


_VERSION = "2026.11"
_PREPARED = """#!/bin/sh
mkdir -p /opt/groundwork/bin
for program in /opt/mpich/bin/*; do ln -s "$program" /opt/groundwork/bin/; done
ln -s /opt/mpich/bin/python3 /opt/groundwork/bin/python
"""


def _share_image_of_a_host(aws: AwsWorld) -> None:
    """Make an image of ours of a real host, as build-image does in minutes: it has Python and mpiexec at our places."""
    ec2 = aws.client("ec2", INSTALLATION)
    [node] = launch(ec2, UserData=_PREPARED)
    told = partial(ec2.get_console_output, InstanceId=node["InstanceId"])
    # Its host may be ready before or after the world calls it running: after, where other lanes have much to do.
    wait_until(lambda: "user data ended with code 0" in told().get("Output", ""), what="a prepared host")
    aws.advance(60)
    words = {"Name": name_of(_VERSION, "x86_64"), "Description": description_of(_VERSION, "ec2-user")}
    image = ec2.create_image(InstanceId=node["InstanceId"], **words)["ImageId"]
    aws.advance(3600)
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": CUSTOMER}]})
    ec2.terminate_instances(InstanceIds=[node["InstanceId"]])


def _connected_with_hosts(aws: AwsWorld) -> Told:
    return _connected(aws, share=_share_image_of_a_host)


def _connected(aws: AwsWorld, share: Callable[[AwsWorld], object] = share_image) -> Told:
    """An account with our role in it and no more than its policies, an image, and a way to nodes."""
    documents = policies.permission_policies(Variant.AUTOMATED, list(Feature), account_id=CUSTOMER)
    arn = role("groundwork-access", documents)
    account = AwsAccount(
        account_id=CUSTOMER,
        external_id=EXTERNAL_ID,
        role_arn=arn,
        default_region=acts.REGION,
        features=list(Feature),
        health=Health.READY,
    )
    account.save(acts.ACCOUNT, overwrite=True)
    share(aws)
    way = aws.jump("jump")
    jump = JumpHost(
        host=way.host, port=way.port, user=way.user, host_key=way.host_key, private_key=SecretStr(way.private_key)
    )
    jump.save(acts.JUMP, overwrite=True)
    return {}


ROLE = Life("role", ("make_role",), ready=_keys_for_a_role)
"""A role is made in an account, with keys that are used once."""

CLUSTER = Life(
    "cluster", ("create", "resize", "delete", "cleanup"), ready=_connected_with_hosts, settings={"hosts": True}
)
"""A cluster of real hosts in an empty account: made with all its region needs, resized, deleted; the region cleaned."""

REGION = Life("region", ("prepare", "cleanup"), ready=_connected)
"""A region's ground without a cluster; it needs no hosts."""

LIVES = {life.name: life for life in (ROLE, REGION, CLUSTER)}
