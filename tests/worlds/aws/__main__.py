"""``make aws-world``: the AWS test world for a person, on loopback, until Ctrl-C."""

import os
import signal

from tests.worlds.aws.keys import root_key
from tests.worlds.aws.server import Server

INSTALLATION = "111111111111"
"""The account whose identity the Prefect worker has."""
CUSTOMER = "222222222222"
"""The account that a team connects."""
DEFAULT_PORT = 4580
"""``AWS_WORLD_PORT`` chooses another; 0 takes any that is free."""


def main() -> None:
    """Serve the world, and print the settings that point a client at it."""
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before threads are made, which would die of them
    server = Server(int(os.environ.get("AWS_WORLD_PORT") or DEFAULT_PORT), **_wishes())
    server.start()
    print("The AWS test world is up. In a terminal:", *settings(server.url, INSTALLATION), sep="\n", flush=True)
    print(
        f"The team's account {CUSTOMER} has the same, with", *settings(server.url, CUSTOMER)[1:3], sep="\n", flush=True
    )
    signal.sigwait(ends)
    server.close()


def _wishes() -> dict[str, bool]:
    """Return the settings that the environment asks for: ``AWS_WORLD_HOSTS=1`` makes instances real hosts."""
    return {"hosts": True} if os.environ.get("AWS_WORLD_HOSTS") else {}


def settings(url: str, account: str) -> list[str]:
    """Return the shell's lines that point any AWS client at the world as an account's root user."""
    key = root_key(account)
    return [
        f"export AWS_ENDPOINT_URL={url}",
        f"export AWS_ACCESS_KEY_ID={key.access_key}",
        f"export AWS_SECRET_ACCESS_KEY={key.secret}",
        "export AWS_DEFAULT_REGION=us-east-1",
    ]


if __name__ == "__main__":
    main()
