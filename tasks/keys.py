"""Key pairs made by us: ed25519, in OpenSSH's formats."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)


def key_pair() -> tuple[str, str]:
    """Make a key pair and return its private part (OpenSSH's text) and its public part (``ssh-ed25519 AAAA...``)."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return private, public_part(private)


def public_part(private_key: str) -> str:
    """Return the public part (``ssh-ed25519 AAAA...``) of a private key in OpenSSH's text form."""
    public = load_ssh_private_key(private_key.encode(), password=None).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
