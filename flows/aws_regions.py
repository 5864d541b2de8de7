"""Preparing a region of an AWS account for clusters."""

from blocks.aws_account import AwsAccount
from blocks.names import Region
from tasks.aws_accounts import read_again
from tasks.aws_regions import finish_region, lay_region
from tasks.steps import sentence
from tasks.telling import note


@sentence(name="prepare-aws-region", run_name="prepare-{account.name}-{region}")
def prepare_aws_region(account: AwsAccount, region: Region = "us-east-1") -> None:
    """Make what all clusters of a region share: network, shared files, key, state bucket, role of the nodes.

    The first cluster of a region does the same by itself; a region that was prepared before gets its first cluster a
    minute sooner. A second run looks at every single thing, and makes again what is missing.

    Args:
        account: The account.
        region: The AWS region, as us-east-1.
    """
    account = read_again(account)
    ground = lay_region(account, region, again=True)
    note(f"network {ground.vpc_id}, shared files {ground.file_system_id}, bucket {ground.bucket}")
    finish_region(account, ground)
