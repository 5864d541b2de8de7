"""Tell a Prefect server what we have: block types, the default account, the pool, the deployments.

Safe to run again: what people changed in a document stays as it is. Run as ``python -m deployments.register``, it
talks to the server that ``PREFECT_API_URL`` names.
"""

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.errors import GroundworkError, UserError
from deployments.settings import NO_PHONING_HOME, POOL, ROOT
from deployments.telling import command, say

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

PREFECT_YAML = Path(__file__).with_name("prefect.yaml")

THIS_MACHINE = "this-machine"

RUNS_AT_ONCE = 16
"""Flow runs in the pool at most: each is a Python process of about 150 MB."""


def entrypoints() -> set[str]:
    """Return the entrypoints of all our deployments."""
    return set(re.findall(r"^ +entrypoint: (\S+)$", PREFECT_YAML.read_text(), re.MULTILINE))


def register() -> None:
    """Register everything with the server of the environment.

    Raises:
        GroundworkError: `prefect deploy` failed; its last line is told.
    """
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        _ensure_pool(client)
        # It takes seconds, most of them its start: the blocks are registered meanwhile.
        with _deploying() as deploying:
            _register_blocks(client)
            printed, _ = deploying.communicate()
    if deploying.returncode != 0:
        raise GroundworkError(_last_line(printed), where="prefect deploy", advice="Its whole output is above.")


def _ensure_pool(client: "SyncPrefectClient") -> None:
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(
        name=POOL, type=ProcessWorker.type, base_job_template=template, concurrency_limit=RUNS_AT_ONCE
    )
    with suppress(ObjectAlreadyExists):
        client.create_work_pool(pool)


def _register_blocks(client: "SyncPrefectClient") -> None:
    from prefect.exceptions import ObjectNotFound
    from prefect_aws import AwsCredentials

    from blocks.aws_account import AwsAccount
    from blocks.cluster import Cluster
    from blocks.cluster_key import ClusterKey
    from blocks.git_credentials import GitCredentials
    from blocks.job_store import JobStore
    from blocks.jump_host import JumpHost
    from blocks.local_machine import Hosts, LocalMachine
    from blocks.logos import logo

    # Its own picture is somewhere on the internet, which the UI's pages do not ask.
    AwsCredentials._logo_url = str(logo("aws-credentials"))  # noqa: SLF001
    for noun in (LocalMachine, Cluster, GitCredentials, ClusterKey, JumpHost, JobStore, AwsCredentials, AwsAccount):
        noun.register_type_and_schema()
    try:
        client.read_block_document_by_name(THIS_MACHINE, LocalMachine.get_block_type_slug())
    except ObjectNotFound:
        # overwrite: a request that is tried again may find the document that its first try made.
        LocalMachine(hosts=Hosts.AUTO).save(THIS_MACHINE, overwrite=True)


def _deploying() -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_YAML)]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _last_line(printed: str) -> str:
    say(printed)
    return next((line.strip(" │╯╰─") for line in reversed(printed.splitlines()) if line.strip(" │╯╰─")), "no output")


def main() -> None:
    """Register with the server that the environment names."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        raise UserError(
            "not set", where="PREFECT_API_URL", advice="Set it to your server's API, or use `make up` for one of ours."
        )
    os.environ.update(NO_PHONING_HOME)
    register()
    say(f"Registered with {url}. Runs need a Prefect worker on pool {POOL}, on a machine that has this folder.")


if __name__ == "__main__":
    command("register", main)
