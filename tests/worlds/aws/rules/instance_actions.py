"""Stop, start, reboot, terminate, and how instances are doing.

Which states allow what: "Amazon EC2 instance state changes" and the pages of these operations in the API Reference.
"""

from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import answer, capacity, instance_states, launch_checks, launch_network, spot
from tests.worlds.aws.rules.document_filters import chosen
from tests.worlds.aws.rules.instance_states import Lives, state_of

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

CHECKS_S = 60.0
"""How long status checks are ``initializing``; the world's setting ``status_checks_s`` changes it."""

STATUS_FILTERS = {
    "availability-zone": "AvailabilityZone",
    "instance-state-code": "InstanceState.Code",
    "instance-state-name": "InstanceState.Name",
    "instance-status.reachability": "InstanceStatus.Details.Status",
    "instance-status.status": "InstanceStatus.Status",
    "system-status.reachability": "SystemStatus.Details.Status",
    "system-status.status": "SystemStatus.Status",
}


@answer("ec2", "StopInstances")
def stop(world: "World", call: Call) -> Answer:
    """Stop instances; all of them or none."""
    found = instance_states.find_all(world, call, call.params["InstanceIds"])
    for instance in found:
        if instance.state not in ("running", "stopping", "stopped"):
            raise _wrong_state(f"This instance '{instance.id}' is not in a state from which it can be stopped.")
        if instance.disable_api_stop:
            raise _protected(instance, "stopped", "disableApiStop")
        spot.check_stop(instance)
    changes = []
    for instance in found:
        before = state_of(instance)
        instance_states.stop(world, instance)
        launch_network.lose_public_address(instance)
        changes.append(_change(instance, before))
    return {"StoppingInstances": changes}


@answer("ec2", "StartInstances")
def start(world: "World", call: Call) -> Answer:
    """Start instances; all of them or none."""
    found = instance_states.find_all(world, call, call.params["InstanceIds"])
    for instance in found:
        if instance.state not in ("pending", "running", "stopped"):
            raise _wrong_state(f"The instance '{instance.id}' is not in a state from which it can be started.")
    _check_room(world, call, [instance for instance in found if instance.state == "stopped"])
    changes = []
    for instance in found:
        before = state_of(instance)
        instance_states.start(world, instance)
        launch_network.find_public_address(instance)
        changes.append(_change(instance, before))
    return {"StartingInstances": changes}


@answer("ec2", "RebootInstances")
def reboot(world: "World", call: Call) -> Answer:
    """Reboot running instances."""
    found = instance_states.find_all(world, call, call.params["InstanceIds"])
    for instance in found:
        if instance.state != "running":
            raise _wrong_state(f"The instance '{instance.id}' is not in a state from which it can be rebooted.")
    for instance in found:
        instance_states.reboot(world, instance)
    return {}


@answer("ec2", "TerminateInstances")
def terminate(world: "World", call: Call) -> Answer:
    """Terminate instances. A protected one saves all others of its zone, and those of other zones end all the same."""
    found = instance_states.find_all(world, call, call.params["InstanceIds"])
    protected = [
        one for one in found if one.disable_api_termination and one.state not in ("shutting-down", "terminated")
    ]
    zones = {instance.placement.zone for instance in protected}
    changes = []
    for instance in found:
        if instance.placement.zone not in zones:
            before = state_of(instance)
            instance_states.terminate(world, instance)
            changes.append(_change(instance, before))
    if protected:
        raise _protected(protected[0], "terminated", "disableApiTermination")
    return {"TerminatingInstances": changes}


@answer("ec2", "DescribeInstanceStatus")
def statuses(world: "World", call: Call) -> Answer:
    """Tell how instances are doing: those that run, or all of them if asked."""
    found = instance_states.asked_for(world, call)
    if not call.params.get("IncludeAllInstances"):
        found = [instance for instance in found if instance.state == "running"]
    return {"InstanceStatuses": chosen(call, [_status(world, one) for one in found], STATUS_FILTERS)}


def _status(world: "World", instance: Any) -> Answer:
    status: Answer = {"Status": "not-applicable"}
    if instance.state == "running":
        since_s = world.of(Lives).all[instance.id].running_since_s
        is_new = world.clock.now_s() - since_s < float(world.settings.get("status_checks_s", CHECKS_S))
        check = {"Name": "reachability", "Status": "initializing" if is_new else "passed"}
        status = {"Status": "initializing" if is_new else "ok", "Details": [check]}
    return {
        "AvailabilityZone": instance.placement.zone,
        "InstanceId": instance.id,
        "InstanceState": state_of(instance),
        "InstanceStatus": status,
        "SystemStatus": status,
    }


def _check_room(world: "World", call: Call, stopped: list[Any]) -> None:
    kinds = [(instance.instance_type, instance.placement.zone) for instance in stopped]
    for name, zone in dict.fromkeys(kinds):
        count = kinds.count((name, zone))
        capacity.check_quota(world, call, name, count, is_spot=False)
        capacity.available(world, launch_checks.kind_of(name), zone, count, count)


def _change(instance: Any, before: Answer) -> Answer:
    return {"InstanceId": instance.id, "PreviousState": before, "CurrentState": state_of(instance)}


def _wrong_state(text: str) -> Refused:
    return Refused("IncorrectInstanceState", text)


def _protected(instance: Any, what: str, attribute: str) -> Refused:
    text = f"The instance '{instance.id}' may not be {what}. Modify its '{attribute}' instance attribute and try again."
    return Refused("OperationNotPermitted", text)
