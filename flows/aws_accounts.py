"""Connecting an AWS account, keeping watch on it, and letting it go."""

from blocks.aws_account import DEFAULT_ROLE, EVERYDAY, AccessKeys, AwsAccount, Feature, Variant
from blocks.names import (
    AccountName,
    AwsAccountId,
    InstanceProfileOrNone,
    OurRoleName,
    Region,
    RoleArnOrNone,
    VpcIdOrNone,
)
from tasks.aws_account_records import one_writer_of
from tasks.aws_accounts import (
    ask_images,
    ask_permissions,
    ask_quotas,
    conclude,
    enter,
    forget_account,
    invite,
    list_accounts,
    make_role,
    move_to_keys,
    move_to_next_external_id,
    prove_identity,
    read_again,
    refuse_failing,
    refuse_if_holding,
    using_up,
    who_we_are,
)
from tasks.steps import sentence
from tasks.telling import note
from tasks.telling_accounts import falling_back_on_hands, show_health, show_invitation, show_role, show_rotation


@sentence(name="show-aws-onboarding", run_name="show-onboarding-{name}")
def show_aws_onboarding(
    name: AccountName,
    variant: Variant = Variant.AUTOMATED,
    features: list[Feature] = EVERYDAY,
    vpc_id: VpcIdOrNone = "",
    instance_profile: InstanceProfileOrNone = "",
) -> None:
    """Show what to set up in an AWS account before it is connected: external id, trust policy, permission policies.

    The same name gets the same external id again; nobody chooses it. Nothing is made in any account.

    Args:
        name: What you will call the account here.
        variant: automated: Groundwork makes networks, roles and disks by itself. restricted: it works in a network and
            with an instance profile that you made.
        features: What Groundwork may do beyond clusters; each is a policy of its own that you can leave out.
        vpc_id: The network of the restricted variant.
        instance_profile: The name of the nodes' instance profile in the restricted variant.
    """
    ours = who_we_are()
    with one_writer_of(name):
        account = invite(name, variant, features, vpc_id, instance_profile)
    show_invitation(account, ours)


@sentence(name="create-aws-role", run_name="create-role-for-{account.name}")
def create_aws_role(account: AwsAccount, one_time_keys: AccessKeys, role_name: OurRoleName = DEFAULT_ROLE) -> None:
    """Create the role in your AWS account for you, with keys that are used once and then removed from Prefect.

    The role exists already, the keys are not valid, the keys may not do it: each has its own answer, and in none of
    them is anything left in IAM.

    Args:
        account: The account, as show-aws-onboarding wrote it.
        one_time_keys: Keys of somebody who may create roles there. Their block is removed at the end, whatever happens.
        role_name: What the role shall be called; it begins with groundwork-.
    """
    with using_up(one_time_keys), one_writer_of(account.name):
        account, ours = read_again(account), who_we_are()
        with falling_back_on_hands(account, ours):
            arn = make_role(account, one_time_keys, role_name, ours)
        show_role(account, arn)


@sentence(name="onboard-aws-account", run_name="onboard-{account.name}")
def onboard_aws_account(
    account: AwsAccount,
    account_id: AwsAccountId,
    default_region: Region = "us-east-1",
    role_arn: RoleArnOrNone = "",
    access_keys: AccessKeys | None = None,
) -> None:
    """Connect an AWS account: by a role that Groundwork may assume (better), or by access keys.

    Run it again at any time with what has changed; it ends with the same checks as verify-account.

    Args:
        account: The account, as show-aws-onboarding wrote it.
        account_id: The AWS account's number, 12 digits.
        default_region: Where its clusters stand when nobody says otherwise.
        role_arn: The role that you made from what show-aws-onboarding showed, or that create-aws-role made.
        access_keys: Instead of a role: keys of a user with the same policies. Anybody who gets hold of such keys can
            use them from anywhere until you delete them: a role is safer.
    """
    with one_writer_of(account.name):
        account = enter(read_again(account), account_id, default_region, role_arn, access_keys)
        _examine(account)


@sentence(name="verify-account", run_name="verify-{account.name}")
def verify_account(account: AwsAccount) -> None:
    """Check an account: who we are in it, what each feature lacks by action name, quotas, images.

    What is found is an artifact of this run and stays in the account's block. The run fails when clusters cannot be
    made there.

    Args:
        account: The account.
    """
    with one_writer_of(account.name):
        _examine(read_again(account))


@sentence(name="verify-accounts", run_name="verify-accounts")
def verify_accounts() -> None:
    """Check all accounts, each in a run of its own, as every night does. Fails after the last, when one of them did."""
    ends = [verify_account(account, return_state=True) for account in list_accounts()]
    for end in ends:
        end.result()


@sentence(name="rotate-aws-credentials", run_name="rotate-{account.name}")
def rotate_aws_credentials(account: AwsAccount, access_keys: AccessKeys | None = None) -> None:
    """Change how Groundwork gets into an account, without a moment in which it cannot.

    With a role: the first run draws a new external id and shows a trust policy that takes the old and the new one; the
    second run, once the role has it, moves to the new one and shows the policy without the old. With access keys: the
    new ones are tried, then take the place of the old ones, whose block is removed; delete the old keys in IAM then.

    Args:
        account: The account.
        access_keys: The new keys, for an account that is connected by keys.
    """
    with one_writer_of(account.name):
        account = read_again(account)
        ours = who_we_are()
        account = move_to_keys(account, access_keys) if access_keys else move_to_next_external_id(account)
        show_rotation(account, ours)


@sentence(name="offboard-account", run_name="offboard-{account.name}")
def offboard_account(account: AwsAccount) -> None:
    """Let an account go. Refused, with a list, while it holds anything of Groundwork's. Afterwards nothing is stored.

    Args:
        account: The account.
    """
    with one_writer_of(account.name):
        account = read_again(account)
        refuse_if_holding(account)
        forget_account(account)
    note(f"account {account.name} is forgotten; delete its role or keys in IAM, nothing here can use them any more")


def _examine(account: AwsAccount) -> None:
    proved = prove_identity(account)
    asked = [ask_permissions.submit(account), ask_quotas.submit(account), ask_images.submit(account, who_we_are())]
    found = [finding for answer in asked for finding in answer.result()]
    account = conclude(account, [*proved, *found])
    show_health(account)
    refuse_failing(account)
