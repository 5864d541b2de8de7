"""The steps of a job: checked, claimed, checked out, settled. In between are its attempts: ``tasks/attempts.py``."""

import shutil
import tempfile
from itertools import count
from pathlib import Path

from prefect.context import FlowRunContext

from blocks.cluster import Cluster, State
from blocks.errors import BadInput, CommandFailed, WrongState
from blocks.git_credentials import GitCredentials
from blocks.job import JobRecord, JobSpec, JobState
from blocks.job_store import JobStore
from tasks import checkout, environments, job_records, job_secrets, mpi, requirements, sources, telling
from tasks.bootstrap import Furniture, warm_up
from tasks.entry import runner_to, sessions_to
from tasks.layout import layout_of
from tasks.runner import raise_for
from tasks.steps import step

OURS = ("GROUNDWORK_", "PMI_", "HYDRA_", "HYDI_")


@step("check what was asked for")
def check_job(spec: JobSpec, cluster: Cluster | None, nodes: int, credentials: GitCredentials | None) -> None:
    """Refuse what cannot run, before anything is made.

    Raises:
        AccessDenied, BadInput, WrongState: With the field.
    """
    sources.check(spec, cluster, credentials)
    mpi.program(spec.command, raw=spec.raw)
    _check_variables(spec)
    if (cluster is None) == (nodes == 0):
        raise BadInput(
            "give either a cluster that runs, or in `nodes` the size of a new one for this job alone", where="cluster"
        )
    if cluster is not None:
        _check_cluster(spec, cluster)


def _check_variables(spec: JobSpec) -> None:
    for field, names in (("environment", spec.environment), ("secrets", spec.secrets)):
        for name in names:
            if name.startswith(OURS):
                raise BadInput(f"{name} is set by Groundwork or MPI itself", where=field, advice="Use another name.")
    for name in spec.environment:
        if name in spec.secrets:
            raise BadInput(f"{name} is among the secrets too", where="environment", advice="Give it once.")
    job_secrets.load(spec)


def _check_cluster(spec: JobSpec, cluster: Cluster) -> None:
    if cluster.state is not State.RUNNING:
        raise WrongState(
            f"{cluster.name} is {cluster.state}, not running", where="cluster", advice="Use start-cluster."
        )
    layout_of(spec, cluster.nodes)


@step("claim the job {spec.name}")
def claim_job(spec: JobSpec, cluster: Cluster | None, store: JobStore | None) -> JobRecord:
    """Write the job's record, or find the one of an earlier try of this run that did not come to its end.

    A try that did end badly is left as it is: the next one gets a number of its own.
    """
    run, kept_in = _flow_run_id(), job_records.store_named(store)
    first = f"{spec.name}-{run[:8]}"
    for number in count(1):
        job = job_records.claim(
            kept_in,
            first if number == 1 else f"{first}-{number}",
            spec,
            flow_run=run,
            cluster=cluster.name if cluster else f"{spec.name[:23]}-{run[:8]}",
            own_cluster=cluster is None,
        )
        if job.ending is None or job.ending.state is JobState.FINISHED:
            telling.note(f"job {job.id}")
            return job
    raise AssertionError("unreachable")


def _flow_run_id() -> str:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise WrongState("a job runs inside a flow run only")
    return str(context.flow_run.id)


def is_checked_out(job: JobRecord, cluster: Cluster) -> bool:
    """Tell whether an earlier try of this run put the program onto the cluster: the same one is run then."""
    return bool(job.node_hashes) and job.cluster_uuid == cluster.uuid


@step("warm the sessions of {cluster.name}", limit_s=None)  # its parts have limits; a thread cannot be interrupted
def warm_sessions(cluster: Cluster) -> None:
    """Open what the launch will need while the source is checked out."""
    head = sessions_to(cluster).to(cluster.head)
    warm_up(head, cluster)
    runner_to(cluster)


@step("check out {job.spec.source}")
def check_out(job: JobRecord, cluster: Cluster, credentials: GitCredentials | None) -> JobRecord:
    """Fetch the source here and put the same tree onto the cluster, told by a hash that every node agrees on.

    Credentials are used here only; no node ever sees them.

    Raises:
        SourceRefused: The repository, reference, folder, objects or credentials are not as asked.
        RequirementsRefused: It asks for more than packages of an index.
    """
    job = job_records.change(job, JobState.CHECKOUT, cluster_uuid=cluster.uuid)
    place = Furniture(cluster.require_ground().shared)
    tree = Path(tempfile.mkdtemp(prefix="groundwork-"))
    try:
        fetched = sources.take(job.spec, cluster, credentials, into=tree / "source")
        if fetched.hint:
            telling.note(fetched.hint)
        environments.note(job_records.store_of(job), requirements.found(tree / "source", fetched.folder))
        sessions = sessions_to(cluster)
        checkout.ship(tree / "source", sessions.to(cluster.head), place.source(job.id, fetched.tree_hash))
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    telling.note(f"{fetched.repository} at {fetched.commit}")
    return job_records.change(
        job,
        JobState.CHECKOUT,
        commit=fetched.commit,
        folder=fetched.folder,
        tree_hash=fetched.tree_hash,
        node_hashes=_same_hashes(job, cluster, fetched.tree_hash),
        environment_hash="",
    )


def _same_hashes(job: JobRecord, cluster: Cluster, wanted: str) -> dict[str, str]:
    everyone = sessions_to(cluster).to_all(cluster.nodes)
    ground = cluster.require_ground()
    hashes = checkout.hash_on(everyone, ground.python, Furniture(ground.shared).source(job.id, wanted))
    others = [node for node, seen in hashes.items() if seen != wanted]
    if others:
        raise CommandFailed("sees another source than was checked out", where=", ".join(others))
    return hashes


def wants_environment(job: JobRecord) -> bool:
    """Tell whether the source of a job asks for Python packages of its own that it was not yet given."""
    return not job.environment_hash and environments.noted(job_records.store_of(job)) is not None


@step("environment of {job.id}", limit_s=None)
def provide_environment(job: JobRecord, cluster: Cluster) -> JobRecord:
    """Put the Python packages that the source asks for onto the cluster, where they are not there from an earlier job.

    Raises:
        RequirementsRefused: They cannot be had; which one, and why.
    """
    wanted = environments.noted(job_records.store_of(job))
    if wanted is None:
        return job
    made = environments.ensure(wanted, sessions_to(cluster).to(cluster.head), cluster.require_ground())
    telling.note(made.says)
    return job_records.change(job, JobState.CHECKOUT, environment_hash=made.hash)


@step("say how {job.id} ended")
def settle(job: JobRecord) -> None:
    """Write how the last attempt ended as the job's end, show it, and fail the run unless it ended well.

    Raises:
        ProgramFailed, JobLost, TimedOut, JobCancelled: As it ended.
    """
    ending = job.attempt.ending
    if ending is None:
        raise WrongState("its last attempt has not ended", where=f"job {job.id}")
    job = job_records.end(job, ending)
    telling.show_job(job)
    telling.show_pictures(job)
    raise_for(ending)
