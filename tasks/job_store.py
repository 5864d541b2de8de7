"""What is kept of jobs, outside Prefect and outside their clusters, one folder a job.

In it are ``job.json``, the record, and ``attempt-1``, ``attempt-2``...: ``stdout.log``, ``stderr.log``, ``output`` with
what the program left, and ``ranks`` where each rank's output was asked for.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blocks.job import Ending, JobRecord, JobSpec, JobState
from tasks.home import job_folder

_RECORD = "job.json"


def claim(job_id: str, spec: JobSpec, **known: Any) -> JobRecord:
    """Write a job's record before anything is done for it, or return the one that an earlier try wrote."""
    path = job_folder(job_id) / _RECORD
    if path.exists():
        return JobRecord.model_validate_json(path.read_text())
    return _write(JobRecord(id=job_id, spec=spec, created_at=datetime.now(UTC), **known))


def change(job: JobRecord, state: JobState, **news: Any) -> JobRecord:
    """Write a job's next state, with what else became known of it."""
    return _write(job.model_copy(update={"state": state, "seed_state": state.seed_state} | news))


def change_attempt(job: JobRecord, **news: Any) -> JobRecord:
    """Write what became known of a job's latest attempt."""
    return change(job, job.state, attempts=[*job.attempts[:-1], job.attempt.model_copy(update=news)])


def end(job: JobRecord, ending: Ending) -> JobRecord:
    """Write how a job ended, and its latest attempt where that has not ended by itself."""
    now = datetime.now(UTC)
    if job.attempts and job.attempt.ending is None:
        job = change_attempt(job, ended_at=now, ending=ending)
    return change(job, ending.state, reason=ending.reason, ending=ending, ended_at=now)


def output_file(job: JobRecord, stream: str) -> Path:
    """Return the file that keeps the whole of the latest attempt's ``stdout`` or ``stderr``. Makes its folder."""
    return _attempt_folder(job) / f"{stream}.log"


def results_folder(job: JobRecord) -> Path:
    """Return the folder that keeps what the program left in its output folder in the latest attempt."""
    return _attempt_folder(job) / "output"


def ranks_folder(job: JobRecord) -> Path:
    """Return the folder that keeps each rank's output in the latest attempt, as ``3.stdout.log``."""
    return _attempt_folder(job) / "ranks"


def _attempt_folder(job: JobRecord) -> Path:
    return job_folder(job.attempt_id)


def _write(job: JobRecord) -> JobRecord:
    path = job_folder(job.id) / _RECORD
    part = path.with_suffix(".part")
    part.write_text(job.model_dump_json(indent=2))
    part.replace(path)
    return job
