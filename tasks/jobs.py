"""The steps of a job: checked, claimed, checked out, launched, followed, brought home, settled."""

import shutil
import tempfile
from itertools import count
from pathlib import Path

from prefect.context import FlowRunContext

from blocks.cluster import Cluster, State
from blocks.errors import BadInput, CommandFailed, NodeUnreachable, WrongState
from blocks.git_credentials import GitCredentials
from blocks.job import Ending, JobRecord, JobSpec, JobState
from blocks.names import seconds
from tasks import bootstrap, checkout, environments, job_store, mpi, requirements, results, source_url, telling
from tasks.entry import leave, runner_to, sessions_to
from tasks.providers.accounts import provider_for
from tasks.run_log import RunLog
from tasks.runner import Launch, raise_for
from tasks.steps import step

OURS = ("GROUNDWORK_", "PMI_", "HYDRA_", "HYDI_")


@step("check what was asked for")
def check_job(spec: JobSpec, cluster: Cluster | None, nodes: int) -> None:
    """Refuse what cannot run, before anything is made.

    Raises:
        BadInput, WrongState: With the field.
    """
    source_url.read(spec.source)
    mpi.program(spec.command, raw=spec.raw)
    for name in spec.environment:
        if name.startswith(OURS):
            raise BadInput(
                f"{name} is set by Groundwork or MPI itself", where="environment", advice="Use another name."
            )
    if (cluster is None) == (nodes == 0):
        raise BadInput(
            "give either a cluster that runs, or in `nodes` the size of a new one for this job alone", where="cluster"
        )
    if cluster is not None:
        _check_cluster(spec, cluster)


def _check_cluster(spec: JobSpec, cluster: Cluster) -> None:
    if cluster.state is not State.RUNNING:
        raise WrongState(
            f"{cluster.name} is {cluster.state}, not running", where="cluster", advice="Use start-cluster."
        )
    if spec.ranks > cluster.slots:
        raise BadInput(f"{spec.ranks} is more than the {cluster.slots} slots of {cluster.name}", where="ranks")


