"""What people do around an account: in IAM's pages with what Groundwork showed, and with the blocks of their keys."""

import json
import re
import secrets
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.aws_account import AwsAccount
from flows.aws_accounts import onboard_aws_account, show_aws_onboarding
from tasks import aws_account_records as records
from tests.worlds.aws_world import CUSTOMER, AwsWorld
from tests.worlds.flow_runs import block

CONSOLE_ID = "-".join((CUSTOMER[:4], CUSTOMER[4:8], CUSTOMER[8:]))
"""The customer's account as AWS's console shows it; `-p` takes bare digits for a number."""

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def account_ref(name: str) -> dict[str, Any]:
    """A parameter that refers to an account."""
    return block(AwsAccount.get_block_type_slug(), name)


def newest(key: str) -> str:
    """What the newest artifact of a key shows; empty where there is none."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
            sort=ArtifactSort.CREATED_DESC,
            limit=1,
        )
    return str(found[0].data) if found else ""


def documents_in(text: str) -> list[dict[str, Any]]:
    """The JSON documents of an artifact, as somebody copies them out of it."""
    return [json.loads(found) for found in re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)]


def make_role_by_hand(aws: AwsWorld, shown: str, name: str = "groundwork-access") -> str:
    """What a person does in IAM with what show-aws-onboarding showed; the role's ARN."""
    iam = aws.client("iam")
    trust, *permissions = documents_in(shown)
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    for number, document in enumerate(permissions):
        made = iam.create_policy(PolicyName=f"{name}-{number}", PolicyDocument=json.dumps(document))
        iam.attach_role_policy(RoleName=name, PolicyArn=made["Policy"]["Arn"])
    return str(arn)


def made_role(aws: AwsWorld, name: str = "team", **wishes: Any) -> str:
    """Invite an account and make the role that trusts it; the role's ARN."""
    show_aws_onboarding(name=name, **wishes)
    return make_role_by_hand(aws, newest(f"onboarding-{name}"), f"groundwork-{name}")


def onboarded(aws: AwsWorld, name: str = "team", **wishes: Any) -> AwsAccount:
    """An account that is connected by a role."""
    arn = made_role(aws, name, **wishes)
    onboard_aws_account(account=records.read(name), account_id=CUSTOMER, role_arn=arn)
    return records.read(name)


def keys_of_a_user(aws: AwsWorld, policy: dict[str, Any] | None = None, *, account: str = CUSTOMER) -> dict[str, str]:
    """Make an IAM user, an administrator if no policy is given, with an access key."""
    iam, user = aws.client("iam", account), f"user-{secrets.token_hex(4)}"
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="its", PolicyDocument=json.dumps(policy or EVERYTHING))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"user": user, "id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def keep(name: str, key: dict[str, str]) -> AwsCredentials:
    """Keep keys in a block, as somebody does in the UI."""
    AwsCredentials(aws_access_key_id=key["id"], aws_secret_access_key=SecretStr(key["secret"])).save(name)
    found = AwsCredentials.load(name, _sync=True)
    assert isinstance(found, AwsCredentials)
    return found


def blocks_of_keys() -> set[str]:
    """The names of all blocks with keys."""
    slug = AwsCredentials.get_block_type_slug()
    with get_client(sync_client=True) as client:
        found = client.read_block_documents_by_type(slug, include_secrets=False)
    return {str(document.name) for document in found}


def forget_all() -> None:
    """Remove all accounts and keys from the house."""
    with get_client(sync_client=True) as client:
        for kind in (AwsAccount, AwsCredentials):
            for document in client.read_block_documents_by_type(kind.get_block_type_slug(), include_secrets=False):
                client.delete_block_document(document.id)
