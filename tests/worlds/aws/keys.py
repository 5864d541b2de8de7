"""The world's access keys: whose they are, and whether a request was signed with them."""

import dataclasses
import secrets
import string
import threading
from dataclasses import dataclass

from tests.worlds.aws.call import Principal

_LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class Key:
    """An access key.

    A session's key has a token and an end (seconds since the epoch, by our clock: the client's). ``policies`` are the
    session policies that it was asked for with, ``tags`` its session tags, ``parent`` the user's key that asked for it.
    """

    access_key: str
    secret: str
    principal: Principal
    token: str = ""
    ends_s: float = 0
    policies: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    parent: str = ""


def root_key(account: str) -> Key:
    """Return the key of an account's root user. Every account has one, from the start and for ever."""
    principal = Principal(f"arn:aws:iam::{account}:root", account, account)
    return Key(f"AKIA{account}ROOT", f"world-secret-of-{account}", principal)


class KeyRing:
    """All keys that this world knows."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._lock = threading.Lock()

    def find(self, access_key: str) -> Key | None:
        """Return a key by its id."""
        if access_key.startswith("AKIA") and access_key.endswith("ROOT") and access_key[4:16].isdigit():
            return root_key(access_key[4:16])
        return self._keys.get(access_key)

    def add(self, key: Key) -> None:
        """Know a key from now on."""
        with self._lock:
            self._keys[key.access_key] = key

    def remove(self, access_key: str) -> None:
        """Know a key no longer; one that is not known is passed over."""
        with self._lock:
            self._keys.pop(access_key, None)

    def session(
        self,
        principal: Principal,
        ends_s: float,
        *,
        policies: tuple[str, ...] = (),
        tags: tuple[tuple[str, str], ...] = (),
        parent: str = "",
    ) -> Key:
        """Make a key for a session."""
        key = Key(
            "ASIA" + "".join(secrets.choice(_LETTERS) for _ in range(16)),
            secrets.token_urlsafe(30),
            principal,
            token=secrets.token_urlsafe(120),
            ends_s=ends_s,
            policies=policies,
            tags=tags,
            parent=parent,
        )
        self.add(key)
        return key

    def end_sessions(self) -> int:
        """End all sessions now, as a very long wait does; return how many there were."""
        with self._lock:
            ended = [key for key in self._keys.values() if key.token]
            for key in ended:
                self._keys[key.access_key] = dataclasses.replace(key, ends_s=1)
        return len(ended)
