"""An AWS account: how we come in, what it is to be used for, and how it is."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from prefect.blocks.core import Block
from prefect_aws import AwsCredentials
from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, HttpUrl
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from blocks.errors import BadInput
from blocks.logos import logo
from blocks.names import Region
from blocks.schema_once import SchemaOnce


class Variant(StrEnum):
    """How much an account lets us do: make networks and roles ourselves, or use those that somebody made for us."""

    AUTOMATED = "automated"
    RESTRICTED = "restricted"


class Feature(StrEnum):
    """What an account is used for. Each is a block of its own in the permission policy, and can be taken out."""

    CLUSTERS = "clusters"
    NETWORKS = "networks"
    BACKUP = "backup"
    PORTS = "ports"
    RESIZE = "resize"
    EFS = "efs"
    LOGS = "logs"
    JOBS = "jobs"
    SPOT = "spot"
    SAGEMAKER = "sagemaker"

    @property
    def is_needed(self) -> bool:
        """Whether no cluster can be made without it."""
        return self in (Feature.CLUSTERS, Feature.NETWORKS)

    @property
    def price(self) -> str:
        """What one loses without it, in one line."""
        return _PRICES[self]


_PRICES = {
    Feature.CLUSTERS: "nothing can be made in this account",
    Feature.NETWORKS: "clusters stand in a network that you make",
    Feature.BACKUP: "no backups of clusters",
    Feature.PORTS: "ports are opened and closed by you",
    Feature.RESIZE: "nodes keep the type that they were made with",
    Feature.EFS: "no shared folder outlives its cluster",
    Feature.LOGS: "logs stay on the nodes and in Prefect",
    Feature.JOBS: "jobs' programs do not come out of S3, and their output and results are not kept there",
    Feature.SPOT: "nodes are paid at the full price",
    Feature.SAGEMAKER: "no SageMaker domain, projects and notebooks",
}


EVERYDAY = [
    Feature.BACKUP,
    Feature.PORTS,
    Feature.RESIZE,
    Feature.EFS,
    Feature.LOGS,
    Feature.JOBS,
    Feature.SPOT,
]
"""What an account is used for, beside the clusters themselves, if nobody says otherwise."""


DEFAULT_ROLE = "groundwork-access"
"""What the role that we assume is called if nobody wants otherwise."""


class Health(StrEnum):
    """How an account is: ``invited`` has an external id and nothing else yet; the rest is what verification said."""

    INVITED = "invited"
    UNVERIFIED = "unverified"
    READY = "ready"
    FAILING = "failing"


class Finding(BaseModel):
    """One line of a verification.

    ``subject`` is a feature, ``identity``, ``external id``, ``quota ...``, ``image us-east-1``; ``unverified`` means
    that the question itself was not allowed.
    """

    model_config = ConfigDict(frozen=True)

    subject: str
    state: Literal["good", "bad", "unverified"]
    text: str


class _NotEmpty:
    """Let a form's schema ask for both halves of a key: see ``AwsAccount.external_id`` for why."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        shown = handler(core_schema)
        handler.resolve_ref_schema(shown)["required"] = ["aws_access_key_id", "aws_secret_access_key"]
        return shown


AccessKeys = Annotated[AwsCredentials, _NotEmpty()]
"""A `prefect_aws` block with keys, as a field of a form."""


class AwsAccount(SchemaOnce, Block):
    """An AWS account and how it is. Changed by one writer at a time; its name is its document's name.

    We come in by a role with an external id, or by the keys in a `prefect_aws` block. No secret stands here in
    clear: keys are in that block's document only, and the external id is none (AWS, "How to use an external ID").
    """

    # Keys must not be quoted by the error about another field.
    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name: ClassVar[str] = "AWS account"
    _block_type_slug: ClassVar[str] = "aws-account"
    _description: ClassVar[str] = (
        "An AWS account that Groundwork works in. Made by show-aws-onboarding and onboard-aws-account; "
        "change it with the flows, not here."
    )
    _logo_url: ClassVar[HttpUrl] = logo("aws-account")

    account_id: str = Field(default="", title="AWS account id")
    default_region: Region = Field(default="us-east-1", title="Default region")
    role_arn: str = Field(default="", title="ARN of the role that we assume")
    # Required, as one field of each of our blocks is: a block that could be all empty is never told from a reference
    # to one, and the server refuses both (Prefect 3.8.8).
    external_id: str = Field(title="External id that the role's trust asks for")
    next_external_id: str = Field(default="", title="External id to come, while both are valid")
    access_keys: AwsCredentials | None = Field(default=None, title="Access keys, where there is no role")
    variant: Variant = Field(default=Variant.AUTOMATED, title="How much it lets us do")
    features: list[Feature] = Field(default_factory=lambda: [Feature.CLUSTERS], title="What it is used for")
    vpc_id: str = Field(default="", title="Network to use (restricted)")
    instance_profile: str = Field(default="", title="Instance profile to use (restricted)")
    health: Health = Field(default=Health.INVITED, title="Health")
    reason: str = Field(default="", title="Why it is so")
    findings: list[Finding] = Field(default_factory=list, title="What the last verification found")
    verified_at: datetime | None = Field(default=None, title="Last verified at")
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC), title="Made at")

    @property
    def name(self) -> str:
        """The user's name for it, which is its document's name; empty before it is saved."""
        return self._block_document_name or ""


def completed(variant: Variant, features: Iterable[Feature]) -> list[Feature]:
    """Return the features of an account in their order: those asked for, and those that are always there.

    Raises:
        BadInput: A restricted account was asked to make networks.
    """
    asked = {Feature(feature) for feature in features} | {Feature.CLUSTERS}
    if variant is Variant.AUTOMATED:
        asked.add(Feature.NETWORKS)
    elif Feature.NETWORKS in asked:
        raise BadInput(
            "a restricted account makes no networks",
            where="features",
            advice="Leave networks out and name your own, or choose the variant automated.",
        )
    return [feature for feature in Feature if feature in asked]


def require_same_account(account_id: str, role_arn: str) -> None:
    """Refuse a role of another account than the one entered.

    Raises:
        BadInput: They differ; which of the two is right is not ours to know, so both are told.
    """
    found = re.fullmatch(r"arn:[a-z-]+:iam::([0-9]{12}):role/.+", role_arn)
    if found is None:
        raise BadInput("it is not a role's ARN", where="role_arn", advice="Copy it from the role's page in IAM.")
    if found[1] != account_id.replace("-", ""):
        raise BadInput(
            f"it is a role of account {found[1]}, and account_id says {account_id}",
            where="role_arn",
            advice="Check which of the two is the account that you want to connect.",
        )


def require_lasting_keys(keys: AwsCredentials) -> None:
    """Refuse keys that an account cannot be kept with: half a pair, or a session's.

    A session's token would stand in clear besides: `prefect_aws` (0.7.12) does not mask it.

    Raises:
        BadInput: Nothing of the keys is told.
    """
    if not (keys.aws_access_key_id and keys.aws_secret_access_key):
        raise BadInput(
            "the block holds no access key id with its secret",
            where="access_keys",
            advice="Fill in both; profiles and roles of the Prefect worker's machine are not looked up.",
        )
    if keys.aws_session_token:
        raise BadInput(
            "these are the keys of a session, which ends by itself",
            where="access_keys",
            advice="Give an IAM user's keys, or better a role.",
        )
