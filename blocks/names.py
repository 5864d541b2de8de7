"""The shapes of what people type: each is checked when a run is submitted, with its field named."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

MOST_NODES = 200
"""Nodes in one cluster at most. The local provider numbers them in one /24 network."""

Name = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")]
"""A cluster's or job's name: 1 to 32 small letters, digits and dashes, a letter first, no dash last."""

NodeCount = Annotated[int, Field(ge=1, le=MOST_NODES)]

SlotCount = Annotated[int, Field(ge=0, le=256)]
"""Ranks on one node; 0 means as many as the node has cores."""

Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(s|m|h)$")]
"""A length of time with its unit, as 90s, 60m or 2h. A bare number is refused: nobody knows its unit."""

Pause = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,5})(s|m|h)$")]
"""A length of time with its unit, which may be none: 0s."""

Retries = Annotated[int, Field(ge=0, le=20)]
"""How many times something is tried again, after the first time."""

RankCount = Annotated[int, Field(ge=0, le=51200)]
"""Ranks of a job; 0 means as many as there is room for."""

NodeNumbers = Annotated[list[Annotated[int, Field(ge=1, le=MOST_NODES)]], Field(max_length=MOST_NODES)]
"""Some nodes of a cluster by their numbers, 1 for the head; empty: all."""

MebiBytes = Annotated[int, Field(ge=0, le=1_048_576)]
"""A size in MiB (1,048,576 bytes)."""

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
        r"|[A-Za-z0-9._-]+@[^/:@\s\x00]+:[^\s\x00]+|file:///[^\x00]+"
        rf"|s3://[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9]/({_PART}/)*([^\x00\\/]*\.(tar\.gz|tgz|tar|zip))?)$",
    ),
]
"""A git repository as the browser's address bar shows it. A user or token inside an https URL is refused:
it would be stored in clear with the run; credentials belong in a git credentials block. Or a folder in S3, with a slash
at its end, or an archive there."""

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=255)]
VariableValue = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=65536)]
Environment = Annotated[
    # Else the form's schema lets names of any other shape pass: it says nothing of them.
    dict[VariableName, VariableValue], Field(json_schema_extra={"additionalProperties": False})
]

BlockName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=255)]
"""The name of a block's document, as Prefect takes it."""

Secrets = Annotated[dict[VariableName, BlockName], Field(json_schema_extra={"additionalProperties": False})]
"""Environment variables, each with the name of the Prefect Secret block that holds its value."""

AwsAccountId = Annotated[
    # A command line's `-p account_id=...` reads bare digits as a number and refuses them; with dashes they are a text.
    str, Field(pattern=r"^[0-9]{4}-?[0-9]{4}-?[0-9]{4}$"), AfterValidator(lambda text: text.replace("-", ""))
]
"""An AWS account's 12 digits; the dashes that AWS's console shows may be there, and are taken out."""

_ROLE_NAME = r"[A-Za-z0-9_+=,.@\-]{1,64}"
_ROLE_ARN = rf"arn:aws(-cn|-us-gov)?:iam::[0-9]{{12}}:role/([!-~]{{1,510}}/)?{_ROLE_NAME}"
_VPC_ID = r"vpc-([0-9a-f]{8}|[0-9a-f]{17})"

RoleName = Annotated[str, Field(pattern=rf"^{_ROLE_NAME}$")]
"""A role's name, as IAM takes it (IAM User Guide, "IAM and AWS STS quotas")."""

OurRoleName = Annotated[str, Field(pattern=r"^groundwork-[A-Za-z0-9_+=,.@\-]{1,53}$")]
"""The name of a role that we make: its prefix is what policies about our roles ask for."""

RoleArn = Annotated[str, Field(pattern=rf"^{_ROLE_ARN}$")]
RoleArnOrNone = Annotated[str, Field(pattern=rf"^({_ROLE_ARN})?$")]
"""A role's ARN; empty: no role."""

Region = Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]{2,10}){1,2}-[1-9][0-9]?$")]
"""An AWS region as us-east-1; whether it exists and is on in the account, AWS says."""

VpcId = Annotated[str, Field(pattern=rf"^{_VPC_ID}$")]
VpcIdOrNone = Annotated[str, Field(pattern=rf"^({_VPC_ID})?$")]
"""A network of the account; empty: none is named."""

InstanceProfileOrNone = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@\-]{0,128}$")]
"""An instance profile's name, not its ARN; empty: none is named."""

AccountName = Name
"""The user's own name for an account."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


def seconds(duration: Duration) -> float:
    """Return a duration text such as ``60m`` in seconds."""
    number, unit = re.fullmatch(r"([0-9]+)([smh])", duration).groups()  # type: ignore[union-attr]
    return timedelta(**{_UNITS[unit]: int(number)}).total_seconds()
