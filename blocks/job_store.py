"""Where jobs' records, output and results are kept."""

from enum import StrEnum
from typing import Annotated, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from blocks.logos import logo

DEFAULT_STORE = "default"
"""The document that is taken where nobody names one."""

AccountNameOrNone = Annotated[str, Field(pattern=r"^((aws-account/)?[a-z]([a-z0-9-]{0,30}[a-z0-9])?)?$")]
RegionOrNone = Annotated[str, Field(pattern=r"^([a-z]{2,4}(-[a-z]{2,10}){1,2}-[1-9][0-9]?)?$")]


class StoreKind(StrEnum):
    """A folder of the Prefect worker's machine, or the bucket of a region in an AWS account."""

    FOLDER = "folder"
    S3 = "s3"


class JobStore(Block):
    """Where jobs' records, output and results are kept. The document ``default`` counts where a job names none."""

    _block_type_name: ClassVar[str] = "Job store"
    _block_type_slug: ClassVar[str] = "job-store"
    _description: ClassVar[str] = (
        "Where jobs' records, output and results are kept: a folder of the Prefect worker's machine, or S3. "
        "The one called `default` is used by jobs that name none."
    )
    _logo_url: ClassVar[HttpUrl] = logo("job-store")

    kind: StoreKind = Field(
        title="Kind",
        description="folder: GROUNDWORK_HOME/jobs on the Prefect worker's machine. s3: the bucket that Groundwork made "
        "for a region of an AWS account, under jobs/; it outlives clusters and this machine.",
    )
    account: AccountNameOrNone = Field(default="", title="AWS account (s3): the name of its document")
    region: RegionOrNone = Field(default="", title="Region of the bucket (s3), as us-east-1")
