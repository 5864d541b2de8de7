"""Who is in the world from the start, beside the root user of each account: whom the Prefect worker runs as.

It may do what Groundwork's own policy for it says, and no more: so each of its calls, in every test, shows that this
is enough.
"""

import json
from typing import TYPE_CHECKING

from tasks.providers.aws.policies.installation_policy import installation_policy
from tests.worlds.aws.call import Principal
from tests.worlds.aws.keys import Key
from tests.worlds.aws.permissions import attached

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

INSTALLATION = "111111111111"
"""The account whose identity the Prefect worker has."""
CUSTOMER = "222222222222"
"""The account that a team connects."""

WORKER = "prefect-worker"
"""The IAM user that the Prefect worker runs as: AWS lets no root user assume a role."""


def worker_key() -> Key:
    """Return the access key of the Prefect worker's user."""
    principal = Principal(f"arn:aws:iam::{INSTALLATION}:user/{WORKER}", INSTALLATION, "AIDAGROUNDWORKWORKER")
    return Key(f"AKIA{INSTALLATION}WORK", "world-secret-of-the-prefect-worker", principal)


def settle(world: "World") -> None:
    """Let them live in a new world."""
    iam = attached.store(INSTALLATION)
    iam.create_user("aws", WORKER)
    iam.put_user_policy(WORKER, "groundwork", json.dumps(installation_policy()))
    world.keys.add(worker_key())
