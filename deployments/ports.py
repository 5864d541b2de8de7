"""Whether a port is free, and who has it if not."""

import errno
import socket
from contextlib import suppress
from pathlib import Path

from blocks.errors import UserError


def require_free(port: int) -> None:
    """Make sure that we can listen on a port of this machine.

    Raises:
        UserError: Another process has it, or it may not be had; the message says who and what to set.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            taken = f"is taken by {holder(port)}" if error.errno == errno.EADDRINUSE else f"cannot be had: {error}"
            raise UserError(
                taken, where=f"port {port}", advice="Set GROUNDWORK_PORT to a free port, or end that process."
            ) from error


def holder(port: int) -> str:
    """Return who listens on a port, as far as we may know: processes of other users show no files to us."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _has_open(process, inodes):
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            return f"process {process.name} ({words[:80]})"
    return "another user's process"


def _listening(port: int) -> set[str]:
    """Return the inodes of listening sockets. Source: proc(5), ``/proc/net/tcp``: state 0A is LISTEN."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
            found |= {row[9] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    return found


def _has_open(process: Path, inodes: set[str]) -> bool:
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) in inodes:
                    return True
    return False
