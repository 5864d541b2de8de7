"""Records of clusters: written before anything is made, read again by name, changed by one writer at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.settings import PREFECT_UI_URL

from blocks.aws_cluster import AwsClusterSpec
from blocks.cluster import Cluster, State, is_legal
from blocks.cluster_spec import ClusterSpec, LocalClusterSpec
from blocks.errors import NameTaken, NotFound, WrongState
from tasks import documents
from tasks.turns import turn


@contextmanager
def one_writer(cluster_name: str) -> Iterator[None]:
    """Hold the right to change a cluster. Others wait; the right of a killed holder lapses after a minute.

    Raises:
        TimedOut: Somebody else held it for a quarter of an hour.
    """
    with turn(f"cluster-{cluster_name}"):
        yield


@contextmanager
def changing_account(account: str, *, at_once: int = 8) -> Iterator[None]:
    """Hold one of the slots for changes in an account: a place is never asked for more than that at a time."""
    with turn("account-" + account.replace("/", "-"), at_once=at_once):
        yield


def claim(spec: LocalClusterSpec | AwsClusterSpec) -> Cluster:
    """Write a cluster's record before anything is made, or find the one that the same definition made before.

    Call it while holding ``one_writer``.

    Raises:
        NameTaken: The name belongs to a cluster with another definition.
        WrongState: It is being deleted, or stopped.
    """
    found = find(spec.name)
    if found is None:
        cluster = Cluster(spec=spec, creator=_creator())
        cluster.save(spec.name)
        _tell(cluster)
        return cluster
    if found.spec.digest != spec.digest:
        raise NameTaken(
            f"the cluster {spec.name} has another definition ({_differences(found.spec, spec)})",
            where="name",
            advice="Choose another name, or use resize-cluster.",
        )
    if found.state in (State.DELETING, State.STOPPING, State.STOPPED, State.STARTING, State.UPDATING):
        raise WrongState(f"the cluster {spec.name} exists and is {found.state}", where="name")
    if found.state is State.FAILED and found.first_ran_at is not None:
        # Building it again could end in undoing it, and its shared folder may hold somebody's work.
        raise WrongState(
            f"the cluster {spec.name} exists and failed ({found.reason})",
            where="name",
            advice="Use start-cluster, which brings its nodes back, or delete-cluster.",
        )
    return found


def _differences(old: ClusterSpec, new: ClusterSpec) -> str:
    was, now = old.model_dump(), new.model_dump()
    # A script is long, and what is in it need not be in every log.
    return ", ".join(
        "another init_script" if field == "init_script" else f"{field} {was[field]}, asked {now[field]}"
        for field in now
        if was[field] != now[field]
    )


def _creator() -> str:
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context and context.flow_run else ""


def find(name: str) -> Cluster | None:
    """Return a cluster's record as it is now, or None."""
    return documents.load(Cluster, name)


def read(name: str) -> Cluster:
    """Return a cluster's record as it is now.

    Raises:
        NotFound: There is none of that name.
    """
    cluster = find(name)
    if cluster is None:
        raise NotFound(f"there is no cluster {name}", where="cluster", advice="See `prefect block ls`.")
    return cluster


def change(cluster: Cluster, state: State, reason: str = "", **fields: Any) -> Cluster:
    """Write a cluster's next state, with what else became known of it, and tell it as an event.

    Raises:
        WrongState: A cluster cannot go from its state to that one.
    """
    if not is_legal(cluster.state, state):
        raise WrongState(f"it is {cluster.state} and cannot become {state}", where=f"cluster {cluster.name}")
    news = {"state": state, "seed_state": state.seed_state, "reason": reason, "changed_at": datetime.now(UTC)}
    for field, value in (news | fields).items():
        setattr(cluster, field, value)
    documents.overwrite(cluster)
    _tell(cluster)
    return cluster


def _tell(cluster: Cluster) -> None:
    emit_event(
        event=f"groundwork.cluster.{cluster.state.value}",
        resource={
            "prefect.resource.id": f"groundwork.cluster.{cluster.uuid}",
            "prefect.resource.name": cluster.name,
        },
        payload={"state": cluster.state.value, "seed_state": cluster.seed_state, "reason": cluster.reason},
    )


def forget(cluster: Cluster) -> None:
    """Remove a cluster's record. Removing what is gone does nothing."""
    documents.remove(Cluster, cluster.name)


def link_to(cluster: Cluster) -> str:
    """Return the address of a cluster's record in Prefect's UI, or an empty text where there is no UI."""
    place = PREFECT_UI_URL.value()
    return f"{place}/blocks/block/{cluster._block_document_id}" if place else ""  # noqa: SLF001
