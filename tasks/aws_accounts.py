"""The steps with an AWS account: invite, come in, prove, ask what is allowed, let go."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect_aws import AwsCredentials

from blocks.aws_account import (
    AwsAccount,
    Feature,
    Finding,
    Health,
    Variant,
    completed,
    require_lasting_keys,
    require_same_account,
)
from blocks.errors import BadInput, GroundworkError, VerificationFailed, WrongState
from tasks import aws_account_records as records
from tasks.providers.aws import holdings, images, policies, proof, quotas, role, self_test
from tasks.providers.aws.session import Caller, identity, session_of, session_with
from tasks.steps import step
from tasks.telling import note
from tasks.telling_accounts import take_back


@step("find out who we are")
def who_we_are() -> Caller:
    """Ask AWS for the identity that the Prefect worker runs as: the one that roles have to trust."""
    return identity().caller()


@step("invite the account {name}")
def invite(name: str, variant: Variant, features: Sequence[Feature], vpc_id: str, instance_profile: str) -> AwsAccount:
    """Write the account's record with an external id drawn for it; a second call keeps the id.

    Raises:
        BadInput: The variant and the fields do not go together.
    """
    _require_own_network(variant, vpc_id, instance_profile)
    wanted = {
        "variant": variant,
        "features": completed(variant, features),
        "vpc_id": vpc_id,
        "instance_profile": instance_profile,
    }
    found = records.find(name)
    if found is None:
        return records.claim(AwsAccount(external_id=proof.new_external_id(), **wanted), name)
    return records.change(found, **wanted)


def _require_own_network(variant: Variant, vpc_id: str, instance_profile: str) -> None:
    for field, value in (("vpc_id", vpc_id), ("instance_profile", instance_profile)):
        if variant is Variant.RESTRICTED and not value:
            raise BadInput("the restricted variant needs it", where=field)
        if variant is Variant.AUTOMATED and value:
            raise BadInput(
                "it belongs to the restricted variant", where=field, advice="Choose that, or leave it empty."
            )


@step("refresh what is known of {account.name}")
def read_again(account: AwsAccount) -> AwsAccount:
    """Read an account's record anew: a run may have waited long for its turn."""
    return records.read(account.name)


@contextmanager
def using_up(keys: AwsCredentials) -> Iterator[None]:
    """Let keys be used, and remove their block at the end, whatever happens.

    Whoever is killed outright removes nothing: then the same run, tried again, ends with it.
    """
    try:
        yield
    finally:
        _remove_keys(keys)
        note("the block of the one-time keys is removed")


def _remove_keys(keys: AwsCredentials) -> None:
    document = keys._block_document_id  # noqa: SLF001
    with get_client(sync_client=True) as client, suppress(ObjectNotFound):
        if document is not None:
            client.delete_block_document(document)


@step("make the role {role_name}")
def make_role(account: AwsAccount, keys: AwsCredentials, role_name: str, ours: Caller) -> str:
    """Make the account's role with keys that may, or finish it; return its ARN."""
    documents = policies.permission_policies(
        account.variant, account.features, vpc_id=account.vpc_id, instance_profile=account.instance_profile
    )
    return role.create_role(
        session_with(keys),
        role_name=role_name,
        external_id=account.external_id,
        identity_account_id=ours.account_id,
        policies=documents,
    )


@step("enter the way into {account.name}")
def enter(
    account: AwsAccount, account_id: str, default_region: str, role_arn: str, access_keys: AwsCredentials | None
) -> AwsAccount:
    """Write how we come into the account: by a role or by keys, one of them.

    Raises:
        BadInput: Both, neither, or a role of another account.
        WrongState: The record is connected to another AWS account.
        AccessDenied, CredentialsInvalid: It has a way in already, and the new one does not open: the old one stays.
    """
    if bool(role_arn) == (access_keys is not None):
        raise BadInput("give a role or access keys, one of them", where="role_arn")
    if role_arn:
        require_same_account(account_id, role_arn)
    if access_keys is not None:
        require_lasting_keys(access_keys)
    if account.account_id not in ("", account_id):
        raise WrongState(
            f"{account.name} is AWS account {account.account_id}",
            where="account_id",
            advice="Use show-aws-onboarding with another name for another account.",
        )
    way = {
        "account_id": account_id,
        "default_region": default_region,
        "role_arn": role_arn,
        "access_keys": access_keys,
    }
    if account.account_id:
        # It has a way in already: only one that opens takes its place.
        proof.prove(account.model_copy(update=way))
    return records.change(account, **way, health=Health.UNVERIFIED, reason="not yet verified")


