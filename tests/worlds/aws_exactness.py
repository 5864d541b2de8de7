"""The policies are exact: no call of ours was denied by them, and each action that they allow was used by some call.

A plugin of pytest (tests/conftest.py) that gathers over a run what the AWS worlds noted of those whom our policies are
for, and prints both lists at the end. A run of all tests, in which nothing failed and nothing was skipped, fails of a
list that is not empty; any other run cannot know what the others would have used.
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
from tasks.providers.aws.policies import node_policy
from tasks.providers.aws.policies.installation_policy import installation_rights
from tasks.providers.aws.policies.rights import rights_of
from tests.worlds.aws.noting import ACCOUNT, FOLDER, IDENTITY, NOW

NODE = "a node"
"""Whom the third kind of policy is for, beside ``ACCOUNT`` and ``IDENTITY``."""

NOT_THE_PRODUCT = {
    "tests/contract/test_aws_least_rights.py": "asks by hand, as our role, what it may do and what not",
    "tests/world/": "asks the world by hand how it judges",
}
"""Tests whose calls prove nothing of the product's, with the reason."""


class Wanted(NamedTuple):
    """Denials that a test wants: what its id begins with, the calls as ``service:Operation``, and the reason."""

    test: str
    calls: str
    why: str


_CLEANUP = "tests/contract/test_aws_cleanup"
_OBJECTS = "tests/contract/test_aws_objects.py::test_"
_PORTS = "tests/contract/test_aws_ports.py::test_"
_SELF_TEST = "tests/contract/test_aws_self_test.py::test_a_"

DENIALS_WANTED = (
    Wanted(
        f"{_CLEANUP}.py::test_a_lost_reply_of_every_deletion_is_no_fault",
        """
        ec2:DeleteInternetGateway ec2:DeleteRouteTable ec2:DeleteSecurityGroup ec2:DeleteSubnet ec2:DeleteVpc
        ec2:ReleaseAddress iam:DeleteInstanceProfile iam:DeleteRole
        """,
        "what is gone bears no tag of ours any more, so a deletion that is asked again is not allowed",
    ),
    Wanted(
        f"{_CLEANUP}_others.py::test_a_policy_that_does_not_let_us_look",
        "efs:DescribeFileSystems",
        "leaves a feature's policy out",
    ),
    Wanted(
        f"{_CLEANUP}_others.py::test_a_key_that_took_our_name",
        "kms:DescribeKey",
        "our alias points at somebody else's key, which we must not see",
    ),
    Wanted(
        f"{_OBJECTS}what_a_bucket_denies_is_told",
        "s3:GetBucketLocation s3:GetObject s3:ListObjectsV2",
        "a bucket's own policy denies what ours allows",
    ),
    Wanted(f"{_OBJECTS}somebody_elses_bucket_is_denied", "s3:GetBucketLocation", "asks for another account's bucket"),
    Wanted(
        "tests/contract/test_aws_plan_denials.py::test_somebody_elses_bucket_is_refused",
        "s3:GetBucketLocation",
        "names somebody else's bucket to see how the plan says so",
    ),
    Wanted(
        f"{_PORTS}a_group_of_the_users_in_an_automated_account",
        "ec2:AuthorizeSecurityGroupIngress",
        "asks for a group that our policies do not know",
    ),
    Wanted(
        f"{_PORTS}without_the_feature_nothing_is_written",
        "ec2:DescribeSecurityGroupRules",
        "leaves a feature's policy out",
    ),
    Wanted(
        f"{_SELF_TEST}question_that_an_organisation_forbids_is_unverified",
        "iam:SimulatePrincipalPolicy",
        "an organisation forbids it, whatever policies say",
    ),
    Wanted(
        f"{_SELF_TEST}role_that_may_not_ask_about_itself_is_unverified",
        "iam:SimulatePrincipalPolicy",
        "takes the right to ask away",
    ),
    Wanted(
        "tests/e2e/test_aws_accounts.py::test_an_organisation_that_forbids_the_question",
        "iam:SimulatePrincipalPolicy",
        "an organisation forbids it, whatever policies say",
    ),
    Wanted(
        "tests/e2e/test_aws_image_flows.py::test_an_identity_that_may_not",
        "ec2:DescribeInstanceTypes",
        "takes the Prefect worker's policy away to see how the flow shows it",
    ),
)
"""No other call of ours may be denied, in these tests neither."""

LATER: dict[Feature, str] = {
    Feature.BACKUP: "backups of clusters come in milestone 10 (CLU-33)",
    Feature.RESIZE: "other types for nodes that stand come in milestone 7 (CLU-28)",
    Feature.LOGS: "logs that outlive their cluster come in milestone 3 (CLU-41)",
    Feature.SAGEMAKER: "its flows come in milestone 5",
}
"""Features whose actions nothing uses yet: blocks that an account may have or not, with the reason."""

