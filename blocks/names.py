"""The shapes of what people type: each is checked when a run is submitted, with its field named."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import Field

MOST_NODES = 200
"""Nodes in one cluster at most. The local provider numbers them in one /24 network."""

Name = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")]
"""A cluster's or job's name: 1 to 32 small letters, digits and dashes, a letter first, no dash last."""

NodeCount = Annotated[int, Field(ge=1, le=MOST_NODES)]

SlotCount = Annotated[int, Field(ge=0, le=256)]
"""Ranks on one node; 0 means as many as the node has cores."""

Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(s|m|h)$")]
"""A length of time with its unit, as 90s, 60m or 2h. A bare number is refused: nobody knows its unit."""

Command = Annotated[str, Field(min_length=1, max_length=8192, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]

Reference = Annotated[
    str, Field(max_length=255, pattern=r"^([^\s\x00-\x20\x7f~^:?*\[\\-][^\s\x00-\x20\x7f~^:?*\[\\]*)?$")
]
"""A branch, tag or commit; empty means what the source's URL says, or else its default branch."""

_PART = r"(?:[^\x00\\/.][^\x00\\/]*|\.(?:[^\x00\\/.][^\x00\\/]*)?|\.\.[^\x00\\/]+)"
Folder = Annotated[str, Field(max_length=1024, pattern=rf"^({_PART}(/{_PART})*/?)?$")]
"""A folder inside a source: relative, without `..`."""

SourceUrl = Annotated[
    str,
    Field(
        max_length=2048,
        pattern=r"^(https?://[^/@\s\x00]+/[^\s\x00]*|ssh://([^/:@\s\x00]+@)?[^/@\s\x00]+/[^\s\x00]+"
        r"|[A-Za-z0-9._-]+@[^/:@\s\x00]+:[^\s\x00]+|file:///[^\x00]+)$",
    ),
]
"""A git repository as the browser's address bar shows it. A user or token inside an https URL is refused:
it would be stored in clear with the run; credentials belong in a git credentials block."""

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=255)]
VariableValue = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=65536)]
Environment = Annotated[
    # Else the form's schema lets names of any other shape pass: it says nothing of them.
    dict[VariableName, VariableValue], Field(json_schema_extra={"additionalProperties": False})
]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


def seconds(duration: Duration) -> float:
    """Return a duration text such as ``60m`` in seconds."""
    number, unit = re.fullmatch(r"([0-9]+)([smh])", duration).groups()  # type: ignore[union-attr]
    return timedelta(**{_UNITS[unit]: int(number)}).total_seconds()
