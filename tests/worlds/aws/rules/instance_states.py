"""The life of an instance by the world's clock, and who else is told of it.

``pending`` -> ``running`` -> ``stopping`` -> ``stopped`` -> ``pending``, or ``shutting-down`` -> ``terminated`` -> gone
("Amazon EC2 instance state changes"). Moto's instance keeps the state; this file moves it. How long each takes is
measured by nobody here: the numbers are of the usual order, and settings of the world change them.

Whoever makes hosts of instances puts a function into ``LIFE``, and one into ``NOT_READY`` to hold a launch up.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from moto.ec2.models.instances import StateReason

from tests.worlds.aws.call import Call, Refused
from tests.worlds.aws.rules.passing_time import DUE

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}

LASTS_S = {"pending": 20.0, "stopping": 30.0, "shutting-down": 30.0, "terminated": 3600.0}
"""Seconds of each state that ends by itself; the world's setting ``instance_s`` (seconds by state) changes them."""

_NEXT = {"pending": "running", "stopping": "stopped", "shutting-down": "terminated", "terminated": "gone"}

Reason = tuple[str, str]
"""Why an instance is in its state: AWS's code and words."""
UNHARMED: Reason = ("", "")
BY_USER = ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
BROKEN = ("Client.InternalError", "Client.InternalError: Client error on launch")


@dataclass(frozen=True)
class Event:
    """Something that happens to an instance.

    A host boots while its instance is ``pending`` and goes down while it is ``stopping`` or ``shutting-down``: each
    event comes at the beginning of the change. ``public_key`` is in OpenSSH's form, empty without a key pair;
    ``user_data`` is decoded.
    """

    kind: Literal["launched", "started", "stopped", "rebooted", "terminated"]
    instance_id: str
    account: str
    region: str
    image_id: str
    vpc_id: str
    subnet_id: str
    private_address: str
    key_name: str
    public_key: str
    user_data: bytes


LIFE: list[Callable[["World", Event], None]] = []
"""Called with each event while the world's lock is held: a function that takes long must go on in a thread of its own.
On ``launched`` and ``started`` the instance is ``pending``."""

NOT_READY: list[Callable[["World", str], bool]] = []
"""Asked by instance id when a launch's or start's time is over; while any says True, the instance stays ``pending``."""

ENDED: list[Callable[["World", Any], None]] = []
"""Called with moto's instance when it becomes ``terminated``: what it had is taken away."""

GONE: list[Callable[["World", Any], None]] = []
"""Called with moto's instance when it is listed no longer."""


@dataclass
class Life:
    """Where an instance is in its life. ``until_s`` is when its state ends by itself; None while it lasts."""

    instance: Any
    public_key: str = ""
    until_s: float | None = None
    running_since_s: float = 0.0
    doom: Reason = UNHARMED


class Lives:
    """All instances that are still listed, by id, in the order of their launch."""

    def __init__(self) -> None:
        self.all: dict[str, Life] = {}


def of(world: "World", account: str, region: str) -> list[Any]:
    """Return moto's instances of an account and region that are still listed, in the order of their launch."""
    lives = list(world.of(Lives).all.values())
    return [life.instance for life in lives if (life.instance.owner_id, life.instance.region_name) == (account, region)]


def find(world: "World", call: Call, instance_id: str) -> Any:
    """Return moto's instance that a call names.

    Raises:
        Refused: There is none of this id in the caller's account and region, or no longer.
    """
    return find_all(world, call, [instance_id])[0]


def find_all(world: "World", call: Call, instance_ids: list[str]) -> list[Any]:
    """Return moto's instances that a call names, each once; refused as a whole where one is not there."""
    known = {instance.id: instance for instance in of(world, call.account, call.region)}
    for name in instance_ids:
        if not re.fullmatch(r"i-[0-9a-f]{8,17}", name):
            raise Refused("InvalidInstanceID.Malformed", f'Invalid id: "{name}"')
    missing = [name for name in instance_ids if name not in known]
    if missing:
        words = f"IDs '{', '.join(missing)}' do" if len(missing) > 1 else f"ID '{missing[0]}' does"
        raise Refused("InvalidInstanceID.NotFound", f"The instance {words} not exist")
    return [known[name] for name in dict.fromkeys(instance_ids)]


def asked_for(world: "World", call: Call) -> list[Any]:
    """Return the instances that a call about instances names, or all of the caller's where it names none."""
    wanted = call.params.get("InstanceIds") or []
    if wanted and call.params.get("MaxResults"):
        text = "The parameter instancesSet cannot be used with the parameter maxResults"
        raise Refused("InvalidParameterCombination", text)
    return find_all(world, call, wanted) if wanted else of(world, call.account, call.region)


