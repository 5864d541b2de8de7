"""What is remembered of jobs, outside Prefect and outside their clusters: in the store that each job names.

A job's names there are ``job.json``, the record; ``requirements.json``, if its source asks for Python packages; and
in ``attempt-1``, ``attempt-2``...: ``stdout.log``, ``stderr.log``, ``output`` with what the program left, and ``ranks``
where each rank's output was asked for.
"""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from blocks.errors import NotFound
from blocks.job import Ending, JobRecord, JobSpec, JobState
from blocks.job_store import DEFAULT_STORE, JobStore
from tasks import documents
from tasks.home import home
from tasks.stores import base
from tasks.stores.choosing import store_for

_RECORD = "job.json"


def store_named(block: JobStore | None) -> str:
    """Return the document's name of the store that a job is kept in from now on; empty: this machine's folder."""
    if block is not None:
        return str(block._block_document_name)  # noqa: SLF001
    return DEFAULT_STORE if documents.load(JobStore, DEFAULT_STORE) is not None else ""


def stores(name: str) -> base.JobStores:
    """Return where jobs are kept, by the document's name.

    Raises:
        NotFound: There is no such document.
    """
    block = documents.load(JobStore, name) if name else None
    if name and block is None:
        raise NotFound("there is no such job store", where=f"job-store/{name}", advice="Make its block again.")
    return store_for(block, or_default=False)


def store_of(job: JobRecord) -> base.JobStore:
    """Return the store of one job; in one process always the same object, for what it appends waits in it."""
    return _of(job.store, job.id, home())


@cache
def _of(store: str, job_id: str, _home: Path) -> base.JobStore:
    return stores(store).of(job_id)


def find(store: str, job_id: str) -> JobRecord | None:
    """Return a job's record as it is kept, or None."""
    kept = _of(store, job_id, home()).read(_RECORD)
    return None if kept is None else JobRecord.model_validate_json(kept)


def claim(store: str, job_id: str, spec: JobSpec, **known: Any) -> JobRecord:
    """Write a job's record before anything is done for it, or return the one that an earlier try wrote."""
    found = find(store, job_id)
    if found is not None:
        return found
    return _write(JobRecord(id=job_id, store=store, spec=spec, created_at=datetime.now(UTC), **known))


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


def output_name(job: JobRecord, stream: str) -> str:
    """Return the name of the whole of the latest attempt's ``stdout`` or ``stderr``."""
    return _name(job, f"{stream}.log")


def results_name(job: JobRecord, path: str = "") -> str:
    """Return the name of what the program left in its output folder in the latest attempt."""
    return _name(job, f"output/{path}")


def ranks_name(job: JobRecord, path: str) -> str:
    """Return the name of a file of the latest attempt that is one rank's output, as ``3.stdout.log``."""
    return _name(job, f"ranks/{path}")


def _name(job: JobRecord, path: str) -> str:
    return f"attempt-{job.attempt.number}/{path}"


def _write(job: JobRecord) -> JobRecord:
    store_of(job).write(_RECORD, job.model_dump_json(indent=2).encode())
    return job
