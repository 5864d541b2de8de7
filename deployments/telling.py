"""What the start commands say on the terminal, and with which exit code they end."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from blocks.errors import GroundworkError


def say(line: str) -> None:
    """Print a line at once. Nobody reading any more is no reason to leave a cleaning-up half done."""
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115


def command(name: str, body: Callable[[], object]) -> None:
    """Run a start command: an error of ours is one line and exit code 1, Ctrl-C is exit code 130."""
    os.umask(0o077)
    try:
        body()
    except GroundworkError as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