def launch(world: "World", instance: Any, public_key: str, doom: Reason = UNHARMED) -> None:
    """Begin an instance's life.

    Args:
        world: The world; while its setting ``broken_launches`` is above 0, the next launch breaks, and it counts down.
        instance: Moto's.
        public_key: In OpenSSH's form.
        doom: Why it will end instead of running, where it will.
    """
    broken = int(world.settings.get("broken_launches", 0))
    world.settings["broken_launches"] = max(0, broken - 1)
    life = Life(instance, public_key, doom=BROKEN if broken > 0 else doom)
    world.of(Lives).all[instance.id] = life
    instance.launch_time = world.clock.now()
    _enter(world, life, "pending", world.clock.now_s())
    _tell(world, "launched", instance)


def start(world: "World", instance: Any) -> None:
    """Start a stopped instance; one that is running or pending is left as it is."""
    if instance.state in ("pending", "running"):
        return
    life = world.of(Lives).all[instance.id]
    instance.launch_time = world.clock.now()
    _say(instance, "", UNHARMED)
    _enter(world, life, "pending", world.clock.now_s())
    _tell(world, "started", instance)


def stop(world: "World", instance: Any) -> None:
    """Stop an instance; one that is stopped or stopping is left as it is."""
    if instance.state in ("stopping", "stopped"):
        return
    _say(instance, _by_user(world), BY_USER)
    _enter(world, world.of(Lives).all[instance.id], "stopping", world.clock.now_s())
    _tell(world, "stopped", instance)


def reboot(world: "World", instance: Any) -> None:
    """Reboot an instance: its state stays, its host hears of it."""
    _tell(world, "rebooted", instance)


def terminate(world: "World", instance: Any, reason: Reason = BY_USER) -> None:
    """Terminate an instance for a reason (code, words); one that already is, or is about to be, is left as it is."""
    if instance.state in ("shutting-down", "terminated"):
        return
    _say(instance, _by_user(world) if reason == BY_USER else reason[0], reason)
    _enter(world, world.of(Lives).all[instance.id], "shutting-down", world.clock.now_s())
    _tell(world, "terminated", instance)


def state_of(instance: Any) -> dict[str, Any]:
    """Return an instance's state as AWS tells it."""
    return {"Code": CODES[instance.state], "Name": instance.state}


def _settle(world: "World") -> None:
    now_s = world.clock.now_s()
    for life in list(world.of(Lives).all.values()):
        while life.until_s is not None and life.until_s <= now_s:
            if life.instance.state == "pending" and any(ask(world, life.instance.id) for ask in NOT_READY):
                break
            _step(world, life)


def _step(world: "World", life: Life) -> None:
    state, at_s = _NEXT[life.instance.state], life.until_s or 0.0
    if state == "running" and life.doom != UNHARMED:
        terminate(world, life.instance, life.doom)
        return
    _enter(world, life, state, at_s)


def _enter(world: "World", life: Life, state: str, at_s: float) -> None:
    instance = life.instance
    if state == "gone":
        _forget(world, instance)
        life.until_s = None
        return
    instance._state.name, instance._state.code = state, CODES[state]
    lasts_s = {**LASTS_S, **world.settings.get("instance_s", {})}.get(state)
    life.until_s = None if lasts_s is None else at_s + lasts_s
    if state == "running":
        life.running_since_s = at_s
    if state == "terminated":
        for end in ENDED:
            end(world, instance)


def _forget(world: "World", instance: Any) -> None:
    for gone in GONE:
        gone(world, instance)
    world.of(Lives).all.pop(instance.id)
    for reservation in list(instance.ec2_backend.reservations.values()):
        if instance in reservation.instances:
            reservation.instances.remove(instance)
    instance.ec2_backend.tags.pop(instance.id, None)


def _say(instance: Any, transition: str, reason: Reason) -> None:
    instance._reason = transition
    instance.state_reason = StateReason(code=reason[0], message=reason[1])


def _by_user(world: "World") -> str:
    return datetime.fromtimestamp(world.clock.now_s(), UTC).strftime("User initiated (%Y-%m-%d %H:%M:%S GMT)")


def _tell(world: "World", kind: Any, instance: Any) -> None:
    event = Event(
        kind=kind,
        instance_id=instance.id,
        account=instance.owner_id,
        region=instance.region_name,
        image_id=instance.image_id,
        vpc_id=instance.nics[0].vpc_id,
        subnet_id=instance.nics[0].subnet_id,
        private_address=instance.nics[0].private_ip_address,
        key_name=instance.key_name or "",
        public_key=world.of(Lives).all[instance.id].public_key,
        user_data=base64.b64decode(str(instance.user_data or "")),
    )
    for tell in LIFE:
        tell(world, event)


DUE.append(_settle)
