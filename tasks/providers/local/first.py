"""Starts the sshds of nodes that share this machine's network, each as its node's first process.

Standard library only. Run by ``loopback`` in a process of its own.
"""

import json
import os
import signal
from pathlib import Path
from typing import NoReturn

from tasks.providers.local import kernel, layout
from tasks.providers.local.detached import say_ready
from tasks.providers.local.layout import Place


def main(folder: str, sshd: str, indexes: str) -> None:
    """Start the nodes with these indexes (JSON), side by side."""
    place = Place.read(Path(folder))
    assert place is not None  # noqa: S101 # our caller holds the cluster's lock
    os.umask(0o022)
    everybody_has_told, untold = os.pipe()
    for index in json.loads(indexes):
        if os.fork() == 0:
            _become_first(place, index, sshd)
    os.close(untold)
    # Each closes its end once it has written who it is. A node that has not is taken for dead.
    os.read(everybody_has_told, 1)
    say_ready()


def _become_first(place: Place, index: int, sshd: str) -> NoReturn:
    try:
        node = place.node(index)
        os.setsid()
        kernel.adopt_orphans()
        handle = os.open(node / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        (node / "pid").write_text(layout.identity(), encoding="ascii")
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        argv = [sshd, "-D", "-e", "-f", str(node / "sshd_config")]
        os.execve(sshd, argv, layout.environment(place, index))  # noqa: S606 # no shell is the point
    finally:
        os._exit(1)
