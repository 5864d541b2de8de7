"""What is said of the policies at the end of a test run (ACC-10)."""

import json
from pathlib import Path

import pytest

from tests.worlds.aws.noting import FOLDER, keep
from tests.worlds.aws.world import Record
from tests.worlds.aws_exactness import allowed_actions, found_in

US = "arn:aws:sts::222222222222:assumed-role/groundwork-access/groundwork"
SOMEBODY = "arn:aws:iam::222222222222:root"


def asked(action: str, error: str = "", principal: str = US, **params: object) -> Record:
    service, _, operation = action.partition(":")
    actions = [] if error else [[action, "*"]]
    return Record(0, service, operation, params, principal, "", "", 1, "", error=error, actions=actions)


def test_what_was_denied_and_what_was_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only calls of our role count; a dry run uses no right, and its denial is an answer."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    (tmp_path / "now").write_text("tests/e2e/test_x.py::test_y")
    keep(
        [
            asked("ec2:RunInstances"),
            asked("ec2:CreateVpc", principal=SOMEBODY),
            asked("ec2:DeleteVpc", DryRun=True),
            asked("ec2:DeleteSubnet", "UnauthorizedOperation", DryRun=True),
            asked("ec2:CreateSubnet", "UnauthorizedOperation"),
        ]
    )
    found = found_in(tmp_path)
    assert found.denied == ["ec2:CreateSubnet by groundwork-access  (tests/e2e/test_x.py::test_y)"]
    assert allowed_actions() - set(found.unused) == {"ec2:RunInstances"}


def test_calls_made_by_hand_prove_nothing(tmp_path: Path) -> None:
    """Tests of the policies themselves ask for what is denied, and use what the product does not."""
    told = {"used": ["ec2:RunInstances"], "denied": ["ec2:CreateVpc by groundwork-access"]}
    (tmp_path / "1.json").write_text(json.dumps({"tests/contract/test_aws_least_rights.py::test_x": told}))
    assert found_in(tmp_path).denied == []
    assert set(found_in(tmp_path).unused) == allowed_actions()
