"""Running a program on a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field

from blocks.cluster import Cluster
from blocks.errors import RemoteError
from blocks.git_credentials import GitCredentials
from blocks.job import Cause, JobRecord, JobSpec
from blocks.job_store import JobStore
from blocks.names import (
    MOST_NODES,
    Command,
    Duration,
    Environment,
    Folder,
    MebiBytes,
    Name,
    NodeNumbers,
    Pause,
    RankCount,
    Reference,
    Retries,
    Secrets,
    SlotCount,
    SourceUrl,
)
from flows.cluster_life import delete_cluster
from flows.local_clusters import create_local_cluster
from tasks.attempts import begin_attempt, collect, end_attempt, follow, launch, lost_by, wants_attempt
from tasks.entry import entered
from tasks.job_ending import no_rank_left, remembered
from tasks.jobs import (
    check_job,
    check_out,
    claim_job,
    is_checked_out,
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
    secrets: Secrets = {},  # noqa: B006
    timeout: Duration = "60m",
    retries: Retries = 0,
    retry_delay: Pause = "1m",
    retry_on: list[Cause] = [Cause.PROGRAM, Cause.INFRASTRUCTURE],  # noqa: B006
    ranks: RankCount = 0,
    ranks_per_node: SlotCount = 0,
    only_on: NodeNumbers = [],  # noqa: B006
    raw: bool = False,
    submodules: bool = False,
    output_per_rank: bool = False,
    output_limit_mib: MebiBytes = 0,
    store: JobStore | None = None,
) -> None:
    """Check a program out of git or S3 and run it with mpiexec over a cluster's slots.

    Its output is shown here while it runs and kept whole in a file; what it leaves in the folder named by
    GROUNDWORK_OUTPUT is kept too. A run that was killed follows the same program when it is retried.
    Packages that a requirements.txt or pyproject.toml in its folder names are installed for it.

    Args:
        name: The job's name: small letters, digits and dashes, 32 at most.
        source: The git repository as in the browser's address bar; /tree/BRANCH/FOLDER is understood. Or, for a
            cluster in an AWS account, s3://bucket/folder/ or an archive as s3://bucket/program.tar.gz.
        command: The program and its arguments, without mpiexec and python, as in `ex.py 1`.
        cluster: A cluster that runs. Leave it empty to give `nodes`.
        nodes: The size of a new cluster for this job alone, removed when the job ends. 0: use `cluster`.
        reference: A branch, tag or commit. Empty: what the source's address says, or else the default branch.
        folder: The folder of the repository, or of what lies in S3, to run in.
        credentials: Who to be to the git server. Empty: nobody.
        environment: Environment variables for every rank. Not for secrets: they are stored with the run.
        secrets: Environment variables for every rank, each with the name of the Secret block that holds its value.
        timeout: When to end an attempt at the program, as 90s, 60m or 2h.
        retries: How many times the program is tried again when it went wrong.
        retry_delay: How long to wait before that, as 0s, 90s or 10m.
        retry_on: What went wrong: the program, its time limit, or the infrastructure (a lost node).
        ranks: How many ranks; 0 means one for every slot that may be taken.
        ranks_per_node: How many ranks a node gets at most; 0 means one for every slot. Fewer get more threads each.
        only_on: The numbers of the nodes to take, 1 for the head. Empty: all.
        raw: Give the command to mpiexec as it is, without python in front.
        submodules: Check out the repository's submodules too.
        output_per_rank: Keep each rank's output in files of its own too.
        output_limit_mib: How many MiB of each stream are kept; the rest is cut, and a line says so. 0: all is kept.
        store: Where the job's record, output and results are kept. Empty: as the document `default` says, if there is
            one, or else in a folder of the Prefect worker's machine.
    """
    spec = JobSpec(
        name=name,
        source=source,
        command=command,
        reference=reference,
        folder=folder,
        environment=environment,
        secrets=secrets,
        timeout=timeout,
        retries=retries,
        retry_delay=retry_delay,
        retry_on=retry_on,
        ranks=ranks,
        ranks_per_node=ranks_per_node,
        only_on=only_on,
        raw=raw,
        submodules=submodules,
        output_per_rank=output_per_rank,
        output_limit_mib=output_limit_mib,
    )
    check_job(spec, cluster, nodes, credentials)
    job = claim_job(spec, cluster, store)
    with remembered(job), _place_for(job, cluster, nodes) as place, entered(place):
        if not is_checked_out(job, place):
            warm = warm_sessions.submit(place)
            job = check_out(job, place, credentials)
            warm.result()
        if wants_environment(job):
            job = provide_environment(job, place)
        while wants_attempt(job):
            job = _attempt(job, place)
        settle(job)


def _attempt(job: JobRecord, place: Cluster) -> JobRecord:
    """Run the program once; follow it, instead, where an earlier try of this run launched it."""
    job = begin_attempt(job)
    try:
        with no_rank_left(job, place):
            job = launch(job, place)
            ending = follow(job, place)
        collect(job, place, ending)
    except RemoteError as error:
        ending = lost_by(error)
    return end_attempt(job, ending)


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
