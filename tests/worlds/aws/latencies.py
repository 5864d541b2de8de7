"""How long AWS takes for each call, and how many calls it takes: a model, on where the setting ``modelled`` is true.

An answer leaves at arrival + modelled latency by the world's clock, so what the world itself computes costs nothing
while it is quicker than the model; the record tells how late an answer left, and a measurement with many such is void.
What has states (instances, NAT gateways, EFS) begins them when its request arrives. Of all numbers only that of
RunInstances is measured by others (1.54 s, daemonology.net, 2021); the buckets of Describe* are those of "Request
throttling for the Amazon EC2 API". The others are estimates of the usual order.
"""

import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.worlds.aws.call import Call
from tests.worlds.aws.faults import Bucket, throttled

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_TABLE = {
    1.5: "ec2:RunInstances",
    0.6: "ec2:CreateNatGateway",
    0.5: "efs:CreateFileSystem efs:CreateMountTarget",
    0.4: "ec2:CreateVpc ec2:TerminateInstances",
    0.3: "ec2:CreateSubnet ec2:CreateInternetGateway ec2:AttachInternetGateway ec2:CreateSecurityGroup kms:CreateKey",
    0.25: "ec2:AllocateAddress ec2:CreateRoute ec2:CreateRouteTable ec2:AssociateRouteTable",
    0.2: "ec2:ImportKeyPair",
}
LATENCY_S = {name: seconds for seconds, names in _TABLE.items() for name in names.split()}
"""Mean seconds of a call by ``service:Operation``."""
OF_A_READ_S, OF_A_WRITE_S, OF_A_THROTTLE_S = 0.10, 0.18, 0.05
"""Mean seconds of all other calls, and exact ones of a call that is throttled."""
SPREAD = (0.8, 1.25)
SEED = 7

STATES: dict[str, Any] = {
    "instance_s": {"pending": 15.0},
    "nat_s": {"pending": 90.0},
    "efs_s": {"file_system": 5.0, "mount_target": 60.0},
    "new_profile_delay_s": 8.0,
}
"""Settings of the world that go with the model: seconds of each state."""
SSH_OPEN_S = 20.0
"""Seconds from ``running`` to a node that lets people in; the world without hosts has nobody who answers."""

_BUCKETS = {"RunInstances": (5, 2), "TerminateInstances": (100, 5), "CreateTags": (100, 10)}
_OF_READS, _OF_READS_OF_ALL, _OF_WRITES = (100, 20), (50, 10), (50, 5)
_READS = ("Describe", "Get", "List", "Head")
THROTTLES = ("RequestLimitExceeded", "Throttling", "ThrottlingException", "SlowDown")


class Model:
    """What the model remembers of one world: its draws and its buckets."""

    def __init__(self) -> None:
        self.draws: Counter[str] = Counter()
        self.buckets: dict[tuple[str, bool], Bucket] = {}
        self.lock = threading.Lock()


def is_on(world: "World") -> bool:
    """Tell whether calls take time here."""
    return bool(world.settings.get("modelled"))


def is_read(operation: str) -> bool:
    """Tell whether an operation changes nothing."""
    return operation.startswith(_READS)


def drawn_s(world: "World", call: Call) -> float:
    """Return how long this call shall take: by its kind and its number among its kind, the same in each world."""
    model = world.of(Model)
    with model.lock:
        model.draws[call.name] += 1
        number = model.draws[call.name]
    mean_s = LATENCY_S.get(call.name, OF_A_READ_S if is_read(call.operation) else OF_A_WRITE_S)
    return mean_s * random.Random(f"{SEED} {call.name} {number}").uniform(*SPREAD)


def throttle(world: "World", call: Call) -> None:
    """Take a token of the call's bucket.

    Raises:
        Refused: There is none.
    """
    if not is_on(world) or call.service != "ec2":
        return
    model = world.of(Model)
    is_narrow = any(name.endswith(("Id", "Ids", "Name", "Names", "Filters")) for name in call.params)
    with model.lock:
        bucket = model.buckets.setdefault((call.operation, is_narrow), Bucket(*_size(call.operation, is_narrow)))
        has_token = bucket.take(call, world.clock)
    if not has_token:
        raise throttled(call)


def _size(operation: str, is_narrow: bool) -> tuple[float, float]:
    if is_read(operation):
        return _OF_READS if is_narrow else _OF_READS_OF_ALL
    return _BUCKETS.get(operation, _OF_WRITES)


def wait_as_modelled(world: "World", arrived_s: float, takes_s: float) -> float:
    """Hold an answer back until it is due by the world's clock; return by how many seconds it is late.

    While the world's clock stands nothing is held back.
    """
    late_s = world.clock.now_s() - (arrived_s + takes_s)
    while (left_s := arrived_s + takes_s - world.clock.now_s()) > 0 and world.clock.speed > 0:
        time.sleep(min(left_s / world.clock.speed, 0.5))
    return max(0.0, late_s)
