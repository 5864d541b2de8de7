"""What is said of the policies at the end of a test run, and when the run fails of it (ACC-10)."""

import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from blocks.aws_account import Feature, Variant
from tasks.providers.aws.policies import rights
from tests.worlds.aws.noting import ACCOUNT, FOLDER, IDENTITY, keep
from tests.worlds.aws.people import WORKER
from tests.worlds.aws.world import Record
from tests.worlds.aws_exactness import DENIALS_WANTED, LATER, NODE, ON_NODES, allowed_actions, found_in, node_actions

pytest_plugins = ["pytester"]

US = "arn:aws:sts::222222222222:assumed-role/groundwork-access/groundwork"
OWN = f"arn:aws:iam::111111111111:user/{WORKER}"
SOMEBODY = "arn:aws:iam::222222222222:root"
HERE = Path(__file__).parents[2]
TEST = "tests/e2e/test_x.py::test_y"


def asked(action: str, error: str = "", principal: str = US, **params: object) -> Record:
    service, _, operation = action.partition(":")
    actions = [] if error else [[action, "*"]]
    return Record(0, service, operation, params, principal, "", "", 1, "", error=error, actions=actions)


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where worlds leave their notes, while a test is at work."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    (tmp_path / "now").write_text(TEST)
    return tmp_path


def note(folder: Path, told: dict[str, dict[str, dict[str, list[str]]]]) -> None:
    (folder / f"{len(list(folder.iterdir()))}.json").write_text(json.dumps(told))


def everything() -> dict[str, dict[str, list[str]]]:
    return {who: {"used": sorted(actions), "denied": []} for who, actions in allowed_actions().items()}


def test_what_was_denied_and_what_was_never_used(notes: Path) -> None:
    """ACC-10: only calls that our policies are for count; a dry run uses no right, and its denial is an answer."""
    keep(
        [
            asked("ec2:RunInstances"),
            asked("ec2:CreateVpc", principal=SOMEBODY),
            asked("ec2:DeleteVpc", DryRun=True),
            asked("ec2:DeleteSubnet", "UnauthorizedOperation", DryRun=True),
            asked("ec2:CreateSubnet", "UnauthorizedOperation"),
            asked("ec2:CopyImage", principal=OWN),
            asked("ec2:StopInstances", "UnauthorizedOperation", OWN),
            asked("sts:AssumeRole", "AccessDenied", OWN),
        ]
    )
    found = found_in(notes)
    assert found.denied == [
        f"ec2:CreateSubnet by groundwork-access  ({TEST})",
        f"ec2:StopInstances by {WORKER}  ({TEST})",
    ]
    allowed = allowed_actions()
    assert found.unused == {
        ACCOUNT: sorted(allowed[ACCOUNT] - {"ec2:RunInstances"}),
        IDENTITY: sorted(allowed[IDENTITY] - {"ec2:CopyImage"}),
    }


