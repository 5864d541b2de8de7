"""How we come into an AWS account: who we are, clients for its services, and credentials that outlast long work.

Everything that points clients elsewhere is botocore's own environment (``AWS_ENDPOINT_URL``, ``AWS_CA_BUNDLE``,
proxies); nothing here knows where AWS is.
"""

import re
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar, cast, overload

from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
    RefreshableCredentials,
)
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
)
from botocore.loaders import Loader, create_loader
from botocore.model import OperationModel
from botocore.session import Session

from blocks.aws_account import AwsAccount, require_lasting_keys
from blocks.errors import WrongState
from tasks.providers.aws.refusal_codes import ENDED_CODES, is_final, may_be_done
from tasks.providers.aws.refusals import ENCODED, translated

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_efs import EFSClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_resourcegroupstaggingapi import ResourceGroupsTaggingAPIClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import AssumeRoleRequestTypeDef
    from prefect_aws import AwsCredentials

T = TypeVar("T")

SESSION_NAME = "groundwork"
"""How our sessions of a role are named in the account's audit trail."""

FIRST_REGION = "us-east-1"
"""Where a call goes when neither the account nor the environment names a region."""

_SETTINGS = Config(
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=16,
    retries={"mode": "standard", "total_max_attempts": 5},
    user_agent_extra="groundwork",
)
_MOST_KNOCKS = 3
_NOBODY_OPENS = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)
_MADE_TWICE = frozenset({"AllocateAddress", "CreateInternetGateway", "CreateKey", "CreateVpc"})
"""Operations that take no token and no name: made again, they make a second thing."""
_LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)
_BUILDING = threading.Lock()
"""Held by whoever builds a client: four at once take twice as long as one after another (0.32 s, and 0.17 s)."""

Service: TypeAlias = Literal[
    "ec2", "efs", "iam", "kms", "pricing", "resourcegroupstaggingapi", "s3", "service-quotas", "ssm", "sts"
]


class Caller(NamedTuple):
    """Who AWS says we are."""

    account_id: str
    arn: str


