"""The doors that each request goes through: keys, tokens, pages, clock, faults, the record (OPS-24)."""

import pytest
from botocore.exceptions import ClientError

from tests.worlds.aws_world import CUSTOMER, AwsWorld


def test_the_world_knows_its_keys(aws: AwsWorld) -> None:
    """Bare moto takes any key and any secret."""
    with pytest.raises(ClientError, match="AuthFailure"):
        aws.client("ec2", aws_access_key_id=f"AKIA{CUSTOMER}ROOT", aws_secret_access_key="wrong").describe_vpcs()
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        aws.client("iam", aws_access_key_id=f"AKIA{CUSTOMER}ROOT", aws_secret_access_key="wrong").list_roles()
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        aws.client("iam", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x").list_roles()
