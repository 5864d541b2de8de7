"""What Groundwork's own identity may do in its own account: come into other accounts, make images and share them.

Accounts that are connected have policies of their own. Without images, the first right is enough.
"""

from typing import Any

from blocks.aws_account import Feature
from tasks.providers.aws.policies.rights import Right, rights_in
from tasks.providers.aws.policies.statements import statements_of

_TABLE: tuple[tuple[str, str], ...] = (
    ("", "sts:AssumeRole : role"),
    ("", "ec2:DescribeImages DescribeInstances DescribeInstanceTypes DescribeSecurityGroups DescribeSubnets *"),
    ("", "ec2:RunInstances : image security-group subnet"),
    # A copy's source is in another region, where conditions on its tags do not reach; it is ours by its owner.
    ("", "ec2:CopyImage : image"),
    ("born:CopyImage", "ec2:CreateTags : image snapshot"),
    (
        "new",
        """
        ec2:CreateImage : image snapshot
        ec2:RunInstances : instance network-interface volume
        """,
    ),
    (
        "ours",
        """
        ec2:CreateImage StopInstances TerminateInstances : instance
        ec2:ModifyImageAttribute : image
        """,
    ),
)
"""Conditions, and lines of ``service:Action Action : thing thing``."""


def installation_rights() -> list[Right]:
    """Return every right of the identity."""
    return rights_in(Feature.CLUSTERS, _TABLE)


def installation_policy(installation: str = "*") -> dict[str, Any]:
    """Return the policy for the Prefect worker's own identity, as JSON; it fits into an inline policy.

    Args:
        installation: The value that our tag must have; ``*``: any.
    """
    bounds = {"account_id": "*", "installation": installation}
    return {"Version": "2012-10-17", "Statement": statements_of(installation_rights(), bounds, "Groundwork")}
