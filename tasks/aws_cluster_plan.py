"""The steps before an AWS cluster is made: plan it, show the plan, refuse what cannot be."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from prefect.blocks.core import Block

from blocks.aws_account import AwsAccount
from blocks.aws_cluster import Architecture, AwsClusterSpec
from blocks.errors import NameTaken
from tasks import records
from tasks.installation import installation
from tasks.providers.accounts import aws_provider_for
from tasks.providers.aws import choices, plan
from tasks.providers.aws.findings import error
from tasks.providers.aws.session import AwsSession, Service, home_account, shared_session_of
from tasks.steps import step

_CLIENTS: tuple[Service, ...] = ("ec2", "service-quotas", "efs", "kms", "iam", "s3", "ssm")
"""In the order in which they are needed."""


@step("plan {spec.name}")
def plan_cluster(spec: AwsClusterSpec, account: AwsAccount) -> plan.Plan:
    """Return what would be made for a cluster, what it costs and needs, and what stands in its way. Nothing is made.

    A cluster that an earlier run began counts as its own: what it has is not needed again.

    Raises:
        CredentialsInvalid: AWS does not know us.
        WrongState: The account is not connected.
    """
    session = shared_session_of(account)
    with ThreadPoolExecutor() as side:
        ours, entered = side.submit(home_account), side.submit(session.enter)
        side.submit(_build_clients, session, spec.region)
        side.submit(aws_provider_for, spec.account)  # kept for the steps that follow
        found, us = records.find(spec.name), installation()
        is_begun = found is not None and found.spec.digest == spec.digest
        asker = plan.Asker(session, account, ours.result(), us, is_begun)
        entered.result()
        made = plan.make(asker, spec)
    if found is None or is_begun:
        return made
    taken = error("name", f"there is a cluster {spec.name} with another definition", "Choose another.", kind=NameTaken)
    return replace(made, findings=(taken, *made.findings))


def _build_clients(session: AwsSession, region: str) -> None:
    """Build all clients that a cluster needs while AWS answers who we are: that takes 0.2 s, as long as the answer."""
    for service in _CLIENTS:
        session.client(service, region)


@step("list what {account.name} is offered in {region}")
def ask_choices(account: AwsAccount, region: str, wanted: choices.Wishes) -> choices.Choices:
    """Return what a cluster's form can be filled in with, as the account tells it; where there is nothing, why."""
    return choices.of_account(shared_session_of(account), home_account(), region, wanted)


def wishes(family: str, zone: str, architecture: Architecture, *, efa: bool, gpu: bool) -> choices.Wishes:
    """Return which types of nodes are wanted."""
    kind = "" if architecture is Architecture.ANY else architecture.value
    return choices.Wishes(family=family, zone=zone, efa=efa, gpu=gpu, architecture=kind)


def name_of(block: Block | None) -> str:
    """Return the name of a block's document; empty where there is none."""
    return "" if block is None else block._block_document_name or ""  # noqa: SLF001
