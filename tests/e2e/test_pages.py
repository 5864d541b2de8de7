"""Prefect's UI carries the product: forms that people fill in a real browser, logs and pictures that they read."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client

from blocks.cluster import Cluster
from flows.cluster_life import delete_cluster
from flows.local_clusters import create_local_cluster
from tasks import records
from tests.worlds import flow_runs
from tests.worlds.browser import Browser, browser
from tests.worlds.flow_runs import require_completed
from tests.worlds.git_server import GitServer
from tests.worlds.prefect_server import PrefectServer

EXAMPLE = Path(__file__).parents[2] / "deployments" / "examples" / "heat.py"
FLOWS = (
    *("create-local-cluster", "verify-cluster", "resize-cluster", "stop-cluster", "start-cluster", "delete-cluster"),
    "run-job",
    *("show-aws-onboarding", "create-aws-role", "onboard-aws-account", "verify-account", "rotate-aws-credentials"),
    "offboard-account",
)


@pytest.fixture(scope="module")
def page(house: PrefectServer) -> Iterator[Browser]:
    with browser(house.house.url) as opened:
        yield opened


@pytest.fixture(scope="module")
def cluster(house: PrefectServer) -> Iterator[Cluster]:
    create_local_cluster(name="shown", node_count=2, slots_per_node=1)
    made = records.read("shown")
    yield made
    delete_cluster(cluster=made)


def test_a_job_by_the_run_form(
    house: PrefectServer, page: Browser, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """OPS-10, JOB-01: filled and submitted in the browser; its log and its picture are read there."""
    with GitServer(tmp_path_factory.mktemp("git")) as git:
        git.repository("ada/heat").commit({"examples/heat.py": EXAMPLE.read_text()})
        page.visit(flow_runs.form_of("run-job"))
        page.fill("name", "form")
        page.fill("source", git.url("ada/heat"))
        page.fill("command", "heat.py")
        page.fill("folder", "examples")
        page.click("//button[@role='tab' and text()='Cluster']")
        page.click("//button[@aria-label='Select a block']")
        page.click("//*[@role='option' and contains(., 'shown')]")
        page.click("//button[@type='submit' and text()='Submit']")
        page.click("//*[text()='View run']")
        page.wait_for_text("run-form")
        run = UUID(re.findall("[0-9a-f-]{36}", page.driver.current_url)[-1])
        require_completed(flow_runs.wait_for_end(run))
    page.visit(f"/v2/runs/flow-run/{run}")
    page.wait_for_text("2 ranks on 2 nodes")
    page.wait_for_text("step 300 of 300")
    page.click("//*[@role='tab' and contains(., 'Artifacts')]")
    page.wait_for_text(f"picture-form-{str(run)[:8]}-1")
    picture = next(shown for shown in flow_runs.artifacts(run) if shown.type == "image")
    page.visit(f"/v2/artifacts/artifact/{picture.id}")
    assert page.wait_for_picture() > 0


@pytest.mark.parametrize("flow", FLOWS)
def test_every_form_says_what_each_field_is(house: PrefectServer, page: Browser, flow: str) -> None:
    """OPS-10, PRJ-20: each parameter has its title and its help in the form."""
    with get_client(sync_client=True) as client:
        schema = client.read_deployment_by_name(f"{flow}/on-demand").parameter_openapi_schema
    assert schema is not None
    page.visit(flow_runs.form_of(flow))
    page.wait_for_text("Parameters")
    for name, about in schema["properties"].items():
        page.wait_for_text(about.get("title", name))
        page.wait_for_text(" ".join(about["description"].split()))


def test_a_bad_field_is_refused_in_the_form(house: PrefectServer, page: Browser) -> None:
    """PRJ-20: the form says what is wrong, and no run is made."""
    page.visit(flow_runs.form_of("create-local-cluster"))
    page.fill("name", "Not A Name")
    page.click("//button[@type='submit' and text()='Submit']")
    page.wait_for_text("does not match")
    assert records.find("Not A Name") is None


def test_no_page_asks_anybody_outside(house: PrefectServer, page: Browser) -> None:
    """OPS-10, OPS-21: whatever these pages load comes from the house itself.

    The catalogue of Prefect's own block types is not among them: it names pictures elsewhere.
    """
    own = urlsplit(house.house.url).netloc
    for path in ("/v2/dashboard", "/v2/runs", flow_runs.form_of("create-local-cluster"), flow_runs.form_of("run-job")):
        page.visit(path)
        page.wait_for_text("Blocks")
        asked = page.driver.execute_script("return performance.getEntriesByType('resource').map(r => r.name)")
        assert asked
        assert {urlsplit(address).netloc for address in asked if address.startswith("http")} == {own}
