"""Change the key that secrets in the house's database are encrypted with. An open house is closed and opened again."""

import subprocess
import sys

from blocks.errors import GroundworkError
from deployments.detached import Detached
from deployments.down import close
from deployments.settings import ROOT, House, house, server_environment
from deployments.telling import command, say
from deployments.up import one_at_a_time, open_house, require_ours, server_of, standing


def rotate() -> None:
    """Change the key, within a closed house. What a killed call began, the next one or the next opening finishes.

    Raises:
        UserError: ``PREFECT_API_URL`` names another server, whose key is not ours to change.
        GroundworkError: The key could not be changed; the reason is told. The house is as open as it was.
    """
    place = standing(house())
    require_ours(place, advice="Unset it to change the key of the server on this machine.")
    was_open = False
    try:
        with one_at_a_time(place):
            if server_of(place).find() is not None:
                say("Closing the house ...")
            was_open = close(place)
            _change(place)
    finally:
        if was_open:
            open_house(place)


def _change(place: House) -> None:
    """Change the key in a process with our server's environment: Prefect's settings are read when it is imported."""
    say("Encrypting all secrets with a new key ...")
    changing = Detached("key-change", place.folder)
    with changing.log.open("w") as log:
        argv = [sys.executable, "-m", "deployments.key_change"]
        done = subprocess.run(argv, env=server_environment(place), cwd=ROOT, stdout=log, stderr=log, check=False)
    if done.returncode != 0:
        raise GroundworkError(changing.last_words(), advice=f"See {changing.log}.")


def main() -> None:
    """Change the key and say so."""
    rotate()
    say("The key is changed: the old one opens nothing in the database any more.")


if __name__ == "__main__":
    command("rotate-key", main)
