"""What a run tells people: log lines, and artifacts in its tab."""

import base64
from collections.abc import Sequence

from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact
from prefect.logging import get_run_logger

from blocks.cluster import Cluster
from blocks.job import Attempt, JobRecord
from tasks import job_records
from tasks.verification import Check

MOST_PICTURES = 8
MOST_PICTURE_BYTES = 2_000_000


def note(line: str) -> None:
    """Write one line into the run's log."""
    get_run_logger().info(line)


def show_checks(cluster: Cluster, checks: Sequence[Check]) -> None:
    """Show the checks of a cluster as a table: by node, expected against got."""
    rows = [{**line.model_dump(), "good": "yes" if line.is_good else "NO"} for line in checks]
    create_table_artifact(rows, key=f"checks-{cluster.name}", description=f"Checks of cluster {cluster.name}")
    good = sum(line.is_good for line in checks)
    note(f"{good} of {len(checks)} checks are good")


def show_nodes(cluster: Cluster) -> None:
    """Show the nodes of a cluster as a table."""
    rows = [
        {"node": node.name, "address": node.address, "slots": node.slots, "up": "yes" if node.is_up else "no"}
        for node in cluster.nodes
    ]
    title = f"Cluster {cluster.name}: {cluster.state.value}, {len(rows)} nodes, {cluster.slots} slots"
    create_table_artifact(rows, key=f"nodes-{cluster.name}", description=title)
    note(title)


def show_job(job: JobRecord) -> None:
    """Show how a job ended, what ran, how each attempt went, and where its whole output and its results are kept."""
    latest, kept = job.attempt, job_records.store_of(job)
    rows = {
        "ended": f"{job.seed_state}: {job.reason}",
        "source": job.spec.source,
        "commit": job.commit,
        "the same tree on": f"{len(job.node_hashes)} nodes (sha256 {job.tree_hash[:16]})",
        "ranks": f"{latest.ranks} on {latest.nodes} nodes of {job.cluster}, {latest.threads} threads each",
        "output": _link(kept.link(job_records.output_name(job, "stdout"))),
        "errors": _link(kept.link(job_records.output_name(job, "stderr"))),
        "results": _link(kept.link(job_records.results_name(job).rstrip("/"))),
    }
    if len(job.attempts) > 1:
        rows |= {f"attempt {attempt.number}": _told_of(attempt) for attempt in job.attempts}
    table = "| | |\n|---|---|\n" + "".join(f"| {name} | {_cell(text)} |\n" for name, text in rows.items())
    ending = latest.ending
    if ending is not None and ending.last_lines:
        whose = f"rank {ending.rank}" if ending.rank >= 0 else "the program"
        table += f"\nThe last lines of {whose}'s errors:\n\n```\n{ending.last_lines.replace('```', '` ` `')}\n```\n"
    create_markdown_artifact(table, key=f"job-{job.id}", description=f"Job {job.id}: {job.reason}")
    note(f"job {job.id}: {job.reason}; all of its output is in {kept.link(job_records.output_name(job, 'stdout'))}")


def _told_of(attempt: Attempt) -> str:
    if attempt.ending is None:
        return "not ended"
    cause = f" ({attempt.ending.cause})" if attempt.ending.cause else ""
    cut = f"; {attempt.ending.cut_bytes} bytes of output were cut" if attempt.ending.cut_bytes else ""
    return f"{attempt.ending.state}{cause}: {attempt.ending.reason}{cut}"


def _link(address: str) -> str:
    return f"[{address}]({address})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def show_pictures(job: JobRecord) -> None:
    """Show the pictures (PNG) that a program left in its output folder."""
    store, folder = job_records.store_of(job), job_records.results_name(job)
    pictures = [name for name in store.names() if name.startswith(folder) and name.endswith(".png")]
    for number, name in enumerate(pictures[:MOST_PICTURES], start=1):
        picture = store.read_from(name, 0, MOST_PICTURE_BYTES + 1)
        if len(picture) <= MOST_PICTURE_BYTES:
            create_image_artifact(
                f"data:image/png;base64,{base64.b64encode(picture).decode()}",
                key=f"picture-{job.id}-{number}",
                description=f"{name.rpartition('/')[2]} of job {job.id}",
            )
