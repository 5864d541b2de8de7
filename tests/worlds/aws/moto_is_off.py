"""Where answers break the service's model and are let through all the same, each with its reason."""

import functools
import re

KNOWN: tuple[tuple[str, str, str], ...] = (
    ("ec2:.*", r"\.Platform: 'windows' is none of Windows", "AWS itself answers in small letters"),
    ("ec2:.*VpcEndpoints?", r"\.State: '[a-z]+' is none of Available", "AWS itself answers in small letters"),
    ("ec2:.*NetworkInterfaces?", r"\.InterfaceType: 'nat_gateway' is none of ", "AWS itself answers so"),
    ("ec2:DescribeInternetGateways", r"\.State: 'available' is none of", "AWS's documentation tells this state"),
    ("ec2:CreateNetworkInterface", r"\.Status: 'pending' is none of", "AWS's documentation shows this state"),
    ("ec2:DescribeInstanceTypes", r"'metal-compatibility' is none of", "AWS's data are newer than the model"),
    ("dynamodb:.*Table", r"NumberOfDecreasesToday: 0 is outside", "AWS itself answers 0 where requests are paid for"),
    (
        "ssm:DeleteParameters",
        r"DeletedParameters: its length 0 is",
        "AWS's shape is the request's; its answer is empty",
    ),
)
"""(operation, what the model check says of it, both regular expressions; why it is let through)."""


@functools.cache
def moto_is_off(operation: str, what: str) -> bool:
    """Tell whether this fault in an answer is a known one."""
    return any(re.fullmatch(name, operation) and re.search(pattern, what) for name, pattern, _ in KNOWN)
