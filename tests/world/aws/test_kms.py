"""KMS and Secrets Manager in the world: what is given up stays for days, and may not be used (OPS-24)."""

from typing import Any

import pytest

from tests.world.aws.refusals import refused
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

DAY_S = 24 * 3600


@pytest.fixture
def kms(aws: AwsWorld) -> Any:
    """A client of KMS."""
    return aws.client("kms")


@pytest.fixture
def key(kms: Any) -> str:
    """A key's ARN."""
    return str(kms.create_key(Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]["Arn"])


def test_a_window_has_seven_to_thirty_days(kms: Any, key: str) -> None:
    """Moto takes any number and schedules nothing."""
    for days in (6, 31):
        refused("ValidationException", kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=days)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    told = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert (told["KeyId"], told["KeyState"], told["PendingWindowInDays"]) == (key, "PendingDeletion", 7)


def test_a_key_that_is_given_up_cannot_be_used(aws: AwsWorld, kms: Any, key: str) -> None:
    """Who goes on with a key that its cleanup gave up would lose data without a word."""
    secret = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.create_alias(AliasName="alias/lab", TargetKeyId=key)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    state = "KMSInvalidStateException"
    refused(state, kms.schedule_key_deletion, KeyId=key)
    refused(state, kms.encrypt, KeyId="alias/lab", Plaintext=b"x")
    refused(state, kms.decrypt, CiphertextBlob=secret)
    refused(state, kms.generate_data_key, KeyId=key, KeySpec="AES_256")
    refused(state, kms.enable_key, KeyId=key)
    refused(state, kms.disable_key, KeyId=key)
    refused(state, kms.create_alias, AliasName="alias/more", TargetKeyId=key)
    refused(
        state, kms.create_grant, KeyId=key, GranteePrincipal=f"arn:aws:iam::{CUSTOMER}:root", Operations=["Decrypt"]
    )
    refused(state, kms.tag_resource, KeyId=key, Tags=[{"TagKey": "c", "TagValue": "d"}])
    refused(state, kms.update_key_description, KeyId=key, Description="x")
    assert kms.cancel_key_deletion(KeyId=key)["KeyId"] == key
    refused(state, kms.cancel_key_deletion, KeyId=key)
    refused("DisabledException", kms.decrypt, CiphertextBlob=secret)
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=secret)["Plaintext"] == b"x"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    aws.advance(7 * DAY_S - 60)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    aws.advance(120)
    refused("NotFoundException", kms.describe_key, KeyId=key)
    refused("NotFoundException", kms.describe_key, KeyId="alias/lab")
    refused("AccessDeniedException", kms.decrypt, CiphertextBlob=secret)


def test_a_disabled_key_cannot_be_used(kms: Any, key: str) -> None:
    """Moto encrypts with it."""
    kms.disable_key(KeyId=key)
    refused("DisabledException", kms.encrypt, KeyId=key, Plaintext=b"x")
    refused("DisabledException", kms.enable_key_rotation, KeyId=key)
    kms.create_alias(AliasName="alias/lab", TargetKeyId=key)
    kms.enable_key(KeyId=key)
    kms.encrypt(KeyId="alias/lab", Plaintext=b"x")


def test_what_else_kms_refuses(aws: AwsWorld, kms: Any, key: str) -> None:
    """Long texts are not for KMS, keys of others and of AWS are not ours."""
    refused("ValidationException", kms.encrypt, KeyId=key, Plaintext=b"x" * 4097)
    kms.encrypt(KeyId=key, Plaintext=b"x" * 4096)
    refused("NotFoundException", kms.describe_key, KeyId="00000000-0000-4000-8000-000000000000")
    refused("AccessDeniedException", aws.client("kms", INSTALLATION).describe_key, KeyId=key)
    refused("NotFoundException", aws.client("kms", region="eu-west-1").describe_key, KeyId=key)
    own = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
    assert own["KeyManager"] == "AWS"
    refused("AccessDeniedException", kms.schedule_key_deletion, KeyId=own["Arn"])


def test_a_file_system_wants_a_key_that_works(aws: AwsWorld, kms: Any, key: str) -> None:
    """EFS refuses a key that is disabled or given up."""
    kms.disable_key(KeyId=key)
    refused("BadRequest", aws.client("efs").create_file_system, CreationToken="a", Encrypted=True, KmsKeyId=key)
    kms.enable_key(KeyId=key)
    made = aws.client("efs").create_file_system(CreationToken="a", Encrypted=True, KmsKeyId=key.rpartition("/")[2])
    assert made["KmsKeyId"] == key


def test_a_deleted_secret_keeps_its_name(aws: AwsWorld) -> None:
    """Who deletes a cluster's secret and makes it again the same week is refused, and not as if it existed."""
    secrets = aws.client("secretsmanager")
    secrets.create_secret(Name="lab/key", SecretString="x")
    refused("ResourceExistsException", secrets.create_secret, Name="lab/key", SecretString="x")
    refused("InvalidParameterException", secrets.delete_secret, SecretId="lab/key", RecoveryWindowInDays=6)
    secrets.delete_secret(SecretId="lab/key", RecoveryWindowInDays=7)
    refused("InvalidRequestException", secrets.create_secret, Name="lab/key", SecretString="x")
    refused("InvalidRequestException", secrets.get_secret_value, SecretId="lab/key")
    secrets.restore_secret(SecretId="lab/key")
    assert secrets.get_secret_value(SecretId="lab/key")["SecretString"] == "x"
    secrets.delete_secret(SecretId="lab/key", RecoveryWindowInDays=7)
    aws.advance(7 * DAY_S + 60)
    refused("ResourceNotFoundException", secrets.describe_secret, SecretId="lab/key")
    secrets.create_secret(Name="lab/key", SecretString="y")
    secrets.delete_secret(SecretId="lab/key", ForceDeleteWithoutRecovery=True)
    secrets.create_secret(Name="lab/key", SecretString="z")


def test_versions_of_a_secret(aws: AwsWorld) -> None:
    """A version without a stage is not listed unless it is asked for."""
    secrets = aws.client("secretsmanager")
    arn = secrets.create_secret(Name="s", SecretString="1")["ARN"]
    for text in "23":
        secrets.put_secret_value(SecretId="s", SecretString=text)
    told = secrets.list_secret_version_ids(SecretId="s")
    assert (told["ARN"], len(told["Versions"])) == (arn, 2)
    assert len(secrets.list_secret_version_ids(SecretId="s", IncludeDeprecated=True)["Versions"]) == 3


def test_a_lost_reply_leaves_one_secret(aws: AwsWorld) -> None:
    """boto3 asks again with the same token, which is the version's id: it hears that all is well."""
    aws.fault("lose_reply", "secretsmanager:CreateSecret")
    secrets = aws.client("secretsmanager")
    made = secrets.create_secret(Name="s", SecretString="1")
    assert [told["ARN"] for told in secrets.list_secrets()["SecretList"]] == [made["ARN"]]
    asked = {"Name": "s", "SecretString": "2", "ClientRequestToken": made["VersionId"]}
    refused("ResourceExistsException", secrets.create_secret, **asked)
