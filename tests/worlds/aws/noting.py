"""What a world's callers asked as roles of ours, kept over many worlds: for the proof that policies are exact.

Where the setting ``GROUNDWORK_AWS_CALLS`` names a folder, each world leaves a file there when it ends. The file ``now``
in it says which test is at work.
"""

import json
import os
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.worlds.aws.world import Record

FOLDER = "GROUNDWORK_AWS_CALLS"
"""The setting's name."""
NOW = "now"
DENIALS = {"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"}
_NUMBERS = count(1)


def test_at_work() -> str:
    """Return the test that is at work now, or an empty text."""
    folder = os.environ.get(FOLDER)
    try:
        return (Path(folder) / NOW).read_text() if folder else ""
    except FileNotFoundError:
        return ""


def keep(records: Iterable["Record"]) -> None:
    """Leave what roles of ours asked in a world: for each test the IAM actions that were used, and the denied calls."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    told: dict[str, dict[str, Any]] = {}
    for record in records:
        if ":assumed-role/" in record.principal and record.principal.endswith("/groundwork"):
            _add(told.setdefault(record.test, {"used": [], "denied": []}), record)
    if told:
        (Path(folder) / f"{os.getpid()}-{next(_NUMBERS)}.json").write_text(json.dumps(told))


def _add(told: dict[str, Any], record: "Record") -> None:
    # A dry run is a question about rights: it uses none, and a denial is its answer.
    if record.params.get("DryRun"):
        return
    if record.error in DENIALS and "error" not in record.faults:
        told["denied"].append(f"{record.service}:{record.operation} by {record.principal.split('/')[-2]}")
    else:
        told["used"] = sorted({*told["used"], *(action for action, _ in record.actions)})
