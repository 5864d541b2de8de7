"""What holds however a job's run ends: no rank is left, and the record says why."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from blocks.cluster import Cluster
from blocks.errors import GroundworkError
from blocks.job import Ending, JobRecord, JobState
from tasks import job_records
from tasks.entry import leave, runner_to
from tasks.telling import note


@contextmanager
def no_rank_left(job: JobRecord, cluster: Cluster) -> Iterator[None]:
    """Cancel the program when the run that follows it is cancelled or fails; a killed run reaches neither.

    Cancellation arrives as a ``BaseException`` in the middle of anything, so the old sessions are given up.
    """
    try:
        yield
    except BaseException:
        leave(cluster)
        with suppress(GroundworkError):
            runner_to(cluster).cancel(job.attempt_id)
            note(f"{job.attempt_id} was ended; no rank of it is left")
        raise


@contextmanager
def remembered(job: JobRecord) -> Iterator[None]:
    """Write the end of a run that did not come to settle its job."""
    try:
        yield
    except BaseException as error:
        kept = job_records.find(job.store, job.id) or job
        if kept.ending is None:
            job_records.end(kept, _ending(error))
        raise


def _ending(error: BaseException) -> Ending:
    if isinstance(error, GroundworkError):
        return Ending(state=JobState.FAILED, reason=str(error))
    if isinstance(error, Exception):
        return Ending(state=JobState.FAILED, reason=f"{type(error).__name__}: {error}")
    return Ending(state=JobState.CANCELLED, reason="the run was cancelled")
