"""The file with the key that block documents are encrypted with: 0600, outside the database that it opens.

It holds one key; while a change of key goes on, two or more. The last one is the one that all documents shall have,
those before it may still open some. A key leaves the file only when it opens nothing any more.
"""

import fcntl
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from blocks.errors import WrongState
from deployments.detached import wait_until
from deployments.settings import House


@contextmanager
def only_user(house: House, *, limit_s: float = 60) -> Iterator[None]:
    """Be the only process that works with the house's keys: a server while it serves, or a change of key.

    Two that knew different keys would lose what one of them writes. The lock goes with its process, also a killed one.

    Raises:
        WrongState: Another process had it until the limit.
    """
    with (house.folder / "encryption.lock").open("w") as lock:
        if not wait_until(lambda: _taken(lock), limit_s=limit_s):
            raise WrongState(
                "another server of this house runs, or another change of its key", where=lock.name, advice="End it."
            )
        yield


def _taken(lock: TextIO) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def encryption_keys(house: House) -> list[str]:
    """Return the keys that may open the house's block documents, the newest last. The first one ever is made here."""
    with suppress(FileNotFoundError):
        if keys := _place(house).read_text().split():
            return keys
    _write(house, [_new_key()])
    return encryption_keys(house)


def add_key(house: House) -> None:
    """Make a new key, the one that all documents shall have. Those that were there stay."""
    _write(house, [*encryption_keys(house), _new_key()])


def keep_newest_key(house: House) -> None:
    """Forget all keys but the newest. Only for when the others open nothing any more."""
    _write(house, encryption_keys(house)[-1:])


def _new_key() -> str:
    return urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _place(house: House) -> Path:
    return house.folder / "encryption.key"


def _write(house: House, keys: Sequence[str]) -> None:
    """Replace the file in one step, so that a crash, even of the machine, leaves the one or the other whole."""
    place = _place(house)
    draft = place.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("".join(key + "\n" for key in keys))
        file.flush()
        os.fsync(descriptor)
    draft.replace(place)
    folder = os.open(house.folder, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