@step("claim the job {spec.name}")
def claim_job(spec: JobSpec, cluster: Cluster | None) -> JobRecord:
    """Write the job's record, or find the one of an earlier try of this run that did not come to its end.

    A try that did end badly is left as it is: the next one gets a number of its own.
    """
    run = _flow_run_id()
    first = f"{spec.name}-{run[:8]}"
    for number in count(1):
        job = job_store.claim(
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


def is_launched(job: JobRecord, cluster: Cluster) -> bool:
    """Tell whether an earlier try of this run launched the job: then it is followed, not started again."""
    launched = runner_to(cluster).status(job.id).is_launched
    if launched:
        telling.note(f"job {job.id} was launched before; following it")
    return launched


@step("warm the sessions of {cluster.name}", limit_s=None)  # its parts have limits; a thread cannot be interrupted
def warm_sessions(cluster: Cluster) -> None:
    """Open what the launch will need while the source is checked out."""
    head = sessions_to(cluster).to(cluster.head)
    bootstrap.warm_up(head, cluster)
    runner_to(cluster)


@step("check out {job.spec.source}")
def check_out(job: JobRecord, cluster: Cluster, credentials: GitCredentials | None) -> JobRecord:
    """Fetch the source here and put the same tree onto the cluster, told by a hash that every node agrees on.

    Credentials are used here only; no node ever sees them.

    Raises:
        SourceRefused: The repository, reference, folder or credentials are not as asked.
        RequirementsRefused: It asks for more than packages of an index.
    """
    job = job_store.change(job, JobState.CHECKOUT, cluster_uuid=cluster.uuid)
    tree = Path(tempfile.mkdtemp(prefix="groundwork-"))
    try:
        fetched = checkout.fetch(
            job.spec.source,
            reference=job.spec.reference,
            folder=job.spec.folder,
            submodules=job.spec.submodules,
            credentials=credentials,
            into=tree / "source",
            allow_file=cluster.require_ground().is_here,
        )
        if fetched.hint:
            telling.note(fetched.hint)
        environments.note(job.id, requirements.found(tree / "source", fetched.folder))
        sessions = sessions_to(cluster)
        checkout.ship(tree / "source", sessions.to(cluster.head), _folder(job, cluster, "source"))
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    telling.note(f"{fetched.repository} at {fetched.commit}")
    return job_store.change(
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
    hashes = checkout.hash_on(everyone, cluster.require_ground().python, _folder(job, cluster, "source"))
    others = [node for node, seen in hashes.items() if seen != wanted]
    if others:
        raise CommandFailed("sees another source than was checked out", where=", ".join(others))
    return hashes


def _folder(job: JobRecord, cluster: Cluster, *parts: str) -> str:
    return "/".join([bootstrap.Furniture(cluster.require_ground().shared).jobs, job.id, *parts])


def wants_environment(job: JobRecord) -> bool:
    """Tell whether the source of a job asks for Python packages of its own."""
    return environments.noted(job.id) is not None


@step("environment of {job.id}", limit_s=None)
def provide_environment(job: JobRecord, cluster: Cluster) -> JobRecord:
    """Put the Python packages that the source asks for onto the cluster, where they are not there from an earlier job.

    Raises:
        RequirementsRefused: They cannot be had; which one, and why.
    """
    wanted = environments.noted(job.id)
    if wanted is None:
        return job
    made = environments.ensure(wanted, sessions_to(cluster).to(cluster.head), cluster.require_ground())
    telling.note(made.says)
    return job_store.change(job, JobState.CHECKOUT, environment_hash=made.hash)


@step("launch {job.id} on {cluster.name}")
def launch(job: JobRecord, cluster: Cluster) -> JobRecord:
    """Start mpiexec on the head, detached: it goes on whatever happens to us. A second call starts nothing."""
    ranks = job.spec.ranks or cluster.slots
    if ranks > cluster.slots:
        raise BadInput(f"{ranks} is more than the {cluster.slots} slots of {cluster.name}", where="ranks")
    job = job_store.change(job, JobState.RUNNING, ranks=ranks, nodes=len(cluster.nodes))
    output = _folder(job, cluster, "output")
    sessions_to(cluster).to(cluster.head).run(["mkdir", "-p", output])
    runner_to(cluster).submit(
        Launch(
            job_id=job.id,
            argv=mpi.program(job.spec.command, raw=job.spec.raw),
            workdir="/".join(filter(None, [_folder(job, cluster, "source"), job.folder])),
            python=environments.python_of(job.environment_hash, cluster.require_ground()),
            ranks=ranks,
            environment=job.spec.environment | {"GROUNDWORK_OUTPUT": output},
            timeout_s=seconds(job.spec.timeout),
        )
    )
    telling.note(f"{ranks} ranks on {len(cluster.nodes)} nodes")
    return job


@step("follow {job.id}", limit_s=None)
def follow(job: JobRecord, cluster: Cluster) -> Ending:
    """Keep and show the program's output until it ends. After a lost connection it goes on where it was."""
    log = RunLog({stream: job_store.output_file(job, stream) for stream in ("stdout", "stderr")})
    try:
        return runner_to(cluster).follow(job.id, log)
    except NodeUnreachable:
        leave(cluster)
        if _head_is_down(cluster):
            reason = f"{cluster.head.name} was lost while the job ran"
            return Ending(state=JobState.FAILED, reason=reason, node=cluster.head.name, node_lost=True)
        raise
    finally:
        log.close()


def _head_is_down(cluster: Cluster) -> bool:
    up = {node.index for node in provider_for(cluster.spec.account).nodes(cluster) if node.is_up}
    return cluster.head.index not in up


@step("bring home the results of {job.id}")
def collect(job: JobRecord, cluster: Cluster, ending: Ending) -> JobRecord:
    """Keep what the program left in its output folder, also when it failed."""
    job = job_store.change(job, JobState.COLLECTING, reason=ending.reason)
    if ending.node_lost and ending.node == cluster.head.name:
        telling.note("the head is gone: what the program left on the shared folder stays there")
        return job
    head = sessions_to(cluster).to(cluster.head)
    results.bring_home(head, _folder(job, cluster, "output"), job_store.results_folder(job))
    return job


@step("say how {job.id} ended")
def settle(job: JobRecord, ending: Ending) -> None:
    """Write the end into the record, show it, and fail the run unless the program ended well.

    Raises:
        ProgramFailed, NodeLost, TimedOut, JobCancelled: As the job ended.
    """
    job = job_store.end(job, ending)
    telling.show_job(job)
    telling.show_pictures(job)
    raise_for(ending)
