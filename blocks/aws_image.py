"""An image of ours for nodes in AWS: the shapes of what people type about it."""

from typing import Annotated

from pydantic import AfterValidator, Field

GivenImageVersion = Annotated[
    # A command line's `-p version=2026.10` is read as the number 2026.1, and refused; v2026.10 is a text.
    str,
    Field(pattern=r"^v?[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z0-9.]+)?$", max_length=32),
    AfterValidator(lambda text: text.removeprefix("v")),
]
"""The version of an image of ours as 2026.11 or 2026.12-trial; a v may stand before it, and is taken away."""

ImageIdOrNone = Annotated[str, Field(pattern=r"^(ami-([0-9a-f]{8}|[0-9a-f]{17}))?$")]
"""An image as ami-0123456789abcdef0; empty: the newest Amazon Linux."""

SetupScript = Annotated[str, Field(max_length=10240)]
"""Lines of shell, as they are typed on a terminal."""

SubnetId = Annotated[str, Field(pattern=r"^subnet-([0-9a-f]{8}|[0-9a-f]{17})$")]
GroupId = Annotated[str, Field(pattern=r"^sg-([0-9a-f]{8}|[0-9a-f]{17})$")]
