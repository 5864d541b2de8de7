"""RunInstances and DescribeInstances: a launch looked at, made, and told.

Moto makes the resources (interfaces, volumes, tags); what it would let pass is refused here, and what is told is ours.
"""

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.core.types import Base64EncodedString
from moto.ec2.models.instances import Reservation
from moto.ec2.utils import random_reservation_id

from tests.worlds.aws import tokens
from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.rules import (
    answer,
    capacity,
    images,
    instance_states,
    launch_checks,
    launch_network,
    launch_volumes,
    placement_groups,
    refuse,
    spot,
)
from tests.worlds.aws.rules.document_filters import chosen
from tests.worlds.aws.rules.instance_documents import FILTERS, instance_document
from tests.worlds.aws.rules.launch_network import Interface
from tests.worlds.aws.rules.launch_tags import tags_in
from tests.worlds.aws.rules.launch_templates import with_template
from tests.worlds.aws.rules.launched import Launched
from tests.worlds.aws.rules.profiles import profile_for

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

RUN_OTHERWISE = ("CreateFleet", "ModifyFleet", "RequestSpotFleet", "RequestSpotInstances", "RunScheduledInstances")


@dataclass
class Launch:
    """A launch that nothing speaks against, with all that it names."""

    asked: dict[str, Any]
    image: Any
    kind: Answer
    interfaces: list[Interface]
    devices: list[Answer]
    group: placement_groups.Group | None
    profile: str
    public_key: str
    count: int

    @property
    def zone(self) -> str:
        """The availability zone that all instances are in."""
        return str(self.interfaces[0].subnet.availability_zone)

    @property
    def market(self) -> dict[str, Any]:
        """The spot request that is asked for with it; empty for on demand."""
        return self.asked.get("InstanceMarketOptions") or {}

    def tags(self, kind: str) -> dict[str, str]:
        """The tags for what it makes of a kind."""
        return tags_in(self.asked.get("TagSpecifications") or [], kind)


@refuse("ec2", *RUN_OTHERWISE)
def only_by_run_instances(_: "World", call: Call) -> None:
    """Moto would make instances that live by no clock."""
    raise CannotAnswer("in this world instances are launched by RunInstances only")


@answer("ec2", "RunInstances")
def run(world: "World", call: Call) -> Answer:
    """Launch instances."""
    launch = looked_at(world, call)
    store = world.backend(call)
    reservation = Reservation(random_reservation_id(), owner_id=call.account)
    store.reservations[reservation.id] = reservation
    for index in range(launch.count):
        instance = _made(world, call, launch, index)
        reservation.instances.append(instance)
        _equip(world, call, launch, instance)
    return _reservation(reservation, [instance_document(one) for one in reservation.instances])


def looked_at(world: "World", call: Call) -> Launch:
    """Return a launch with all that it names.

    Raises:
        Refused: Something speaks against it.
    """
    asked = with_template(world, call)
    launch_checks.check_request(asked)
    kind = launch_checks.kind_of(asked.get("InstanceType") or "m1.small")
    image = launch_checks.image_for(call, asked, kind)
    interfaces = launch_network.interfaces(world, call, asked, kind)
    launch = Launch(
        asked=asked,
        image=image,
        kind=kind,
        interfaces=interfaces,
        devices=launch_volumes.devices(call, asked, image, world.backend(call)),
        group=_group(world, call, asked),
        profile=profile_for(world, call, asked.get("IamInstanceProfile")),
        public_key=launch_checks.public_key(world, call, asked),
        count=int(asked["MaxCount"]),
    )
    launch_checks.processor(asked, kind)
    _placement(launch)
    _check_room(world, call, launch)
    return launch


def _check_room(world: "World", call: Call, launch: Launch) -> None:
    name, least = launch.kind["InstanceType"], int(launch.asked["MinCount"])
    launch_checks.check_offered(name, call.region, launch.zone)
    capacity.check_quota(world, call, name, launch.count, is_spot=bool(launch.market))
    launch_network.check_addresses(launch.interfaces, launch.count)
    if launch.group:
        placement_groups.check(world, launch.group, launch.zone, launch.kind, launch.count)
    launch.count = capacity.available(world, launch.kind, launch.zone, least, launch.count)


def _group(world: "World", call: Call, asked: dict[str, Any]) -> placement_groups.Group | None:
    placement = asked.get("Placement") or {}
    name = placement.get("GroupName") or placement.get("GroupId")
    if placement.get("GroupName") and placement.get("GroupId"):
        text = "The parameter GroupName cannot be used with the parameter GroupId"
        raise Refused("InvalidParameterCombination", text)
    return placement_groups.find(world, call, name) if name else None


