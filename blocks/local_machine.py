"""This machine as an account: a place for clusters like any cloud's."""

from enum import StrEnum
from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from blocks.logos import logo


class Hosts(StrEnum):
    """How nodes are made on a machine; ``auto`` takes the first of the other three that works here."""

    AUTO = "auto"
    NAMESPACES = "namespaces"
    LOOPBACK = "loopback"
    EMBEDDED = "embedded"


class LocalMachine(Block):
    """The machine that the Prefect worker runs on, as a place for clusters."""

    _block_type_name: ClassVar[str] = "Local machine"
    _block_type_slug: ClassVar[str] = "local-machine"
    _description: ClassVar[str] = "The machine that the Prefect worker runs on, as a place for clusters."
    _logo_url: ClassVar[HttpUrl] = logo("local-machine")

    hosts: Hosts = Field(
        title="How nodes are made",
        description="auto: the best that works here. namespaces: hosts of their own with a network, no root needed. "
        "loopback: one sshd per loopback address. embedded: an SSH server from Python packages alone.",
    )
