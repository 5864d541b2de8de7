"""The attempts at a job's program: begun, launched, followed, brought home, ended."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from blocks.cluster import Cluster, Node
from blocks.errors import NodeUnreachable, RemoteError
from blocks.job import Attempt, Cause, Ending, JobRecord, JobState
from blocks.names import seconds
from tasks import environments, job_records, job_secrets, mpi, results, telling
from tasks.bootstrap import Furniture
from tasks.entry import leave, runner_to, sessions_to
from tasks.layout import layout_of
from tasks.providers.accounts import provider_for
from tasks.run_log import RunLog
from tasks.runner import STREAMS, Launch
from tasks.steps import step

MIB = 1_048_576


def wants_attempt(job: JobRecord) -> bool:
    """Tell whether the program is to be run: for the first time, to its end, or again after it went wrong."""
    if not job.attempts or job.attempt.ending is None:
        return True
    return job.attempt.ending.cause in job.spec.retry_on and job.attempt.number <= job.spec.retries


@step("begin an attempt at {job.id}", limit_s=None)  # it may wait for as long as the user said
def begin_attempt(job: JobRecord) -> JobRecord:
    """Write down an attempt before anything is done for it, after the pause that the user asked for.

    One that has begun and not ended is gone on with; the pause counts from the end of the one before, whoever died
    meanwhile.
    """
    if job.attempts and job.attempt.ending is None:
        return job
    number = len(job.attempts) + 1
    if number > 1 and job.attempt.ended_at is not None:
        telling.note(f"attempt {number} of {job.spec.retries + 1} begins {job.spec.retry_delay} after the last one")
        _wait_until(job.attempt.ended_at + timedelta(seconds=seconds(job.spec.retry_delay)))
    return job_records.change(job, JobState.RUNNING, attempts=[*job.attempts, Attempt(number=number)])


def _wait_until(moment: datetime) -> None:
    while (left_s := (moment - datetime.now(UTC)).total_seconds()) > 0:
        time.sleep(min(left_s, 1.0))  # short: a cancellation is heard in between


@step("launch {job.attempt_id} on {cluster.name}")
def launch(job: JobRecord, cluster: Cluster) -> JobRecord:
    """Start mpiexec on the head, detached: it goes on whatever happens to us. A second call starts nothing.

    The attempt before is ended first where we could not see its end: never do two run.

    Raises:
        BadInput: The cluster changed, and there is no room for the job any more; or a secret is gone.
        RemoteError: The head does not answer, or cannot keep what was asked for.
    """
    runner = runner_to(cluster)
    if runner.status(job.attempt_id).is_launched:
        telling.note(f"{job.attempt_id} was launched before; following it")
        return job
    if job.attempt.number > 1:
        runner.cancel(f"{job.id}/attempt-{job.attempt.number - 1}")
    layout = layout_of(job.spec, cluster.nodes)
    place = Furniture(cluster.require_ground().shared)
    about = {"ranks": layout.ranks, "nodes": len(layout.nodes), "threads": layout.threads}
    job = job_records.change_attempt(job, started_at=datetime.now(UTC), **about)
    output = place.job(job.attempt_id, "output")
    sessions_to(cluster).to(cluster.head).run(["mkdir", "-p", output])
    told = {
        "GROUNDWORK_OUTPUT": output,
        "GROUNDWORK_ATTEMPT": str(job.attempt.number),
        "OMP_NUM_THREADS": str(layout.threads),
    }
    runner.submit(
        Launch(
            job_id=job.attempt_id,
            argv=mpi.program(job.spec.command, raw=job.spec.raw),
            workdir="/".join(filter(None, [place.source(job.id, job.tree_hash), job.folder])),
            python=environments.python_of(job.environment_hash, cluster.require_ground()),
            ranks=layout.ranks,
            layout=layout,
            environment=told | job.spec.environment,
            secrets=job_secrets.load(job.spec),
            output_per_rank=job.spec.output_per_rank,
            output_limit_bytes=job.spec.output_limit_mib * MIB,
            timeout_s=seconds(job.spec.timeout),
        )
    )
    telling.note(f"{layout.ranks} ranks on {len(layout.nodes)} nodes")
    return job


@step("follow {job.attempt_id}", limit_s=None)
def follow(job: JobRecord, cluster: Cluster) -> Ending:
    """Keep and show the program's output until it ends. After a lost connection it goes on where it was."""
    names = {stream: job_records.output_name(job, stream) for stream in STREAMS}
    log = RunLog(job_records.store_of(job), names)
    try:
        return runner_to(cluster).follow(job.attempt_id, log)
    except NodeUnreachable:
        leave(cluster)
        if _head_is_down(cluster):
            return _lost_with(cluster.head)
        raise
    finally:
        log.close()


def _lost_with(head: Node) -> Ending:
    return Ending(
        state=JobState.FAILED,
        reason=f"{head.name} was lost while the job ran",
        cause=Cause.INFRASTRUCTURE,
        node=head.name,
        node_lost=True,
    )


def _head_is_down(cluster: Cluster) -> bool:
    up = {node.index for node in provider_for(cluster.spec.account).nodes(cluster) if node.is_up}
    return cluster.head.index not in up


@step("bring home the results of {job.attempt_id}")
def collect(job: JobRecord, cluster: Cluster, ending: Ending) -> None:
    """Keep what the program left in its output folder, and each rank's output if asked for; also when it failed."""
    job = job_records.change(job, JobState.COLLECTING, reason=ending.reason)
    if ending.node_lost and ending.node == cluster.head.name:
        telling.note("the head is gone: what the program left on the shared folder stays there")
        return
    head, place = sessions_to(cluster).to(cluster.head), Furniture(cluster.require_ground().shared)
    results.bring_home(head, place.job(job.attempt_id, "output"), partial(_keep, job, job_records.results_name))
    if job.spec.output_per_rank:
        results.bring_home(head, place.job(job.attempt_id, "ranks"), partial(_keep, job, job_records.ranks_name))


def _keep(job: JobRecord, name_of: Callable[[JobRecord, str], str], name: str, path: Path) -> None:
    job_records.store_of(job).keep_file(name_of(job, name), path)


def lost_by(error: RemoteError) -> Ending:
    """Return the end of an attempt that a node spoiled, and not the program."""
    return Ending(state=JobState.FAILED, reason=str(error), cause=Cause.INFRASTRUCTURE)


def end_attempt(job: JobRecord, ending: Ending) -> JobRecord:
    """Write how an attempt ended, whose output is whole now, and say it where another one follows."""
    for stream in STREAMS:
        job_records.store_of(job).finish(job_records.output_name(job, stream))
    job = job_records.change_attempt(job, ended_at=datetime.now(UTC), ending=ending)
    if not wants_attempt(job):
        return job
    telling.note(f"{job.attempt_id}: {ending.reason}; it is tried again")
    return job_records.change(job, JobState.TO_BE_RETRIED, reason=ending.reason)
