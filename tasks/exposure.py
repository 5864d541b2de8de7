"""The steps with what of a cluster is open to the outside."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from prefect.artifacts import create_table_artifact
from prefect.context import FlowRunContext
from prefect.events import emit_event

from blocks.aws_cluster import AwsClusterSpec, Service
from blocks.cluster import Cluster, State
from blocks.errors import BadInput
from blocks.exposure import DurationOrNone, Opening, becomes_everyone
from blocks.names import seconds
from tasks import aws_account_records
from tasks.installation import installation
from tasks.providers.aws import ports
from tasks.providers.aws.group_rules import Door
from tasks.providers.aws.naming import Owner
from tasks.providers.aws.session import shared_session_of
from tasks.steps import step
from tasks.telling import note

STANDING = tuple(state for state in State if state not in (State.REQUESTED, State.DELETING, State.DELETED))
"""The states in which a cluster has a door: stopped and failed ones, too."""


@step("open the chosen services of {cluster.name}, close the others")
def set_services(cluster: Cluster, services: Sequence[Service]) -> list[Opening]:
    """Make these services the ones that are open; return what is open then.

    Raises:
        BadInput: ssh is among them and no address was named for it, or the cluster stands on a machine.
        AccessDenied: The account does not let us.
    """
    door = _door(cluster)
    opened = ports.expose(door, services, now=datetime.now(UTC))
    for port, address in ports.opened_by_others(door, services):
        note(f"port {port} is open to {address} by a rule that is not ours: closing it is yours")
    return opened


@step("let addresses come to {cluster.name} by ssh")
def let_in(
    cluster: Cluster,
    addresses: Sequence[str],
    for_how_long: DurationOrNone,
    *,
    only_these: bool,
    confirm_everyone: bool,
) -> list[Opening]:
    """Open ssh to addresses, from now for a while or for good; return what is open then.

    Raises:
        BadInput: One is none; or they are everyone, and nobody confirmed it; or the cluster stands on a machine.
        AccessDenied: The account does not let us.
    """
    door, now = _door(cluster), datetime.now(UTC)
    added = ports.ssh_from(addresses, now + timedelta(seconds=seconds(for_how_long)) if for_how_long else None)
    kept = [] if only_these else [one for one in ports.openings(door) if one.service is Service.SSH]
    told = [one.address for one in added]
    if becomes_everyone((one.address for one in kept if not one.is_over(now)), told):
        _refuse_or_record(cluster, told, is_confirmed=confirm_everyone)
    return ports.allow(door, added, only_these=only_these, now=now)


def _refuse_or_record(cluster: Cluster, addresses: Sequence[str], *, is_confirmed: bool) -> None:
    if not is_confirmed:
        raise BadInput(
            f"{', '.join(addresses)} lets everyone try the doors of {cluster.name}",
            where="addresses",
            advice="Name your own address as 203.0.113.7/32; if you mean it, confirm_everyone.",
        )
    # Before it is done: nothing is ever open to everyone of which no event tells.
    _tell(cluster, "ssh-opened-to-everyone", {"addresses": list(addresses), "flow_run": _run()})


@step("show what of {cluster.name} is open")
def show_openings(cluster: Cluster, opened: Sequence[Opening]) -> None:
    """Show what is open to the outside as a table, and tell it as an event."""
    rows = [
        {
            "service": one.service.value,
            "port": one.port,
            "open to": one.address,
            "until": f"{one.until:%Y-%m-%d %H:%M:%S} UTC" if one.until else "closed by you",
        }
        for one in opened
    ]
    title = f"Cluster {cluster.name}: {len(rows)} openings to the outside"
    create_table_artifact(rows, key=f"exposure-{cluster.name}", description=title)
    _tell(cluster, "exposed", {"openings": [one.model_dump(mode="json") for one in opened], "flow_run": _run()})
    note(title)


def _door(cluster: Cluster) -> Door:
    spec = cluster.spec
    if not isinstance(spec, AwsClusterSpec):
        raise BadInput(f"{cluster.name} stands on a machine: nothing of it is open to the outside", where="cluster")
    account = aws_account_records.read(spec.account.partition("/")[2])
    ports.require_may_change(account, spec)
    return ports.door_of(shared_session_of(account), spec, Owner(installation(), cluster.uuid))


def _tell(cluster: Cluster, what: str, payload: dict[str, object]) -> None:
    emit_event(
        event=f"groundwork.cluster.{what}",
        resource={
            "prefect.resource.id": f"groundwork.cluster.{cluster.uuid}",
            "prefect.resource.name": cluster.name,
        },
        payload=payload,
    )


def _run() -> str:
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context and context.flow_run else ""
