"""A hash over all files of a folder. Runs on the nodes too: ``python -I tree_hash.py FOLDER`` prints it.

Stands alone: the standard library only, of any Python 3.8 or newer.
"""

import hashlib
import os
import stat
import sys


def tree_hash(folder: str) -> str:
    """Return one SHA-256 (hex) over all files: relative paths, contents, executable bits, symlinks' targets.

    Equal trees give equal hashes on every node. Empty folders, owners, times and other mode bits do not count.

    Raises:
        OSError: The folder or something in it cannot be read.
        ValueError: Something in it is no file, folder or symlink.
    """
    whole = hashlib.sha256()
    root = os.fsencode(folder)
    for path in sorted(_leaves(root)):
        for part in (os.path.relpath(path, root), *_says(path)):
            whole.update(b"%d:" % len(part))
            whole.update(part)
    return whole.hexdigest()


def _leaves(folder: bytes) -> "list[bytes]":
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found += _leaves(entry.path)
            else:
                found.append(entry.path)
    return found


def _says(path: bytes) -> "tuple[bytes, bytes]":
    """Return what kind of thing a path is, and a digest of its content."""
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return b"link", os.readlink(path)  # noqa: PTH115
    if not stat.S_ISREG(mode):
        raise ValueError("%s is no file, folder or symlink" % os.fsdecode(path))  # noqa: UP031
    content = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123
        for chunk in iter(lambda: file.read(1 << 20), b""):
            content.update(chunk)
    return (b"program" if mode & stat.S_IXUSR else b"file"), content.digest()


if __name__ == "__main__":
    print(tree_hash(sys.argv[1]))
