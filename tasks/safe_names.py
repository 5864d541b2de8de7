"""Names of files that somebody else chose, in a bucket or an archive: which of them may stand in a tree. Pure."""

LONGEST_PATH = 1024
"""Bytes of a path: what S3 takes for a key."""
_LONGEST_PART = 255


class UnsafeName(ValueError):
    """A name that may not stand in a tree; its text says why, as in ``'a/../b' holds `..```."""


def parts_of(name: str) -> list[str]:
    """Return the parts of a relative path.

    Raises:
        UnsafeName: It leads elsewhere, or means something else to a file system, a shell or a terminal.
    """
    for is_so, why in (
        (name.startswith("/"), "is absolute"),
        ("\\" in name, "holds a backslash"),
        (any(_is_control(letter) for letter in name), "holds control characters"),
    ):
        if is_so:
            raise UnsafeName(f"{name!r} {why}")
    parts = name.split("/")
    for part in parts:
        _check_part(name, part)
    if len(_bytes(name)) > LONGEST_PATH:
        raise UnsafeName(f"{name[:80]!r}... is longer than {LONGEST_PATH} bytes")
    return parts


def _is_control(letter: str) -> bool:
    return ord(letter) < 32 or 127 <= ord(letter) < 160


def _check_part(name: str, part: str) -> None:
    if part in ("", ".", ".."):
        raise UnsafeName(f"{name!r} holds an empty part" if not part else f"{name!r} holds `{part}`")
    if len(_bytes(part)) > _LONGEST_PART:
        raise UnsafeName(f"{part[:80]!r}... is longer than {_LONGEST_PART} bytes")


def _bytes(name: str) -> bytes:
    try:
        return name.encode()
    except UnicodeEncodeError as error:
        raise UnsafeName(f"{name!r} is no UTF-8") from error


class Places:
    """What stands where in one tree: each path is a file or a folder, and no file is there twice."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def file(self, name: str) -> str:
        """Take a place for a file and return its path.

        Raises:
            UnsafeName: The name is none, or something has it already.
        """
        parts = parts_of(name)
        if name in self._files:
            raise UnsafeName(f"{name!r} is there twice")
        if name in self._folders:
            raise UnsafeName(f"{name!r} is both a file and a folder")
        self._enter(parts[:-1])
        self._files.add(name)
        return name

    def folder(self, name: str) -> str:
        """Take a place for a folder, which may have been taken before, and return its path.

        Raises:
            UnsafeName: The name is none, or a file has it.
        """
        self._enter(parts_of(name))
        return name

    def _enter(self, parts: list[str]) -> None:
        new = []
        for length in range(len(parts), 0, -1):
            path = "/".join(parts[:length])
            if path in self._files:
                raise UnsafeName(f"{path!r} is both a file and a folder")
            if path in self._folders:
                break
            new.append(path)
        self._folders.update(new)
