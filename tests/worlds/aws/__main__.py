"""``make aws-world``: the AWS test world for a person, on loopback, until Ctrl-C."""

import os
import signal
from pathlib import Path

from tests.worlds.aws.hosts import hosts
from tests.worlds.aws.keys import Key, root_key
from tests.worlds.aws.people import CUSTOMER, worker_key
from tests.worlds.aws.server import Server

DEFAULT_PORT = 4580
"""``AWS_WORLD_PORT`` chooses another; 0 takes any that is free."""


def main() -> None:
    """Serve the world, and print the settings that point a client at it."""
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before threads are made, which would die of them
    server = Server(int(os.environ.get("AWS_WORLD_PORT") or DEFAULT_PORT), **_wishes())
    server.start()
    print("The AWS test world is up. For Groundwork itself (before `make up`):", flush=True)
    print(*settings(server.url, worker_key()), sep="\n", flush=True)
    print(f"For the root user of the team's account {CUSTOMER}, in a terminal of its own:", flush=True)
    print(*settings(server.url, root_key(CUSTOMER)), sep="\n", flush=True)
    if _wishes():
        print("For nodes without public addresses, a jump host. Its block, in Groundwork's folder:", flush=True)
        print(_jump_host(server), flush=True)
    signal.sigwait(ends)
    server.close()


def _wishes() -> dict[str, bool]:
    """Return the settings that the environment asks for: ``AWS_WORLD_HOSTS=1`` makes instances real hosts."""
    return {"hosts": True} if os.environ.get("AWS_WORLD_HOSTS") else {}


def _jump_host(server: Server) -> str:
    """Return the shell's line that makes the block of the world's jump host; the key is in a file of its own."""
    told = hosts.jump(server.world)
    key: Path = hosts.made(server.world).folder / "jump_key"
    key.touch(mode=0o600)
    key.write_text(told["private_key"])
    fields = f'host="{told["host"]}", port={told["port"]}, user="{hosts.ANY_VPC}", host_key="{told["host_key"]}"'
    block = f'JumpHost({fields}, private_key=Path("{key}").read_text()).save("world", overwrite=True)'
    return f".venv/bin/python -c 'from pathlib import Path; from blocks.jump_host import JumpHost; {block}'"


def settings(url: str, key: Key) -> list[str]:
    """Return the shell's lines that point any AWS client at the world, with a key."""
    return [
        f"export AWS_ENDPOINT_URL={url}",
        f"export AWS_ACCESS_KEY_ID={key.access_key}",
        f"export AWS_SECRET_ACCESS_KEY={key.secret}",
        "export AWS_DEFAULT_REGION=us-east-1",
    ]


if __name__ == "__main__":
    main()
