"""What a run tells people about accounts: what to paste where, and how an account is."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from blocks.aws_account import DEFAULT_ROLE, AwsAccount
from blocks.errors import GroundworkError
from tasks.providers.aws import policies
from tasks.providers.aws.session import Caller
from tasks.telling import note

SIGNS: dict[str, str] = {"good": "yes", "bad": "**NO**", "unverified": "unverified"}
"""How the state of a finding is shown."""


_HOW = """\
**By a role (better).** In IAM: *Policies*, *Create policy*, once for each permission policy below; then *Roles*,
*Create role*, *Custom trust policy*: paste the trust policy, choose those policies, name it `{role}`, and copy its ARN.
Then run `onboard-aws-account` with it. Or let `create-aws-role` do all of this with keys that are used once.

**By access keys.** Give an IAM user the permission policies below, create an access key for it, keep it in an
*AWS Credentials* block, and choose that block in `onboard-aws-account`. Whoever gets hold of such keys can use them
from anywhere until you delete them: a role is safer.
"""


def show_invitation(account: AwsAccount, ours: Caller) -> None:
    """Show what to set up in the account: the steps in IAM's pages, the trust policy, the permission policies."""
    rows = {
        "Groundwork's own AWS account id": f"`{ours.account_id}`",
        "External id, drawn for this account alone": f"`{account.external_id}`",
        "Variant": account.variant.value,
        "Version of the policies": str(policies.VERSION),
    }
    table = "| | |\n|---|---|\n" + "".join(f"| {name} | {text} |\n" for name, text in rows.items())
    trust = as_json(policies.trust_policy(ours.account_id, [account.external_id]))
    text = "\n".join(
        [
            f"# Connecting the AWS account {account.name}\n",
            table,
            _HOW.format(role=DEFAULT_ROLE),
            f"## Trust policy\n{trust}",
            *_permissions(account),
        ]
    )
    create_markdown_artifact(text, key=f"onboarding-{account.name}", description=f"Connecting {account.name}")
    note(f"what to set up for {account.name} is in this run's artifact")


def _permissions(account: AwsAccount) -> Iterator[str]:
    documents = policies.permission_policies(
        account.variant, account.features, vpc_id=account.vpc_id, instance_profile=account.instance_profile
    )
    for feature, document in documents.items():
        price = "" if feature.is_needed else f"Leave it out, and: {feature.price}.\n\n"
        yield f"\n## Permission policy: {feature.value}\n{price}{as_json(document)}"


@contextmanager
def falling_back_on_hands(account: AwsAccount, ours: Caller) -> Iterator[None]:
    """Show how a role is made by hand where we could not make it."""
    try:
        yield
    except GroundworkError:
        show_invitation(account, ours)
        note("the role can be made by hand; how is in this run's artifact")
        raise


def show_role(account: AwsAccount, arn: str) -> None:
    """Show the role that was made, and what comes next."""
    text = (
        f"The role `{arn}` is there. Its keys are not kept: their block is removed.\n\nNext, connect the account:\n\n"
        f"```\nprefect deployment run onboard-aws-account/on-demand --params "
        f"'{json.dumps(_next(account, arn))}'\n```\n"
    )
    create_markdown_artifact(text, key=f"role-{account.name}", description=f"The role of {account.name}")
    note(f"role {arn} is there")


def _next(account: AwsAccount, arn: str) -> dict[str, object]:
    reference = {"$ref": {"block_document_slug": f"{AwsAccount.get_block_type_slug()}/{account.name}"}}
    return {"account": reference, "account_id": arn.split(":")[4], "role_arn": arn}


def show_health(account: AwsAccount) -> None:
    """Show how an account is: what was asked, what was found."""
    rows = "".join(
        f"| {cell(found.subject)} | {SIGNS[found.state]} | {cell(found.text)} |\n" for found in account.findings
    )
    text = f"Account {account.name} ({account.account_id}) is **{account.health.value}**"
    text += f": {account.reason}\n" if account.reason else "\n"
    create_markdown_artifact(
        f"{text}\n| what | good | found |\n|---|---|---|\n{rows}",
        key=f"account-{account.name}",
        description=f"Account {account.name}: {account.health.value}",
    )
    for found in account.findings:
        if found.state != "good":
            note(f"{found.subject}: {found.state}: {found.text}")
    note(f"account {account.name} is {account.health.value}")


def show_rotation(account: AwsAccount, ours: Caller) -> None:
    """Show the trust policy that the role shall have now, and whether there is another step."""
    if not account.role_arn:
        note(f"account {account.name} uses its new keys; delete the old ones in IAM")
        return
    valid = [account.external_id, account.next_external_id] if account.next_external_id else [account.external_id]
    then = (
        "Then run rotate-aws-credentials once more: it moves to the new external id."
        if account.next_external_id
        else "The old external id is used no longer."
    )
    shown = as_json(policies.trust_policy(ours.account_id, valid))
    text = f"Give `{account.role_arn}` this trust policy. {then}\n\n{shown}"
    create_markdown_artifact(text, key=f"rotation-{account.name}", description=f"Rotation of {account.name}")
    note(f"the trust policy that {account.role_arn} shall have now is in the artifact. {then}")


def take_back(account: AwsAccount) -> None:
    """Remove all that runs have shown of an account."""
    keys = [f"{kind}-{account.name}" for kind in ("onboarding", "role", "account", "rotation", "cleanup")]
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=keys))
    with get_client(sync_client=True) as client:
        while shown := client.read_artifacts(artifact_filter=wanted, limit=50):
            for artifact in shown:
                client.delete_artifact(artifact.id)


def as_json(document: Mapping[str, object]) -> str:
    """Return a document as Markdown shows it, to be copied."""
    return f"```json\n{json.dumps(document, indent=2)}\n```"


def cell(text: str) -> str:
    """Return a text as it may stand in a table of Markdown."""
    return text.replace("|", "\\|").replace("\n", " ")
