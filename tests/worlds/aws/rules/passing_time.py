"""What time alone changes: brought up to date before each request to a service that shows it is looked at."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.worlds.aws import models, rules
from tests.worlds.aws.call import Call

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

DUE: list[Callable[["World"], None]] = []
"""Functions that do what the world's clock has brought about. Each may be called at any time, and again."""


def catch_up(world: "World", _: Call | None = None) -> None:
    """Do all that is due by the world's clock; a second call finds nothing more to do."""
    for do in DUE:
        do(world)


for _service in ("ec2", "efs", "kms", "resourcegroupstaggingapi", "secretsmanager", "service-quotas"):
    for _operation in models.service_model(_service).operation_names:
        # First of all rules: the others look at what there is, and a terminated instance's interface is not.
        rules.REFUSALS[f"{_service}:{_operation}"].insert(0, catch_up)
