"""Bringing home what a program left in a folder of the cluster."""

import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from shutil import copyfileobj

import paramiko

from blocks.errors import CommandFailed, NodeUnreachable
from tasks.ssh import Session

_PIECE = 1 << 20


def bring_home(session: Session, folder: str, keep: Callable[[str, Path], None]) -> int:
    """Copy a folder of a node, as one stream, and return how many files it had. A second call copies it again.

    Links are passed over: they could point anywhere on the node, and the copy must not.

    Args:
        session: The node.
        folder: The folder on it; a missing one is an empty one.
        keep: Takes each file: its path in the folder, and where it lies here until the call is over.

    Raises:
        NodeUnreachable: The connection was lost.
        CommandFailed: The node could not read all of it.
    """
    if session.run(["test", "-d", folder], check=False).code != 0:
        return 0
    channel = session.channel(["tar", "-c", "--hard-dereference", "-C", folder, "-f", "-", "."])
    count = 0
    try:
        with tarfile.open(fileobj=_Stream(channel), mode="r|", bufsize=_PIECE) as tar:  # type: ignore[call-overload]
            for entry in tar:
                if entry.isreg():
                    _hand_over(tar, entry, keep)
                    count += 1
        code = channel.recv_exit_status()
    except (tarfile.ReadError, OSError, EOFError, paramiko.SSHException) as error:
        if not session.is_open:
            raise NodeUnreachable("the connection was lost", where=session.node.name) from error
        raise CommandFailed(f"{folder} could not be read whole ({error})", where=session.node.name) from error
    finally:
        channel.close()
    if code != 0:
        raise CommandFailed(f"{folder} could not be read whole (tar ended with {code})", where=session.node.name)
    return count


def _hand_over(tar: tarfile.TarFile, entry: tarfile.TarInfo, keep: Callable[[str, Path], None]) -> None:
    content = tar.extractfile(entry)
    with tempfile.NamedTemporaryFile(prefix="groundwork-") as file:
        if content is not None:
            copyfileobj(content, file, _PIECE)
        file.flush()
        keep(entry.name.removeprefix("./"), Path(file.name))


class _Stream:
    """What a command writes, as tarfile reads it."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def read(self, size: int) -> bytes:
        """Return so many bytes; fewer at the end."""
        pieces = []
        while size > 0 and (piece := self._channel.recv(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
