"""Whom Python processes ask on the network: names looked up and addresses connected to, told by the process itself.

Python's audit hooks see the attempt, whether or not it is answered: nothing is missed on a machine without network.
"""

import ipaddress
from pathlib import Path

_HOOK = """
import os, sys

def _tell(event, arguments):
    if event == "socket.getaddrinfo":
        asked = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        asked = arguments[1][0] if isinstance(arguments[1], tuple) else None
    else:
        return
    if asked:
        asked = asked.decode() if isinstance(asked, bytes) else str(asked)
        place = os.open({place!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(place, (asked + "\\n").encode())
        os.close(place)

sys.addaudithook(_tell)
"""


class Outward:
    """A watch over processes that are started with its ``environment``."""

    def __init__(self, folder: Path) -> None:
        self.told = folder / "asked"
        (folder / "sitecustomize.py").write_text(_HOOK.format(place=str(self.told)))
        self.environment = {"PYTHONPATH": str(folder)}

    def all(self) -> set[str]:
        """Everybody who was asked, this machine too."""
        return set(self.told.read_text().split()) if self.told.exists() else set()

    def outside(self) -> set[str]:
        """Who was asked that is neither this machine, nor a node on it, nor a name that RFC 2606 keeps for tests."""
        return {asked for asked in self.all() if not _is_near(asked)}


def _is_near(asked: str) -> bool:
    try:
        return not ipaddress.ip_address(asked).is_global
    except ValueError:
        return asked == "localhost" or asked.endswith((".invalid", ".test", "example.org", "example.com"))
