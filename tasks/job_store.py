"""What is kept of jobs, outside Prefect and outside their clusters: record, output and results, one folder a job."""

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


def end(job: JobRecord, ending: Ending) -> JobRecord:
    """Write how a job ended."""
    return change(job, ending.state, reason=ending.reason, ending=ending, ended_at=datetime.now(UTC))


def output_file(job: JobRecord, stream: str) -> Path:
    """Return the file that keeps the whole of ``stdout`` or ``stderr``."""
    return job_folder(job.id) / f"{stream}.log"


def results_folder(job: JobRecord) -> Path:
    """Return the folder that keeps what the program left in its output folder."""
    return job_folder(job.id) / "output"


def _write(job: JobRecord) -> JobRecord:
    path = job_folder(job.id) / _RECORD
    part = path.with_suffix(".part")
    part.write_text(job.model_dump_json(indent=2))
    part.replace(path)
    return job
