"""A jump host: the way to nodes that have no address of the internet's."""

from typing import Annotated, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr

from blocks.logos import logo

HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$")]
"""A host's name or address, without a port."""

HostKey = Annotated[str, Field(pattern=r"^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa) [A-Za-z0-9+/]+={0,2}$")]
"""A public host key as in known_hosts: its kind and its letters, without a comment."""


class JumpHost(Block):
    """An SSH server that forwards to nodes. It must show its host key; it never sees what passes through it."""

    _block_type_name: ClassVar[str] = "SSH jump host"
    _block_type_slug: ClassVar[str] = "jump-host"
    _description: ClassVar[str] = "An SSH server through which nodes of private clusters are reached."
    _logo_url: ClassVar[HttpUrl] = logo("jump-host")

    host: HostName = Field(title="Name or address")
    port: int = Field(default=22, ge=1, le=65535, title="Port")
    user: str = Field(default="ec2-user", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$", title="User")
    host_key: HostKey = Field(title="Its public host key (ssh-keyscan shows it; compare it by another way)")
    private_key: SecretStr = Field(title="The private key that it accepts, as OpenSSH writes it (ed25519)")