def _made(world: "World", call: Call, launch: Launch, index: int) -> Any:
    asked, image = launch.asked, launch.image
    data = launch_checks.user_data(asked)
    instance = Launched(
        world.backend(call),
        image.id,
        Base64EncodedString(base64.b64encode(data).decode()) if data else None,
        [],
        instance_type=launch.kind["InstanceType"],
        region_name=call.region,
        subnet_id=launch.interfaces[0].subnet.id,
        key_name=asked.get("KeyName"),
        ami_launch_index=index,
        client_token=asked.get("ClientToken") or "",
        disable_api_termination=bool(asked.get("DisableApiTermination")),
        disable_api_stop=bool(asked.get("DisableApiStop")),
        ebs_optimized=bool(asked.get("EbsOptimized")),
        instance_initiated_shutdown_behavior=asked.get("InstanceInitiatedShutdownBehavior"),
        monitoring_state="enabled" if (asked.get("Monitoring") or {}).get("Enabled") else "disabled",
    )
    # An image of another account is none that moto finds.
    instance.architecture, instance.virtualization_type = image.architecture, image.virtualization_type
    instance.root_device_name, instance.platform = image.root_device_name, image.platform
    if image.platform != "windows":
        instance.platform = None
    instance.kept = {
        "CpuOptions": launch_checks.processor(asked, launch.kind),
        "EnaSupport": images.image_document(image, call.account)["EnaSupport"],
        "IsHibernating": bool((asked.get("HibernationOptions") or {}).get("Configured")),
        "LaunchedAt": world.clock.now(),
        "MetadataOptions": launch_checks.metadata(asked, image),
        "Placement": _placement(launch),
    }
    return instance


def _placement(launch: Launch) -> Answer:
    told: Answer = {"AvailabilityZone": launch.zone, "GroupName": "", "Tenancy": "default"}
    if launch.group:
        told |= {"GroupName": launch.group.name, "GroupId": launch.group.id}
    number = (launch.asked.get("Placement") or {}).get("PartitionNumber")
    if number is None:
        return told
    if launch.group is None or not 1 <= int(number) <= launch.group.partitions:
        raise Refused("InvalidParameterValue", f"Value ({number}) for parameter partitionNumber is invalid.")
    return {**told, "PartitionNumber": int(number)}


def _equip(world: "World", call: Call, launch: Launch, instance: Any) -> None:
    launch_network.attach(world, instance, launch.interfaces, launch.tags("network-interface"))
    launch_volumes.attach(world, instance, launch.devices, launch.tags("volume"))
    tags = launch.tags("instance")
    if tags or "TemplateTags" in launch.asked:
        instance.ec2_backend.tags[instance.id] |= tags | launch.asked.get("TemplateTags", {})
    if launch.profile:
        instance.ec2_backend.associate_iam_instance_profile(instance.id, iam_instance_profile_arn=launch.profile)
    if launch.market:
        spot.keep_request(world, instance, launch.market, launch.tags("spot-instances-request"))
    doom = launch_volumes.doom(call, launch.devices)
    instance_states.launch(world, instance, launch.public_key, doom)


def _disassociate(_: "World", instance: Any) -> None:
    instance.ec2_backend.iam_instance_profile_associations.pop(instance.id, None)


@answer("ec2", "DescribeInstances")
def describe(world: "World", call: Call) -> Answer:
    """Tell the caller's instances, by the launches that they came of."""
    shown = instance_states.asked_for(world, call)
    documents = {one["InstanceId"]: one for one in chosen(call, [instance_document(one) for one in shown], FILTERS)}
    reservations = []
    for reservation in world.backend(call).reservations.values():
        found = [documents[one.id] for one in reservation.instances if one.id in documents]
        if found:
            reservations.append(_reservation(reservation, found))
    return {"Reservations": reservations}


def _reservation(reservation: Any, documents: list[Answer]) -> Answer:
    owner = {"OwnerId": reservation.owner_id, "ReservationId": reservation.id}
    return {**owner, "Groups": [], "Instances": documents}


def _tell_states(world: "World", call: Call, told: Answer) -> None:
    """A launch whose token comes again is told with its instances' states as they are now, and else as it was."""
    now = {one.id: instance_states.state_of(one) for one in instance_states.of(world, call.account, call.region)}
    ended = {"Code": instance_states.CODES["terminated"], "Name": "terminated"}
    for one in told["Instances"]:
        one["State"] = now.get(one["InstanceId"], ended)


instance_states.ENDED.append(_disassociate)
tokens.AS_NOW["ec2:RunInstances"] = _tell_states
