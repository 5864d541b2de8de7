"""Our sessions in the AWS world as somebody else than our role."""

from prefect_aws import AwsCredentials
from pydantic import SecretStr

from tasks.providers.aws.session import AwsSession, session_with
from tests.worlds.aws.keys import root_key


def root_of(account: str) -> AwsSession:
    """A session of an account's root user."""
    root = root_key(account)
    return session_with(AwsCredentials(aws_access_key_id=root.access_key, aws_secret_access_key=SecretStr(root.secret)))
