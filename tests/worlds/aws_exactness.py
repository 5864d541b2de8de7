"""The policies are exact: no call of ours was denied by them, and each action that they allow was used by some call.

A plugin of pytest (tests/conftest.py) that gathers over a whole run what the AWS worlds noted of our roles' sessions,
and prints both lists at the end. With ``GROUNDWORK_EXACT=1`` a run fails of a list that is not empty.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from blocks.aws_account import Feature, Variant
from tasks.providers.aws.policies.rights import rights_of
from tests.worlds.aws.noting import FOLDER, NOW

STRICT = "GROUNDWORK_EXACT"

NOT_THE_PRODUCT = {
    "tests/contract/test_aws_least_rights.py": "asks by hand, as our role, what it may do and what not",
}
"""Tests whose calls prove nothing of the product's, with the reason."""

DENIALS_WANTED = {
    "tests/contract/test_aws_plan_denials.py": "names somebody else's bucket to see how the plan says so",
    "tests/contract/test_aws_ports.py::test_a_group_of_the_users": "asks for a group that our policies do not know",
    "tests/contract/test_aws_ports.py::test_without_the_feature": "leaves a feature's policy out",
    "tests/contract/test_aws_self_test.py": "weakens roles to see what the self-test says of them",
}
"""Tests that weaken a role to see how the product says so, with the reason."""

LATER: dict[Feature, str] = {Feature.SAGEMAKER: "its flows come with the SageMaker platform"}
"""Features whose actions nothing uses yet, with the reason."""


class Found(NamedTuple):
    """``denied``: calls that policies did not allow, each with its test; ``unused``: actions that no call needed."""

    denied: list[str]
    unused: list[str]
    used: int

    def lines(self) -> Iterator[str]:
        """What there is to read."""
        denied, unused = len(self.denied), len(self.unused)
        yield f"{self.used} actions used, {unused} allowed ones never used, {denied} calls of ours denied"
        yield from (f"denied: {line}" for line in self.denied)
        if self.unused:
            yield f"never used: {' '.join(self.unused)}"


def allowed_actions() -> set[str]:
    """Every IAM action that some policy allows, but for features that come later."""
    return {
        right.action
        for variant in Variant
        for feature in Feature
        if feature not in LATER
        for right in rights_of(variant, feature)
    }


def found_in(folder: Path) -> Found:
    """Read what the worlds left in a folder."""
    used: set[str] = set()
    denied: set[str] = set()
    for file in folder.rglob("*.json"):
        for test, told in json.loads(file.read_text()).items():
            if not _is_of(test, NOT_THE_PRODUCT):
                used |= set(told["used"])
                denied |= set() if _is_of(test, DENIALS_WANTED) else {f"{call}  ({test})" for call in told["denied"]}
    return Found(sorted(denied), sorted(allowed_actions() - used), len(used))


def _is_of(test: str, names: Iterable[str]) -> bool:
    return any(test.startswith(name) for name in names)


def pytest_configure(config: pytest.Config) -> None:
    """Let all worlds of this run, in whatever process, note what they were asked; each test process by itself."""
    if hasattr(config, "workerinput"):
        folder = os.environ[FOLDER] = str(Path(os.environ[FOLDER], config.workerinput["workerid"]))
        Path(folder).mkdir(exist_ok=True)
    elif FOLDER not in os.environ:
        folder = os.environ[FOLDER] = tempfile.mkdtemp(prefix="gw-calls-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_runtest_logstart(nodeid: str) -> None:
    """Say which test is at work."""
    Path(os.environ[FOLDER], NOW).write_text(nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run where the lists have to be empty and are not."""
    found = found_in(Path(os.environ[FOLDER]))
    if os.environ.get(STRICT) == "1" and (found.denied or found.unused):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print both lists, if anything of AWS was asked."""
    found = found_in(Path(os.environ[FOLDER]))
    if found.used or found.denied:
        terminalreporter.section("AWS policies")
        for line in found.lines():
            terminalreporter.line(line)
