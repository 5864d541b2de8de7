"""Cleaning a region of an AWS account."""

from typing import Annotated

from pydantic import Field

from blocks.aws_account import AwsAccount
from blocks.names import Region
from tasks.aws_accounts import read_again
from tasks.aws_cleanup import clean_region, look_at_region, refuse_while_clusters_stand
from tasks.aws_region_notes import one_at_work_in
from tasks.providers.aws.removal.deleting import Wishes
from tasks.steps import sentence
from tasks.telling import note


@sentence(name="cleanup-region", run_name="cleanup-{account.name}-{region}")
def cleanup_region(
    account: AwsAccount,
    region: Region,
    *,
    dry_run: bool = False,
    delete_bucket: bool = False,
    remove_orphans: bool = False,
    key_deletion_days: Annotated[int, Field(ge=7, le=30)] = 30,
) -> None:
    """Remove what all clusters of a region shared: network, shared files, key, parameters, role of the nodes.

    Refused, with a list, while any cluster is there, also a failed one. Run it again after a crash, or when something
    was in the way: it goes on where it ended. Afterwards nothing of ours is left there that costs anything by the hour.

    Args:
        account: The account.
        region: The AWS region, as us-east-1.
        dry_run: Show what would go and what that saves, and remove nothing.
        delete_bucket: Remove the region's bucket too, with all that is in it. Nothing brings that back.
        remove_orphans: Remove also what belongs to clusters that no record knows.
        key_deletion_days: How many days AWS keeps the encryption key, 7 to 30. Until then its deletion can be cancelled
            in AWS's console; afterwards nobody can read what was encrypted with it.
    """
    wishes = Wishes(delete_bucket=delete_bucket, remove_orphans=remove_orphans, key_deletion_days=key_deletion_days)
    account = read_again(account)
    with one_at_work_in(account.account_id, region):
        refuse_while_clusters_stand(account, region)
        look_at_region(account, region, wishes)
        if dry_run:
            note("a dry run: nothing was removed")
        else:
            clean_region(account, region, wishes)