def test_a_new_right_that_nothing_uses_is_found(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ACC-10: in each variant and each feature that is there now; not in one that comes later."""
    note(notes, {TEST: everything()})
    assert found_in(notes)[:2] == ([], {})
    table = rights._TABLE
    for variant in Variant:
        for feature in Feature:
            row = (feature, (variant,), "ours", "ec2:RebootInstances : instance")
            monkeypatch.setattr(rights, "_TABLE", (*table, row))
            expected = {} if feature in LATER else {ACCOUNT: ["ec2:RebootInstances"]}
            assert found_in(notes).unused == expected, (variant, feature)


def test_one_who_uses_a_right_does_not_use_anothers(notes: Path) -> None:
    """ACC-10: what the account's role does shows nothing of the policy for our own identity."""
    note(notes, {TEST: {ACCOUNT: {"used": sorted(set(chain(*allowed_actions().values()))), "denied": []}}})
    assert found_in(notes).unused == {IDENTITY: sorted(allowed_actions()[IDENTITY])}


@pytest.mark.parametrize("wanted", DENIALS_WANTED, ids=lambda wanted: wanted.test.rpartition("::test_")[2])
def test_a_denial_is_excused_in_its_test_and_of_its_calls_only(notes: Path, wanted: Any) -> None:
    """ACC-10: where one call must be denied, another one that is denied is still found; so is the same elsewhere."""
    here, other = wanted.test, f"{wanted.test.partition('::')[0]}::test_another"
    calls = [f"{call} by groundwork-access" for call in wanted.calls.split()]
    assert calls
    note(notes, {here: {ACCOUNT: {"used": [], "denied": calls}}})
    assert found_in(notes).denied == []
    assert here not in found_in(notes).idle
    note(notes, {here: {ACCOUNT: {"used": [], "denied": ["ec2:CreateVpc by groundwork-access"]}}})
    assert found_in(notes).denied == [f"ec2:CreateVpc by groundwork-access  ({here})"]
    note(notes, {other: {ACCOUNT: {"used": [], "denied": calls[:1]}}})
    assert f"{calls[0]}  ({other})" in found_in(notes).denied


def test_every_excuse_is_of_a_test_that_is_there() -> None:
    """ACC-10: an excuse for a test that has another name by now would excuse whatever takes the old one."""
    for wanted in DENIALS_WANTED:
        file, _, name = wanted.test.partition("::")
        assert f"def {name}(" in (HERE / file).read_text(), wanted.test


def test_what_nodes_may_do_is_told_right_by_right() -> None:
    """SEC-11: nobody sees what programs ask for on nodes, so each right has its reason, and none a reason alone."""
    assert ON_NODES.keys() == node_actions()
    assert allowed_actions()[NODE] == set()


def test_calls_made_by_hand_prove_nothing(notes: Path) -> None:
    """Tests of the policies themselves ask for what is denied, and use what the product does not."""
    told = {"used": ["ec2:RunInstances"], "denied": ["ec2:CreateVpc by groundwork-access"]}
    note(notes, {"tests/contract/test_aws_least_rights.py::test_x": {ACCOUNT: told}})
    assert found_in(notes).denied == []
    assert "ec2:RunInstances" in found_in(notes).unused[ACCOUNT]


A_RUN = """
import json, os, pathlib, pytest

def leave(told):
    pathlib.Path(os.environ["GROUNDWORK_AWS_CALLS"], "1.json").write_text(json.dumps({"tests/x.py::test_x": told}))

def test_calls():
    leave(json.loads(os.environ["LEFT"]))

@pytest.mark.skipif(os.environ["OTHER"] == "skipped", reason="a part is missing")
def test_other():
    assert os.environ["OTHER"] != "failed"
"""
DENIED = ["ec2:CreateVpc by groundwork-access"]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """A whole run of pytest, of two tests: one leaves notes, the other fails or is skipped or is good."""
    pytester.mkdir("all").joinpath("test_x.py").write_text(A_RUN)
    pytester.makepyprojecttoml(
        '[tool.pytest.ini_options]\ntestpaths = ["all"]\nmarkers = ["slow: x"]\n'
        "addopts = \"-p tests.worlds.aws_exactness -p no:cacheprovider -p no:hypothesispytest -m 'not drill'\"\n"
    )
    notes = {
        "everything": everything(),
        "nothing used": {ACCOUNT: {"used": ["ec2:RunInstances"], "denied": []}},
        "one denied": {**everything(), ACCOUNT: {**everything()[ACCOUNT], "denied": DENIED}},
        "no calls": {},
    }

    def go(left: str, other: str, *words: str) -> pytest.RunResult:
        monkeypatch.delenv(FOLDER, raising=False)
        monkeypatch.setenv("LEFT", json.dumps(notes[left]))
        monkeypatch.setenv("OTHER", other)
        return pytester.runpytest_inprocess(*words)

    return go


@pytest.mark.parametrize(
    ("left", "words", "other", "status", "said"),
    [
        ("everything", [], "", 0, "OK: the policies are exact."),
        ("nothing used", [], "", 1, "FAILED: after all tests both lists have to be empty."),
        ("one denied", [], "", 1, "denied: ec2:CreateVpc by groundwork-access  (tests/x.py::test_x)"),
        ("no calls", [], "", 1, "never used by the Prefect worker: "),
        ("one denied", ["all"], "", 0, "Both lists may be so here: these were not all tests."),
        ("one denied", ["-k", "calls"], "", 0, "Both lists may be so here: these were not all tests."),
        ("one denied", ["-m", "not slow"], "", 0, "Both lists may be so here: these were not all tests."),
        ("one denied", [], "skipped", 0, "Both lists may be so here: 1 tests were skipped."),
        ("one denied", [], "failed", 1, "Both lists may be so here: not all tests passed."),
    ],
)
def test_a_run_of_all_tests_holds_both_lists_empty(
    run: Callable[..., pytest.RunResult], left: str, words: list[str], other: str, status: int, said: str
) -> None:
    """ACC-10: `make test` fails of a right too many or too few; a part of the tests tells it only."""
    done = run(left, other, *words)
    assert done.ret == status
    assert said in done.stdout.str()