class AwsSession:
    """One identity in AWS and its clients. Threads may share it, and the clients that it gives.

    Credentials of a role are fetched when the first call needs them, again some minutes before they end
    (botocore's ``RefreshableCredentials``), and again when AWS says in the middle of work that they ended.

    Args:
        who: Whom we come as, for messages.
        region: Where calls go that name no region; empty: what the environment says.
        credentials: Empty: the chain of botocore, that is the identity of this process.
    """

    def __init__(self, who: str, region: str = "", credentials: Credentials | None = None) -> None:
        self.who = who
        self._botocore = Session()
        self._botocore.register_component("data_loader", _models())
        if credentials is not None:
            resolver = CredentialResolver([_Given(credentials)])
            self._botocore.register_component("credential_provider", resolver)
        self.region = region or self._botocore.get_config_variable("region") or FIRST_REGION
        self._clients: dict[tuple[str, str], BaseClient] = {}
        self._told: dict[Hashable, object] = {}

    @overload
    def client(self, service: Literal["ec2"], region: str = "") -> "EC2Client": ...
    @overload
    def client(self, service: Literal["efs"], region: str = "") -> "EFSClient": ...
    @overload
    def client(self, service: Literal["iam"], region: str = "") -> "IAMClient": ...
    @overload
    def client(self, service: Literal["kms"], region: str = "") -> "KMSClient": ...
    @overload
    def client(self, service: Literal["pricing"], region: str = "") -> Any: ...  # it has no types of its own here
    @overload
    def client(
        self, service: Literal["resourcegroupstaggingapi"], region: str = ""
    ) -> "ResourceGroupsTaggingAPIClient": ...
    @overload
    def client(self, service: Literal["s3"], region: str = "") -> "S3Client": ...
    @overload
    def client(self, service: Literal["service-quotas"], region: str = "") -> "ServiceQuotasClient": ...
    @overload
    def client(self, service: Literal["ssm"], region: str = "") -> "SSMClient": ...
    @overload
    def client(self, service: Literal["sts"], region: str = "") -> "STSClient": ...
    @overload
    def client(self, service: Service, region: str = "") -> BaseClient: ...

    def client(self, service: Service, region: str = "") -> BaseClient:
        """Return a service's client in a region (empty: the session's), the same one each time."""
        key = (service, region or self.region)
        with _BUILDING:
            if key not in self._clients:
                self._clients[key] = self._new_client(*key)
            return self._clients[key]

    def enter(self) -> None:
        """Fetch the credentials now, that the first call need not wait for it. Entered already, it does nothing.

        Raises:
            AccessDenied, CredentialsInvalid: The role cannot be assumed.
        """
        credentials = self._botocore.get_credentials()
        if credentials is not None:
            credentials.get_frozen_credentials()

    def caller(self) -> Caller:
        """Ask AWS who we are. Needs no permission.

        Raises:
            CredentialsInvalid: AWS does not know us.
        """
        with translated(self.who):
            said = self.client("sts").get_caller_identity()
        return Caller(said["Account"], said["Arn"])

    def once(self, question: Hashable, ask: Callable[[], T]) -> T:
        """Return the answer to a question; whoever shares this session asks it once. A failure is no answer.

        For what stays as it is while a flow runs: types of nodes, zones.
        """
        if question not in self._told:
            self._told[question] = ask()
        return cast(T, self._told[question])

    def _new_client(self, service: str, region: str) -> BaseClient:
        with translated(f"{service} in {region}"):
            client = self._botocore.create_client(service, region_name=region, config=_SETTINGS)
            credentials = self._botocore.get_credentials()
        model = client.meta.service_model.service_id.hyphenize()
        # The same names as botocore's own: more general ones would be called after it.
        events: Any = client.meta.events
        events.register_first(f"needs-retry.{model}", _Again(credentials))
        events.register_last(f"request-created.{model}", _remember_key)
        events.register_last(f"after-call.{model}", self._decode)
        return client

    def _decode(self, parsed: dict[str, Any], **_: object) -> None:
        """Add to a refusal that EC2 encoded what it says, where this identity may read it."""
        error = parsed.get("Error", {})
        encoded = ENCODED.search(error.get("Message") or "")
        if encoded:
            with suppress(ClientError, BotoCoreError):
                told = self.client("sts").decode_authorization_message(EncodedMessage=encoded[1])
                error["Decoded"] = told["DecodedMessage"]


@cache
def _models() -> Loader:
    """Return the reader of botocore's service models and endpoints, which all sessions of this process share.

    Read anew they take 0.15 s and more for each session (measured with botocore 1.43: 15 ms with what was read).
    """
    return create_loader(Session().get_config_variable("data_path"))


class _Given(CredentialProvider):
    METHOD = "groundwork"

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials:
        return self._credentials


def _remember_key(request: Any, **_: object) -> None:
    signed = re.search(r"Credential=([^/]+)/", str(request.headers.get("Authorization", "")))
    request.context["groundwork_key"] = signed[1] if signed else ""


