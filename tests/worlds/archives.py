"""Archives as people pack them, and as nobody should: made by the standard library, member by member."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple


class Member(NamedTuple):
    """One member of a tar: its content, and whatever else of it is odd, in tarfile's words."""

    name: str
    content: bytes = b""
    told: Mapping[str, Any] = {}


def tar(*members: Member, mode: str = "w") -> bytes:
    """Return a tar of members; with ``w:gz`` a packed one."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode, format=tarfile.GNU_FORMAT) as packed:  # type: ignore[call-overload]
        for member in members:
            entry = tarfile.TarInfo(member.name)
            entry.size = len(member.content)
            for name, value in member.told.items():
                setattr(entry, name, value)
            packed.addfile(entry, io.BytesIO(member.content))
    return made.getvalue()


def zipped(*members: Member, comment: bytes = b"") -> bytes:
    """Return a zip of members; ``mode`` in what is told of one is Unix's."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for member in members:
            entry = zipfile.ZipInfo(member.name)
            entry.external_attr = member.told.get("mode", 0o100644) << 16
            entry.compress_type = member.told.get("compress_type", zipfile.ZIP_DEFLATED)
            packed.writestr(entry, member.content)
        packed.comment = comment
    return made.getvalue()


def folder(name: str) -> Member:
    """A folder in a tar."""
    return Member(name, told={"type": tarfile.DIRTYPE, "mode": 0o755})


def symlink(name: str, target: str) -> Member:
    """A symlink in a tar."""
    return Member(name, told={"type": tarfile.SYMTYPE, "linkname": target})


def hard_link(name: str, target: str) -> Member:
    """A hard link in a tar."""
    return Member(name, told={"type": tarfile.LNKTYPE, "linkname": target})
