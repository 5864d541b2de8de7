"""Spot instances, as RunInstances makes them: their requests, and AWS taking an instance back.

Only one-time requests are modelled: a persistent one launches another instance when its own is terminated. The world's
setting ``spot_reclaimed`` is a list of instances that AWS takes back now.
"""

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.rules import answer, instance_states
from tests.worlds.aws.rules.document_filters import chosen
from tests.worlds.aws.rules.instance_documents import tags_of
from tests.worlds.aws.rules.passing_time import DUE

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

RECLAIMED = ("Server.SpotInstanceTermination", "Server.SpotInstanceTermination: Instance terminated")

FILTERS = {
    "instance-id": "InstanceId",
    "launch.instance-type": "LaunchSpecification.InstanceType",
    "spot-instance-request-id": "SpotInstanceRequestId",
    "state": "State",
    "status-code": "Status.Code",
    "type": "Type",
}


@dataclass
class Request:
    """A spot request that was fulfilled with an instance."""

    id: str
    instance: Any
    options: dict[str, Any]
    state: str = "active"
    status: str = "fulfilled"

    @property
    def ec2_backend(self) -> Any:
        """Moto's store, where the request's tags are."""
        return self.instance.ec2_backend

    def document(self) -> Answer:
        """Return the request as AWS tells it."""
        instance = self.instance
        told = {
            "CreateTime": instance.kept["LaunchedAt"],
            "InstanceId": instance.id,
            "InstanceInterruptionBehavior": "terminate",
            "LaunchSpecification": {"ImageId": instance.image_id, "InstanceType": instance.instance_type},
            "LaunchedAvailabilityZone": instance.placement.zone,
            "ProductDescription": "Linux/UNIX",
            "SpotInstanceRequestId": self.id,
            "State": self.state,
            "Status": {"Code": self.status, "Message": self.status, "UpdateTime": instance.kept["LaunchedAt"]},
            "Tags": tags_of(self),
            "Type": "one-time",
        }
        price = self.options.get("MaxPrice")
        return {**told, "SpotPrice": price} if price else told


@dataclass
class Requests:
    """All spot requests of a world, by id."""

    all: dict[str, Request] = field(default_factory=dict)


def check(market: dict[str, Any]) -> None:
    """Refuse what spot instances cannot be asked for."""
    options = market.get("SpotOptions") or {}
    if market.get("MarketType") != "spot":
        raise CannotAnswer(f"a launch in the market {market.get('MarketType')!r}")
    if options.get("InstanceInterruptionBehavior", "terminate") != "terminate" and not options.get("SpotInstanceType"):
        text = "A one-time Spot Instance request can be interrupted by 'terminate' only."
        raise Refused("InvalidParameterCombination", text)
    if options.get("SpotInstanceType", "one-time") != "one-time" or options.get("BlockDurationMinutes"):
        raise CannotAnswer("spot requests that last longer than their instance")


def keep_request(world: "World", instance: Any, market: dict[str, Any], tags: dict[str, str]) -> None:
    """Make the request that an instance was launched for."""
    request = Request(f"sir-{secrets.token_hex(4)}", instance, market.get("SpotOptions") or {})
    world.of(Requests).all[request.id] = request
    instance.lifecycle = "spot"
    instance.kept["SpotInstanceRequestId"] = request.id
    if tags:
        instance.ec2_backend.tags[request.id] |= tags


def check_stop(instance: Any) -> None:
    """Refuse to stop a spot instance."""
    if instance.lifecycle == "spot":
        text = (
            f"You can't stop the Spot Instance '{instance.id}' because it is associated with a one-time Spot request."
        )
        raise Refused(
            "UnsupportedOperation",
            f"{text} You can only stop Spot Instances associated with persistent Spot Instance requests.",
        )


@answer("ec2", "DescribeSpotInstanceRequests")
def describe(world: "World", call: Call) -> Answer:
    """Tell the caller's spot requests."""
    wanted = call.params.get("SpotInstanceRequestIds") or []
    found = _find(world, call, wanted) if wanted else _of(world, call)
    return {"SpotInstanceRequests": chosen(call, [one.document() for one in found], FILTERS)}


@answer("ec2", "CancelSpotInstanceRequests")
def cancel(world: "World", call: Call) -> Answer:
    """Cancel requests; their instances go on."""
    found = _find(world, call, call.params["SpotInstanceRequestIds"])
    for request in found:
        if request.state == "active":
            request.state, request.status = "cancelled", "request-canceled-and-instance-running"
    told = [{"SpotInstanceRequestId": request.id, "State": request.state} for request in found]
    return {"CancelledSpotInstanceRequests": told}


def _of(world: "World", call: Call) -> list[Request]:
    requests = world.of(Requests).all.values()
    here = (call.account, call.region)
    return [one for one in requests if (one.instance.owner_id, one.instance.region_name) == here]


def _find(world: "World", call: Call, wanted: list[str]) -> list[Request]:
    known = {request.id: request for request in _of(world, call)}
    for name in wanted:
        if name not in known:
            text = f"The spot instance request ID '{name}' does not exist"
            raise Refused("InvalidSpotInstanceRequestID.NotFound", text)
    return [known[name] for name in wanted]


def _close(world: "World", instance: Any) -> None:
    request = world.of(Requests).all.get(instance.kept.get("SpotInstanceRequestId", ""))
    if request is not None:
        by_user = instance.state_reason.code == instance_states.BY_USER[0]
        request.state = "closed" if request.state == "active" else request.state
        request.status = "instance-terminated-by-user" if by_user else "instance-terminated-no-capacity"


def _settle(world: "World") -> None:
    for name in world.settings.pop("spot_reclaimed", []):
        instance_states.terminate(world, world.of(instance_states.Lives).all[name].instance, RECLAIMED)


instance_states.ENDED.append(_close)
DUE.append(_settle)
