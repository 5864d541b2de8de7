"""Host keys of nodes: made from the cluster's key, so that a launch that is asked for again asks for the same.

A key that is drawn anew would change the user data, and AWS refuses a client token that comes with another request
("Ensuring idempotency in Amazon EC2 API requests"). For the same reason OpenSSH's text form is written here: the one of
``cryptography`` has random letters in it. Its shape: PROTOCOL.key in OpenSSH's sources.
"""

import base64
import hashlib
import hmac
import struct
import textwrap

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

_KIND = b"ssh-ed25519"
_BLOCK = 8


def host_key(secret: str, launch: str) -> tuple[str, str]:
    """Return the host key of one launch: its private part (OpenSSH's text) and its public part (``ssh-ed25519 ...``).

    Args:
        secret: The cluster's private key. Who does not have it cannot make the host key.
        launch: The launch's client token. Another launch has another key.
    """
    seed = hmac.digest(secret.encode(), f"host key of {launch}".encode(), "sha256")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return _private_text(key, public), f"ssh-ed25519 {base64.b64encode(_public_blob(public)).decode()}"


def _private_text(key: Ed25519PrivateKey, public: bytes) -> str:
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    # Said twice: who decrypts with a wrong password sees two numbers. Nothing is encrypted here, so any number does.
    check = hashlib.sha256(public).digest()[:4]
    inner = check * 2 + _string(_KIND) + _string(public) + _string(seed + public) + _string(b"")
    inner += bytes(range(1, 1 + -len(inner) % _BLOCK))
    blob = b"openssh-key-v1\0" + _string(b"none") * 2 + _string(b"") + struct.pack(">I", 1)
    blob += _string(_public_blob(public)) + _string(inner)
    lines = textwrap.wrap(base64.b64encode(blob).decode(), 70)
    return "\n".join(["-----BEGIN OPENSSH PRIVATE KEY-----", *lines, "-----END OPENSSH PRIVATE KEY-----", ""])


def _public_blob(public: bytes) -> bytes:
    return _string(_KIND) + _string(public)


def _string(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text