class _Again:
    """Whether a call is made again, asked before botocore's own rules: they retry what cannot pass, and not what can.

    A call is made again once with renewed credentials when AWS says that they ended. What is final (no permission,
    no quota, no capacity) is never made again: botocore would, where AWS answers it with status 500. An address
    where nobody opens is knocked at three times. What would make a second thing is not made again when nobody knows
    whether it was done: who asked for it has to look first.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials

    def __call__(
        self,
        response: tuple[object, dict[str, Any]] | None,
        attempts: int,
        caught_exception: Exception | None,
        request_dict: dict[str, Any],
        operation: OperationModel,
        **_: object,
    ) -> float | bool | None:
        """Return seconds to wait before the call is made again, False for never, None where botocore shall decide."""
        if isinstance(caught_exception, _NOBODY_OPENS):
            return False if attempts >= _MOST_KNOCKS else None
        error = response[1].get("Error", {}) if response else {}
        code = error.get("Code", "")
        if code in ENDED_CODES:
            return 0 if self._renew(request_dict["context"]) else False
        words = error.get("Message") or ""
        if operation.name in _MADE_TWICE and (caught_exception is not None or may_be_done(code, words)):
            return False
        return False if is_final(code, words) else None

    def _renew(self, context: dict[str, Any]) -> bool:
        """Let the credentials be fetched anew for the next attempt; false where that was done, or cannot be."""
        credentials: Any = self._credentials
        if context.get("groundwork_renewed") or not isinstance(self._credentials, RefreshableCredentials):
            return False
        context["groundwork_renewed"] = True
        # botocore has no word for it. Another thread may have renewed them since this call was signed.
        with credentials._refresh_lock:  # noqa: SLF001
            if credentials._access_key == context.get("groundwork_key"):  # noqa: SLF001
                credentials._expiry_time = _LONG_AGO  # noqa: SLF001
        return True


def identity(region: str = "") -> AwsSession:
    """Return the session of whom the Prefect worker runs as: what botocore finds in its environment or machine."""
    return AwsSession("the Prefect worker's AWS identity", region)


def assumed(role_arn: str, external_id: str, region: str = "") -> AwsSession:
    """Return the session of a role, which this process's identity assumes when the first call needs it.

    A session of a role that was assumed by a role ends after an hour at most (IAM User Guide, "Role chaining"), which
    is AWS's default length too. Where the role cannot be assumed, the first call raises what `translated` makes of it.

    Args:
        role_arn: The role.
        external_id: What its trust asks for; empty: none is sent.
        region: Where calls go that name no region; the role is assumed there too.
    """
    us = identity(region)
    asked: AssumeRoleRequestTypeDef = {"RoleArn": role_arn, "RoleSessionName": SESSION_NAME}
    if external_id:
        asked["ExternalId"] = external_id

    def fetch() -> dict[str, str]:
        with translated(f"role {role_arn}"):
            told = us.client("sts").assume_role(**asked)
        key = told["Credentials"]
        return {
            "access_key": key["AccessKeyId"],
            "secret_key": key["SecretAccessKey"],
            "token": key["SessionToken"],
            "expiry_time": key["Expiration"].isoformat(),
        }

    return AwsSession(f"role {role_arn}", us.region, DeferredRefreshableCredentials(fetch, method="sts-assume-role"))


def session_with(keys: "AwsCredentials", region: str = "") -> AwsSession:
    """Return the session of keys from a `prefect_aws` block: its key id, secret and token, and its region.

    Nothing else of the block is used: no profile, no role, no address.
    """
    secret = keys.aws_secret_access_key.get_secret_value() if keys.aws_secret_access_key else ""
    credentials = Credentials(keys.aws_access_key_id or "", secret, keys.aws_session_token, method="groundwork")
    return AwsSession(f"access key {keys.aws_access_key_id}", region or keys.region_name or "", credentials)


@cache
def home_account() -> str:
    """Return the account of whom the Prefect worker runs as, which our images belong to. Asked once in a process.

    Raises:
        CredentialsInvalid: AWS does not know us.
    """
    return identity().caller().account_id


_SHARED: dict[Hashable, AwsSession] = {}
_SHARING = threading.Lock()


def shared_session_of(account: AwsAccount) -> AwsSession:
    """Return the session in an account that all work of this process shares: its role is assumed once.

    It is known by the way in itself: a record that names another role, external id, key or region has another one.
    Whoever proves that the way in works takes ``session_of``.

    Raises:
        WrongState, BadInput: As ``session_of``.
    """
    keys = account.access_keys
    secret = keys.aws_secret_access_key if keys else None
    way_in = (
        account.role_arn,
        account.external_id,
        account.default_region,
        (keys.aws_access_key_id, secret, keys.aws_session_token, keys.region_name) if keys else None,
    )
    with _SHARING:
        if way_in not in _SHARED:
            _SHARED[way_in] = session_of(account)
        return _SHARED[way_in]


def session_of(account: AwsAccount) -> AwsSession:
    """Return a new session in an account: of its role, or of its keys where it has no role.

    Raises:
        WrongState: It has neither, or a role without an external id.
        BadInput: Its keys are none to be kept (see ``require_lasting_keys``).
    """
    if account.role_arn and account.external_id:
        return assumed(account.role_arn, account.external_id, account.default_region)
    if account.access_keys is not None and not account.role_arn:
        require_lasting_keys(account.access_keys)
        return session_with(account.access_keys, account.default_region)
    raise WrongState(
        f"it is {account.health} and has no way in yet",
        where=f"account {account.name}",
        advice="Finish with onboard-aws-account.",
    )