@step("prove who we are in {account.name}")
def prove_identity(account: AwsAccount) -> list[Finding]:
    """Come into the account: the right one, by a door that opens to us alone.

    Raises:
        GroundworkError: Why not; the record says it too.
    """
    if account.health is Health.INVITED:
        raise WrongState("it is not connected yet", where="account", advice="Run onboard-aws-account first.")
    try:
        return proof.prove(account)
    except GroundworkError as error:
        if not error.retryable:
            records.change(account, health=Health.UNVERIFIED, reason=str(error), findings=[])
        raise


@step("ask what {account.name} allows")
def ask_permissions(account: AwsAccount) -> list[Finding]:
    """Say which action is missing for which feature; "unverified" where the question itself is not allowed."""
    return self_test.missing(session_of(account), account)


@step("compare {account.name} with its quotas")
def ask_quotas(account: AwsAccount) -> list[Finding]:
    """Say which quota is too small for a first cluster."""
    return quotas.findings(session_of(account), account.default_region, account.variant, account.features)


@step("look for our images in {account.name}")
def ask_images(account: AwsAccount, ours: Caller) -> list[Finding]:
    """Say for each region whether the account may launch an image of ours."""
    return images.findings(session_of(account), ours.account_id, account.default_region)


@step("say how {account.name} is")
def conclude(account: AwsAccount, findings: Sequence[Finding]) -> AwsAccount:
    """Write what was found: ready, when clusters can be made; unverified, when that could not be asked."""
    needed = [found for found in findings if found.subject in set(Feature) and Feature(found.subject).is_needed]
    bad = [found for found in needed if found.state == "bad"]
    unverified = [found for found in needed if found.state == "unverified"]
    health = Health.FAILING if bad else Health.UNVERIFIED if unverified else Health.READY
    return records.change(
        account,
        health=health,
        reason="; ".join(found.text for found in bad or unverified),
        findings=list(findings),
        verified_at=datetime.now(UTC),
    )


@step("list all accounts")
def list_accounts() -> list[AwsAccount]:
    """Return the accounts that were connected, by name."""
    return [account for account in records.every() if account.health is not Health.INVITED]


def refuse_failing(account: AwsAccount) -> None:
    """Fail the run of an account in which clusters cannot be made.

    Raises:
        VerificationFailed: With what is missing.
    """
    if account.health is Health.FAILING:
        raise VerificationFailed(account.reason, where=f"account {account.name}", advice="See the run's artifact.")


@step("draw or take the next external id of {account.name}")
def move_to_next_external_id(account: AwsAccount) -> AwsAccount:
    """Draw the next external id; or, when the role takes it already, move to it. Both are valid in between.

    Raises:
        WrongState: The account has no role.
        AccessDenied: The role does not take the next one yet; the current one stays in use.
    """
    if not account.role_arn:
        raise WrongState(
            "it has no role", where="account", advice="Give the new access keys, or onboard it with a role."
        )
    if not account.next_external_id:
        return records.change(account, next_external_id=proof.new_external_id())
    moved = account.model_copy(update={"external_id": account.next_external_id})
    proof.prove(moved)
    return records.change(account, external_id=account.next_external_id, next_external_id="")


@step("move {account.name} to its new keys")
def move_to_keys(account: AwsAccount, keys: AwsCredentials) -> AwsAccount:
    """Try the new keys, use them from now on, remove the old ones' block.

    Raises:
        WrongState: The account has a role.
        BadInput: They are of another account.
        CredentialsInvalid: They are not valid; the old ones stay in use.
    """
    if account.role_arn:
        raise WrongState("it is connected by a role", where="access_keys", advice="Leave them empty.")
    require_lasting_keys(keys)
    proof.prove(account.model_copy(update={"access_keys": keys}))
    old = account.access_keys
    changed = records.change(account, access_keys=keys)
    if old is not None and old._block_document_id != keys._block_document_id:  # noqa: SLF001
        _remove_keys(old)
    return changed


@step("look for what {account.name} holds")
def refuse_if_holding(account: AwsAccount) -> None:
    """Refuse to let an account go that holds anything of ours.

    Raises:
        WrongState: With the list.
        CredentialsInvalid, AccessDenied: What it holds cannot be seen, and so is not taken for nothing.
    """
    if account.health is Health.INVITED:
        return
    held = [*records.clusters_in(account), *holdings.held(session_of(account), [account.default_region])]
    if held:
        raise WrongState(
            f"it holds {len(held)} things of ours: {', '.join(held[:20])}{', ...' if held[20:] else ''}",
            where=f"account {account.name}",
            advice="Delete its clusters first.",
        )


@step("forget {account.name}")
def forget_account(account: AwsAccount) -> None:
    """Remove what runs showed of it, the block of its keys, its record. Removing what is gone does nothing."""
    take_back(account)
    if account.access_keys is not None:
        _remove_keys(account.access_keys)
    records.forget(account)
