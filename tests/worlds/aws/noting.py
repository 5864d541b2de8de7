"""What a world was asked by those whom our policies are for, kept over many worlds: the proof that they are exact.

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
ACCOUNT = "a connected account"
"""Whom most policies are for: sessions of the role that the account lets us assume."""
IDENTITY = "the Prefect worker"
"""Whom the installation's own policy is for."""
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
    """Leave who asked what in a world: for each test and each policy's holder, IAM actions used and calls denied."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    told: dict[str, dict[str, dict[str, Any]]] = {}
    for record in records:
        who = _who(record.principal)
        # A dry run is a question about rights: it uses none, and a denial is its answer.
        if who and not record.params.get("DryRun"):
            _add(told.setdefault(record.test, {}).setdefault(who, {"used": [], "denied": []}), record)
    if told:
        (Path(folder) / f"{os.getpid()}-{next(_NUMBERS)}.json").write_text(json.dumps(told))


def _who(principal: str) -> str:
    if ":assumed-role/" in principal and principal.endswith("/groundwork"):
        return ACCOUNT
    return IDENTITY if principal.endswith(":user/prefect-worker") else ""


def _add(told: dict[str, Any], record: "Record") -> None:
    if record.error not in DENIALS or "error" in record.faults:
        told["used"] = sorted({*told["used"], *(action for action, _ in record.actions)})
    # Whether a role may be assumed is for its trust to say: it may refuse whom our policy allows to ask.
    elif record.operation != "AssumeRole":
        told["denied"].append(f"{record.service}:{record.operation} by {record.principal.split('/')[1]}")
