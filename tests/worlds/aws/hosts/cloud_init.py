"""What a host makes of its user data at its first boot, as far as the world goes with cloud-init."""

import shlex
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.worlds.aws.call import CannotAnswer

_KNOWN = {"ssh_authorized_keys", "ssh_keys", "runcmd"}
_KNOWN_KEYS = {"ed25519_private", "ed25519_public"}


@dataclass(frozen=True)
class FirstBoot:
    """``script`` is run once, ``authorized_keys`` may enter, ``host_key`` is (private, public); each may be empty."""

    script: bytes = b""
    authorized_keys: list[str] = field(default_factory=list)
    host_key: tuple[str, str] | None = None


def read(user_data: bytes) -> FirstBoot:
    """Return what user data asks for.

    Raises:
        CannotAnswer: It is neither a script nor a ``#cloud-config`` of the keys that the world knows.
    """
    if not user_data:
        return FirstBoot()
    if user_data.startswith(b"#!"):
        return FirstBoot(script=user_data)
    if not user_data.startswith(b"#cloud-config"):
        raise CannotAnswer(f"hosts read scripts and cloud-config as user data, not {user_data[:20]!r}")
    config = yaml.safe_load(user_data) or {}
    unknown = set(config) - _KNOWN or set(config.get("ssh_keys", {})) - _KNOWN_KEYS
    if unknown:
        raise CannotAnswer(f"hosts do not know these of cloud-config: {', '.join(sorted(unknown))}")
    keys = config.get("ssh_keys")
    return FirstBoot(
        script=_script(config.get("runcmd", [])),
        authorized_keys=list(config.get("ssh_authorized_keys", [])),
        host_key=(keys["ed25519_private"], keys["ed25519_public"]) if keys else None,
    )


def _script(commands: list[Any]) -> bytes:
    """Return the script that cloud-init makes of ``runcmd``: words are quoted, lines are the shell's."""
    lines = [shlex.join(map(str, one)) if isinstance(one, list) else str(one) for one in commands]
    return "\n".join(["#!/bin/sh", *lines, ""]).encode() if lines else b""
