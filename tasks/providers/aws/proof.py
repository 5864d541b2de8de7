"""Who we are in an account, proved: the right account, by a role that opens to its external id alone."""

import secrets

from blocks.aws_account import AwsAccount, Finding
from blocks.errors import AccessDenied, BadInput
from tasks.providers.aws.session import assumed, session_of


def new_external_id() -> str:
    """Return an external id that nobody can guess. AWS takes 2 to 1224 letters, digits and ``+=,.@:/-``."""
    return f"groundwork-{secrets.token_hex(16)}"


def prove(account: AwsAccount) -> list[Finding]:
    """Come into an account and say who we are there.

    Raises:
        BadInput: We came into another account than the one entered.
        AccessDenied: The role does not let us in; or it lets in whoever knows its ARN, which is as bad: anybody who
            may use us could name it (AWS, "The confused deputy problem").
        CredentialsInvalid: The keys are not valid.
    """
    caller = session_of(account).caller()
    if caller.account_id != account.account_id:
        raise BadInput(
            f"we came into account {caller.account_id}, not {account.account_id}",
            where="account_id",
            advice="Check the number, and the role or keys.",
        )
    found = [Finding(subject="identity", state="good", text=f"{caller.arn} in account {caller.account_id}")]
    if account.role_arn:
        _refuse_open_door(account)
        found.append(Finding(subject="external id", state="good", text="the role refuses any other"))
    return found


def _refuse_open_door(account: AwsAccount) -> None:
    try:
        assumed(account.role_arn, new_external_id(), account.default_region).caller()
    except AccessDenied:
        return
    raise AccessDenied(
        "it lets us in with any external id, so it would let in others through us",
        where=account.role_arn,
        advice="Put the condition sts:ExternalId of show-aws-onboarding's trust policy on it.",
    )
