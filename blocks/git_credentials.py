"""Who we are to a git server."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr

from blocks.logos import logo


class GitCredentials(Block):
    """A git user with a password or token (https), or with a private key (ssh).

    Prefect's own git blocks need another package each and know no ssh keys, hence this one.
    """

    _block_type_name: ClassVar[str] = "Git credentials"
    _block_type_slug: ClassVar[str] = "git-credentials"
    _description: ClassVar[str] = "A git user with a token (https) or a private key (ssh)."
    _logo_url: ClassVar[HttpUrl] = logo("git-credentials")

    username: str = Field(title="User name", description="For a token of most hosting services: any text, say git.")
    token: SecretStr = Field(
        default=SecretStr(""), title="Password or token", description="For https and http addresses."
    )
    private_key: SecretStr = Field(
        default=SecretStr(""), title="Private key", description="For ssh addresses, in OpenSSH's format."
    )
    known_hosts: str = Field(
        default="", title="Known hosts", description="For ssh addresses: the server's lines of a known_hosts file."
    )
