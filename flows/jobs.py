"""Running a program on a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field

from blocks.cluster import Cluster
from blocks.git_credentials import GitCredentials
from blocks.job import JobRecord, JobSpec
from blocks.names import MOST_NODES, Command, Duration, Environment, Folder, Name, Reference, SourceUrl
from flows.cluster_life import delete_cluster
from flows.local_clusters import create_local_cluster
from tasks.entry import entered
from tasks.job_ending import no_rank_left, remembered
from tasks.jobs import (
    check_job,
    check_out,
    claim_job,
    collect,
    follow,
    is_launched,
    launch,
    provide_environment,
    settle,
    wants_environment,
    warm_sessions,
)
from tasks.records import find, read
from tasks.steps import sentence


@sentence(name="run-job", run_name="run-{name}")
def run_job(
    name: Name,
    source: SourceUrl,
    command: Command,
    cluster: Cluster | None = None,
    nodes: Annotated[int, Field(ge=0, le=MOST_NODES)] = 0,
    *,
    reference: Reference = "",
    folder: Folder = "",
    credentials: GitCredentials | None = None,
    environment: Environment = {},  # noqa: B006
    timeout: Duration = "60m",
    ranks: Annotated[int, Field(ge=0, le=51200)] = 0,
    raw: bool = False,
    submodules: bool = False,
) -> None:
    """Check a program out of git and run it with mpiexec over a cluster's slots.

    Its output is shown here while it runs and kept whole in a file; what it leaves in the folder named by
    GROUNDWORK_OUTPUT is kept too. A run that was killed follows the same program when it is retried.
    Packages that a requirements.txt or pyproject.toml in its folder names are installed for it.

    Args:
        name: The job's name: small letters, digits and dashes, 32 at most.
        source: The git repository as in the browser's address bar; /tree/BRANCH/FOLDER is understood.
        command: The program and its arguments, without mpiexec and python, as in `ex.py 1`.
        cluster: A cluster that runs. Leave it empty to give `nodes`.
        nodes: The size of a new cluster for this job alone, removed when the job ends. 0: use `cluster`.
        reference: A branch, tag or commit. Empty: what the source's address says, or else the default branch.
        folder: The folder of the repository to run in.
        credentials: Who to be to the git server. Empty: nobody.
        environment: Environment variables for every rank. Not for secrets: they are stored with the run.
        timeout: When to end the program, as 90s, 60m or 2h.
        ranks: How many ranks; 0 means one for every slot of the cluster.
        raw: Give the command to mpiexec as it is, without python in front.
        submodules: Check out the repository's submodules too.
    """
    spec = JobSpec(
        name=name,
        source=source,
        command=command,
        reference=reference,
        folder=folder,
        environment=environment,
        timeout=timeout,
        ranks=ranks,
        raw=raw,
        submodules=submodules,
    )
    check_job(spec, cluster, nodes)
    job = claim_job(spec, cluster)
    with remembered(job), _place_for(job, cluster, nodes) as place, entered(place):
        with no_rank_left(job, place):
            if not is_launched(job, place):
                warm = warm_sessions.submit(place)
                job = check_out(job, place, credentials)
                if wants_environment(job):
                    job = provide_environment(job, place)
                warm.result()
                job = launch(job, place)
            ending = follow(job, place)
        job = collect(job, place, ending)
        settle(job, ending)


@contextmanager
def _place_for(job: JobRecord, cluster: Cluster | None, nodes: int) -> Iterator[Cluster]:
    """Give the cluster that was chosen, or make one for this job and remove it whatever happens."""
    if cluster is not None:
        yield cluster
        return
    # `.fn` makes these steps of this run: Prefect does not run a finished sub-flow again when a run is retried.
    try:
        create_local_cluster.fn(name=job.cluster, node_count=nodes)
        yield read(job.cluster)
    finally:
        made = find(job.cluster)
        if made is not None:
            delete_cluster.fn(cluster=made)
