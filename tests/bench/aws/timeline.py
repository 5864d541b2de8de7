"""The critical path of a run, out of the world's own record of it.

A call depends on the calls that made what it names: ids in their answers, names that they gave. It can begin when these
are answered, and where it needs a state (a NAT gateway that routes, a file system that mounts, a profile that launches)
when the world's clock brings that state. The longest chain is a lower bound for anybody who makes the same things:
looking costs nothing in it, nor does thinking. Latencies are those that this very run drew.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.worlds.aws.latencies import SSH_OPEN_S, STATES, THROTTLES, is_read

Calls = Sequence[Mapping[str, Any]]

_WORD = re.compile(r"[\w./:-]{4,}")
_NAMES = ("KeyName", "GroupName", "InstanceProfileName", "RoleName", "Bucket", "AliasName")
_BY_TIME = {
    # what is made: (who has to wait for its state, seconds from the making call's arrival)
    "ec2:CreateNatGateway": ({"ec2:CreateRoute", "ec2:ReplaceRoute"}, STATES["nat_s"]["pending"]),
    "efs:CreateFileSystem": ({"efs:CreateMountTarget"}, STATES["efs_s"]["file_system"]),
    "iam:CreateInstanceProfile": ({"ec2:RunInstances"}, STATES["new_profile_delay_s"]),
}
READY_AFTER_S = {
    "ec2:RunInstances": STATES["instance_s"]["pending"] + SSH_OPEN_S,
    "ec2:StartInstances": STATES["instance_s"]["pending"] + SSH_OPEN_S,
    "efs:CreateMountTarget": STATES["efs_s"]["mount_target"],
}
"""Seconds from a call's arrival until what it made is of use."""
_LOOKS = ("AssumeRole", "SimulatePrincipalPolicy")
"""Questions whose names do not say that they change nothing."""
ASIDE = ("ec2:CreateNatGateway",)
"""What nodes do not need to be of use, with all that depends on it."""


@dataclass(frozen=True)
class Counts:
    """Calls of a run: those that change something, those that look, the same asked again, those refused for number."""

    writes: int
    looks: int
    polls: int
    throttled: int

    @property
    def but_polls(self) -> int:
        """All calls but the same question asked again."""
        return self.writes + self.looks

    def __str__(self) -> str:
        return f"{self.writes} changes + {self.looks} looks + {self.polls} polls" + (
            f", {self.throttled} throttled" if self.throttled else ""
        )


def name_of(call: Mapping[str, Any]) -> str:
    """``service:Operation``."""
    return f"{call['service']}:{call['operation']}"


def changes(calls: Calls) -> list[Mapping[str, Any]]:
    """Return the calls that change something, refused ones too."""
    return [call for call in calls if not _is_look(call)]


def _is_look(call: Mapping[str, Any]) -> bool:
    return is_read(call["operation"]) or call["operation"] in _LOOKS


def counts(calls: Calls) -> Counts:
    """Count a run's calls.

    A poll is a question that was asked before in the same words; coming in is never one. So is a change that was
    refused, asked again in the same words: nothing but a launch tells whether EC2 knows a new instance profile yet.
    """
    asked: set[str] = set()
    writes = looks = polls = 0
    for call in calls:
        words = name_of(call) + json.dumps(call["params"], sort_keys=True)
        is_poll = words in asked and call["service"] != "sts"
        is_look = _is_look(call)
        polls += is_poll
        looks += is_look and not is_poll
        writes += not is_look and not is_poll
        if is_look or call["error"]:
            asked.add(words)
    return Counts(writes, looks, polls, sum(call["error"] in THROTTLES for call in calls))


def late_share(calls: Calls) -> float:
    """The share of answers that left more than a tenth of a second later than modelled: the machine was too slow."""
    return sum(call["late_s"] > 0.1 for call in calls) / max(len(calls), 1)


def critical_path_s(calls: Calls, *, aside: Sequence[str] = ASIDE) -> float:
    """Return the least seconds in which these things can be made and be of use.

    Args:
        calls: A run's calls, from the record.
        aside: Calls that need not be waited for, with all that depends on them.
    """
    made = [call for call in changes(calls) if 200 <= call["status"] < 300]
    made.sort(key=lambda call: call["world_s"])
    began_s: list[float] = []
    ended_s: list[float] = []
    is_aside: list[bool] = []
    for call in made:
        needs = [number for number, maker in enumerate(made[: len(began_s)]) if _names(call) & _gives(maker)]
        starts = [max(ended_s[number], began_s[number] + _waits_s(made[number], call)) for number in needs]
        began_s.append(max(starts, default=0.0))
        ended_s.append(began_s[-1] + call["took_s"] - call["late_s"])
        is_aside.append(name_of(call) in aside or any(is_aside[number] for number in needs))
    ends = [
        max(ended_s[number], began_s[number] + READY_AFTER_S.get(name_of(call), 0))
        for number, call in enumerate(made)
        if not is_aside[number]
    ]
    return max(ends, default=0.0)


def _waits_s(maker: Mapping[str, Any], user: Mapping[str, Any]) -> float:
    users, seconds = _BY_TIME.get(name_of(maker), ((), 0.0))
    return float(seconds) if name_of(user) in users else 0.0


def _gives(call: Mapping[str, Any]) -> set[str]:
    """What others can name when a call is answered: ids that are new in its answer, and names that it gave."""
    given = {
        str(call["params"][name])
        for name in _NAMES
        if call["operation"].startswith(("Create", "Import")) and name in call["params"]
    }
    return (set(call["made"]) - _names(call)) | given


def _names(call: Mapping[str, Any]) -> set[str]:
    return set(_WORD.findall(json.dumps(call["params"])))
