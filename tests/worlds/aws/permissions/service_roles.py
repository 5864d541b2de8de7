"""The roles that services have of themselves in an account: made at the first use, with the caller's rights.

By "Using service-linked roles" of each service.
"""

from typing import Any

from tests.worlds.aws.call import Call
from tests.worlds.aws.permissions import attached
from tests.worlds.aws.permissions.needs import Need

NAMES = {
    "ec2fleet": "EC2Fleet",
    "elasticfilesystem": "AmazonElasticFileSystem",
    "elasticloadbalancing": "ElasticLoadBalancing",
    "spot": "EC2Spot",
    "spotfleet": "EC2SpotFleet",
}
"""What they are called where the name is not simply the service's."""


def name_of(service: str) -> str:
    """Return the name of a service's role; empty where moto's own word is right."""
    known = NAMES.get(service.partition(".")[0])
    return f"AWSServiceRoleFor{known}" if known else ""


def find(account: str, service: str) -> Any:
    """Return moto's role of a service in an account; None where it is not made yet."""
    roles = list(attached.store(account).roles.values())
    return next((role for role in roles if f":role/aws-service-role/{service}/" in role.arn), None)


def need(call: Call, service: str) -> list[Need]:
    """Return the right to make the service's role; nothing where the account has it."""
    if find(call.account, service) is not None:
        return []
    arn = f"arn:aws:iam::{call.account}:role/aws-service-role/{service}/{name_of(service)}"
    return [Need("iam:CreateServiceLinkedRole", arn, {"iam:awsservicename": [service]})]


def make(account: str, service: str) -> None:
    """Make the service's role, as the service does at its first use; a second call does nothing."""
    if find(account, service) is None:
        role = attached.store(account).create_service_linked_role(service, "", "")
        role.name = name_of(service) or role.name