ON_NODES = {
    **dict.fromkeys(
        [
            *("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"),
            *("ssm:GetParameter", "ssm:GetParametersByPath", "kms:Decrypt"),
        ],
        "programs that people run on nodes; tests/contract/test_aws_least_rights.py does as they do (SEC-11)",
    ),
    **dict.fromkeys(["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], LATER[Feature.LOGS]),
}
"""What the nodes' own role may do, with who uses it: the product asks for nothing from a node."""


class Found(NamedTuple):
    """What a run showed.

    Args:
        denied: Calls that policies did not allow and no test wanted so, each with its test.
        unused: Actions that no call needed, by whom the policy is for.
        used: How many actions some call needed.
        idle: Tests that wanted denials and had none of them.
    """

    denied: list[str]
    unused: dict[str, list[str]]
    used: int
    idle: list[str]

    def lines(self) -> Iterator[str]:
        """What there is to read."""
        denied, unused = len(self.denied), sum(map(len, self.unused.values()))
        yield f"{self.used} actions used, {unused} allowed ones never used, {denied} calls of ours denied"
        yield from (f"denied: {line}" for line in self.denied)
        yield from (f"never used by {who}: {' '.join(actions)}" for who, actions in self.unused.items())


def allowed_actions() -> dict[str, set[str]]:
    """Every IAM action that some policy of ours allows, by whom it is for, but for what is excused above.

    Of an account's policies that is both variants and every feature.
    """
    features = [feature for feature in Feature if feature not in LATER]
    rights = [right for variant in Variant for feature in features for right in rights_of(variant, feature)]
    return {
        ACCOUNT: {right.action for right in rights},
        IDENTITY: {right.action for right in installation_rights()},
        NODE: node_actions() - ON_NODES.keys(),
    }


def node_actions() -> set[str]:
    """Every IAM action that the nodes' own policy allows."""
    told = [
        statement["Action"] for statement in node_policy(bucket="b", prefix="p", cluster="c", key_arn="k")["Statement"]
    ]
    return {action for actions in told for action in ([actions] if isinstance(actions, str) else actions)}


def found_in(folder: Path) -> Found:
    """Read what the worlds left in a folder."""
    used: dict[str, set[str]] = {who: set() for who in allowed_actions()}
    denied: set[tuple[str, str]] = set()
    for file in folder.rglob("*.json"):
        for test, told in json.loads(file.read_text()).items():
            for who, calls in told.items() if not _is_of(test, NOT_THE_PRODUCT) else ():
                used[who] |= set(calls["used"])
                denied |= {(test, call) for call in calls["denied"]}
    excused = {(wanted, pair) for wanted in DENIALS_WANTED for pair in denied if _is_wanted(wanted, *pair)}
    unused = {who: sorted(actions - used[who]) for who, actions in allowed_actions().items()}
    return Found(
        sorted(f"{call}  ({test})" for test, call in denied - {pair for _, pair in excused}),
        {who: actions for who, actions in unused.items() if actions},
        sum(map(len, used.values())),
        sorted({wanted.test for wanted in DENIALS_WANTED} - {wanted.test for wanted, _ in excused}),
    )


def _is_wanted(wanted: Wanted, test: str, call: str) -> bool:
    return test.startswith(wanted.test) and call.partition(" ")[0] in wanted.calls.split()


def _is_of(test: str, names: Iterable[str]) -> bool:
    return any(test.startswith(name) for name in names)


def _why_not_held(config: pytest.Config, exitstatus: int) -> str:
    """Say why the lists need not be empty; nothing where they must be."""
    words, asked = config.getini("addopts"), config.option
    marks = words[words.index("-m") + 1] if "-m" in words else ""
    left_out = asked.keyword or asked.deselect or asked.ignore or asked.ignore_glob or asked.collectonly
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS or asked.markexpr != marks or left_out:
        return "these were not all tests"
    if exitstatus != pytest.ExitCode.OK:
        return "not all tests passed"
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", ()))
    return f"{skipped} tests were skipped" if skipped else ""


def pytest_configure(config: pytest.Config) -> None:
    """Let all worlds of this run, in whatever process, note what they were asked; each test process by itself."""
    if _is_one_of_many(config):
        folder = os.environ[FOLDER] = str(Path(os.environ[FOLDER], config.workerinput["workerid"]))
        Path(folder).mkdir(exist_ok=True)
    elif FOLDER not in os.environ:
        folder = os.environ[FOLDER] = tempfile.mkdtemp(prefix="gw-calls-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def _is_one_of_many(config: pytest.Config) -> bool:
    """Whether this is a test process of pytest-xdist's: the one that started it sees what all of them left."""
    return hasattr(config, "workerinput")


def pytest_runtest_logstart(nodeid: str) -> None:
    """Say which test is at work."""
    Path(os.environ[FOLDER], NOW).write_text(nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run of all tests of a list that is not empty."""
    if _is_one_of_many(session.config):
        return
    found = found_in(Path(os.environ[FOLDER]))
    if (found.denied or found.unused) and not _why_not_held(session.config, exitstatus):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Print both lists, and whether they had to be empty."""
    found, why_not = found_in(Path(os.environ[FOLDER])), _why_not_held(config, exitstatus)
    if why_not and not found.used and not found.denied:
        return
    terminalreporter.section("AWS policies")
    for line in found.lines():
        terminalreporter.line(line)
    if why_not:
        terminalreporter.line(f"Both lists may be so here: {why_not}.")
    elif found.denied or found.unused:
        terminalreporter.line("FAILED: after all tests both lists have to be empty.", red=True)
    else:
        terminalreporter.line("OK: the policies are exact.", green=True)
    if not why_not and found.idle:
        terminalreporter.line(f"had no denial that it wants: {' '.join(found.idle)}")
