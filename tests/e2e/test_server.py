"""The server as `make up` opens it: healthy, and quiet towards the outside."""

import json
import re
import sqlite3
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from pydantic import SecretStr

from blocks.git_credentials import GitCredentials
from blocks.local_machine import Hosts, LocalMachine
from deployments.register import entrypoints
from deployments.settings import POOL
from tests.worlds.flow_runs import wait_until
from tests.worlds.outward import Outward
from tests.worlds.prefect_server import PrefectServer

TINY = '''
from prefect import flow

@flow(log_prints=True)
def tiny(word: str = "nothing"):
    """Say a word.

    Args:
        word: What to say.
    """
    if word == "fail":
        raise ValueError("told to")
    print("tiny says " + word)
'''


def get(house: PrefectServer, path: str, **headers: str) -> tuple[int, str, str]:
    request = urllib.request.Request(house.house.url + path, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, answer.read().decode(), answer.headers.get("Content-Security-Policy", "")


@pytest.fixture(scope="module")
def tiny(house: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A deployment with a cron, made by `prefect deploy` in a folder of its own."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny_flow.py").write_text(TINY)
    words = ["deploy", "tiny_flow.py:tiny", "--name", "cron", "--pool", POOL, "--cron", "* * * * *"]
    house.cli("--no-prompt", *words, cwd=folder)
    yield "tiny/cron"
    house.cli("deployment", "delete", "tiny/cron")


def test_the_api_is_healthy_and_what_up_promised_is_there(house: PrefectServer) -> None:
    """OPS-01: server, block types with pictures, the default account, the pool with a Prefect worker."""
    assert get(house, "/api/health")[:2] == (200, "true")
    with get_client(sync_client=True) as client:
        assert client.read_work_pool(POOL).type == "process"
        for noun in ("cluster", "local-machine", "git-credentials", "cluster-key"):
            picture = str(client.read_block_type_by_slug(noun).logo_url)
            assert picture == f"{house.house.url}/groundwork/{noun}.svg"
            assert get(house, f"/groundwork/{noun}.svg")[1].startswith("<svg ")
    assert LocalMachine.load("this-machine").hosts is Hosts.AUTO


def test_a_cron_deployment_gets_its_runs(house: PrefectServer, tiny: str) -> None:
    """OPS-01: `prefect deploy` works, and the scheduler does: a newer SQLAlchemy silently breaks it."""
    wanted = DeploymentFilter(name=DeploymentFilterName(any_=["cron"]))
    with get_client(sync_client=True) as client:
        runs = wait_until(
            lambda: [run for run in client.read_flow_runs(deployment_filter=wanted) if run.auto_scheduled],
            what="scheduled runs",
        )
    starts = sorted(run.expected_start_time for run in runs if run.expected_start_time)
    assert len(starts) >= 3
    assert {(later - earlier).total_seconds() for earlier, later in pairwise(starts)} == {60.0}


def test_a_run_by_the_command_line_with_its_log_and_exit_code(house: PrefectServer, tiny: str) -> None:
    """OPS-08: `prefect deployment run --watch` ends with 0 or 1, `prefect flow-run logs` answers (FastAPI's pin)."""
    printed = house.cli("deployment", "run", tiny, "--watch", "-p", "word=hello")
    run = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", printed)[0]
    wait_until(lambda: "tiny says hello" in house.cli("flow-run", "logs", run), what="the line in the log")
    with pytest.raises(AssertionError, match="Failed"):
        house.cli("deployment", "run", tiny, "--watch", "-p", "word=fail")


def test_every_flow_is_deployed_with_its_form(house: PrefectServer) -> None:
    """PRJ-20, OPS-10: all of the file; the server checks parameters, each has its help text; the timetable is on."""
    with get_client(sync_client=True) as client:
        found = [each for each in client.read_deployments() if each.entrypoint in entrypoints()]
        names = {f"{client.read_flow(each.flow_id).name}/{each.name}" for each in found}
    flows = {entrypoint.rpartition(":")[2].replace("_", "-") for entrypoint in entrypoints()}
    assert names == {f"{flow}/{'daily' if flow == 'verify-accounts' else 'on-demand'}" for flow in flows}
    [nightly] = [schedule for each in found if each.name == "daily" for schedule in each.schedules]
    assert nightly.active
    for deployment in found:
        assert deployment.enforce_parameter_schema
        assert deployment.description
        for name, parameter in deployment.parameter_openapi_schema["properties"].items():
            assert parameter.get("description"), (deployment.entrypoint, name)


def test_nobody_outside_is_asked(house: PrefectServer, outward: Outward) -> None:
    """OPS-21, OPS-10: not by the server, the Prefect worker or a run, nor by the page in the browser."""
    status, text, _ = get(house, "/api/collections/views/aggregate-worker-metadata")
    assert (status, "process" in json.loads(text)["prefect"]) == (200, True)
    assert outward.all(), "the watch saw nothing at all"
    assert outward.outside() == set()
    with get_client(sync_client=True) as client:
        settings = client.request("GET", "/admin/settings").json()
    assert settings["server"]["analytics_enabled"] is False
    for page in ("/", "/v2/", "/runs"):
        assert "connect-src 'self'" in get(house, page, Accept="text/html")[2]


def test_another_web_page_cannot_start_runs_here(house: PrefectServer) -> None:
    """SEC: neither across origins, nor under a name that somebody points at 127.0.0.1."""
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    request = urllib.request.Request(f"{house.api}/flow_runs/", method="OPTIONS", headers=asked)
    with pytest.raises(urllib.error.HTTPError, match="400") as refusal, urllib.request.urlopen(request, timeout=30):
        pass
    refusal.value.close()
    with pytest.raises(urllib.error.HTTPError, match="400") as refusal:
        get(house, "/api/health", Host="evil.example")
    refusal.value.close()


def test_secrets_are_kept_from_who_reads_the_files(house: PrefectServer) -> None:
    """The database holds no key that opens it, and the folder is nobody else's to read."""
    token = "canary-d41d8cd98f00"
    GitCredentials(username="ada", token=SecretStr(token)).save("canary", overwrite=True)
    files = [path for path in house.house.folder.rglob("*") if path.is_file()]
    assert [path for path in files if token.encode() in path.read_bytes()] == []
    assert [path for path in (house.house.folder, *files) if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    with sqlite3.connect(f"file:{house.house.folder}/prefect.db?mode=ro", uri=True) as database:
        assert database.execute("select count(*) from configuration where key = 'ENCRYPTION_KEY'").fetchone() == (0,)
    database.close()
    assert (house.house.folder / "encryption.key").read_text().strip() not in Path(
        f"/proc/{house.server.find().pid}/environ"
    ).read_text()
    assert GitCredentials.load("canary").token.get_secret_value() == token


def test_writers_wait_for_each_other(house: PrefectServer) -> None:
    """Nobody is told "database is locked", however many write at once; Prefect's client would wait two seconds."""

    def write(number: int) -> int:
        request = urllib.request.Request(
            f"{house.api}/variables/",
            data=json.dumps({"name": f"writer_{number}", "value": number}).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert set(pool.map(write, range(60))) == {201}
