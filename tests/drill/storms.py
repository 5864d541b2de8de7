"""Bad weather: AWS throttles, has no capacity, tells old news or ends sessions; each storm has one right end."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.drill.lane import Lane
from tests.drill.lives import CLUSTER, REGION, ROLE, Life
from tests.drill.points import Result, Undisturbed, begun
from tests.drill.snapshot import difference
from tests.worlds.aws.limits import VCPUS_STANDARD
from tests.worlds.aws_world import AwsWorld

MANY = 5
"""How often in a row AWS refuses: more than botocore itself would try again at once is no storm but an outage."""


@dataclass(frozen=True)
class Storm:
    """One scenario.

    Args:
        name: What happens.
        life: The life that it happens in.
        act: The act that it happens to.
        comes: Lets it happen, before the act begins.
        at: The operation at whose ``nth`` call ``then`` happens; empty: nothing more happens.
        nth: See ``at``.
        then: What happens while that call waits; it goes on afterwards.
        refused: The error that the act has to end with, leaving the account as it was; empty: it has to end well.
        first: Acts that are done right before, so that what the act would make on its way is there already.
        elsewhere: It ends well in another zone: of each kind there is as much.
    """

    name: str
    life: Life
    act: str
    comes: Callable[[AwsWorld], None] = lambda _: None
    at: str = ""
    nth: int = 1
    then: Callable[[AwsWorld], object] = lambda _: None
    refused: str = ""
    first: tuple[str, ...] = ()
    elsewhere: bool = False


def weathered(lane: Lane, storm: Storm, known: Sequence[Undisturbed]) -> Result:
    """Let a storm come over an act; how it ended beside how it has to end."""
    told, before = begun(lane, storm.life), Counter[str]()
    for each in known:
        words = told.get(each.act, {})
        if each.act == storm.act:
            for act in storm.first:
                lane.do(act, {})
            before = lane.seen() if storm.refused else before
            storm.comes(lane.aws)
            end = lane.do_through(each.act, words, storm.at, storm.nth, storm.then)
            lane.aws.mend()
            wanted, found = before if storm.refused else each.world, lane.seen()
            missing, left = difference(*map(_kinds, (wanted, found))) if storm.elsewhere else difference(wanted, found)
            return Result(storm.act, storm.name, end, storm.refused, missing=missing, left=left)
        lane.do(each.act, words)
    raise LookupError(storm.act)


def _kinds(world: Counter[str]) -> Counter[str]:
    return Counter(line.partition(" ")[0] for line in world.elements())


def refusing(code: str, status: int, *names: str, times: int = MANY) -> Callable[[AwsWorld], None]:
    """Let the first calls of operations be refused."""

    def comes(aws: AwsWorld) -> None:
        for name in names:
            aws.fault("error", name, code=code, status=status, times=times)

    return comes


def stale(*names: str, times: int = 2) -> Callable[[AwsWorld], None]:
    """Let describes tell what was there before, some times in a row."""

    def comes(aws: AwsWorld) -> None:
        for name in names:
            aws.fault("stale", name, times=times)

    return comes


def end_sessions(aws: AwsWorld) -> None:
    """End all sessions of roles at once."""
    aws.end_sessions()


def without_room(*zones: str) -> Callable[[AwsWorld], None]:
    """Let zones have no room for nodes."""
    return lambda aws: aws.settings(no_capacity={zone: ["c5.xlarge"] for zone in zones})


ZONES = ("us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1f")
_THROTTLED = ("ec2:CreateVpc", "ec2:CreateSubnet", "ec2:CreateRoute", "ec2:DescribeVpcs", "ec2:DescribeSubnets")
_OLD_NEWS = ("ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups")

STORMS = (
    Storm(
        "IAM throttles",
        ROLE,
        "make_role",
        refusing("Throttling", 400, "iam:CreateRole", "iam:AttachRolePolicy", "iam:CreatePolicy", times=3),
    ),
    Storm("EC2 throttles", REGION, "prepare", refusing("RequestLimitExceeded", 503, *_THROTTLED)),
    Storm("EC2 tells old news", REGION, "prepare", stale(*_OLD_NEWS)),
    Storm("EC2 tells old news", REGION, "cleanup", stale("ec2:DescribeVpcs", "ec2:DescribeSubnets")),
    Storm("sessions end in mid-prepare", REGION, "prepare", at="ec2:CreateSubnet", nth=2, then=end_sessions),
    Storm("sessions end in mid-cleanup", REGION, "cleanup", at="ec2:DeleteSubnet", nth=2, then=end_sessions),
    Storm("launches are throttled", CLUSTER, "create", refusing("RequestLimitExceeded", 503, "ec2:RunInstances")),
    Storm("one zone has no room", CLUSTER, "create", without_room(ZONES[0]), elsewhere=True),
    Storm("no zone has room", CLUSTER, "create", without_room(*ZONES), refused="NoCapacity", first=("prepare",)),
    Storm(
        "the quota is too small",
        CLUSTER,
        "create",
        lambda aws: aws.settings(limits={VCPUS_STANDARD: 3}),
        refused="QuotaExceeded",
    ),
    Storm("nodes are not told of at once", CLUSTER, "create", stale("ec2:DescribeInstances", times=3)),
    Storm(
        "terminations are throttled", CLUSTER, "delete", refusing("RequestLimitExceeded", 503, "ec2:TerminateInstances")
    ),
    Storm("sessions end in mid-delete", CLUSTER, "delete", at="ec2:TerminateInstances", then=end_sessions),
)
