"""An AWS account connected by the run form, in a real browser, as a person does it."""

import re
from collections.abc import Iterator
from uuid import UUID

import pytest

from blocks.aws_account import Health
from tasks import aws_account_records as records
from tests.worlds import flow_runs
from tests.worlds.aws_accounts import CONSOLE_ID, make_role_by_hand, newest
from tests.worlds.aws_world import AwsWorld
from tests.worlds.browser import Browser, browser
from tests.worlds.flow_runs import require_completed
from tests.worlds.prefect_server import PrefectServer


@pytest.fixture
def page(house: PrefectServer) -> Iterator[Browser]:
    with browser(house.house.url) as opened:
        yield opened


def submitted(page: Browser) -> UUID:
    """Submit the form, go to the run, wait for its good end."""
    page.click("//button[@type='submit' and text()='Submit']")
    page.click("//*[text()='View run']")
    page.wait_for_text("Artifacts")
    run = UUID(re.findall("[0-9a-f-]{36}", page.driver.current_url)[-1])
    require_completed(flow_runs.wait_for_end(run))
    return run


def test_an_account_by_the_run_form(page: Browser, no_accounts: AwsWorld) -> None:
    """ACC-01, ACC-10, OPS-10: shown, set up in IAM from what the page shows, connected; its health is read there."""
    page.visit(flow_runs.form_of("show-aws-onboarding"))
    page.fill("name", "form")
    run = submitted(page)
    [shown] = [artifact for artifact in flow_runs.artifacts(run) if artifact.key == "onboarding-form"]
    page.visit(f"/v2/artifacts/artifact/{shown.id}")
    page.wait_for_text(records.read("form").external_id)
    page.wait_for_text("Trust policy")
    arn = make_role_by_hand(no_accounts, newest("onboarding-form"))

    page.visit(flow_runs.form_of("onboard-aws-account"))
    page.click("(//button[@aria-label='Select a block'])[1]")
    page.click("//*[@role='option' and contains(., 'form')]")
    page.fill("account_id", CONSOLE_ID)
    page.fill("role_arn", arn)
    run = submitted(page)
    assert records.read("form").health is Health.READY
    [health] = [artifact for artifact in flow_runs.artifacts(run) if artifact.key == "account-form"]
    page.visit(f"/v2/artifacts/artifact/{health.id}")
    page.wait_for_text("ready")
