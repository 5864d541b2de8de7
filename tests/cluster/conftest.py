"""Every test on nodes keeps its clusters in a folder of its own."""

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def groundwork_home() -> Iterator[str]:
    """A short, private GROUNDWORK_HOME: a socket's path may have 107 bytes only."""
    folder = tempfile.mkdtemp(prefix="gw-")
    before = os.environ.get("GROUNDWORK_HOME")
    os.environ["GROUNDWORK_HOME"] = folder
    yield folder
    if before is None:
        del os.environ["GROUNDWORK_HOME"]
    else:
        os.environ["GROUNDWORK_HOME"] = before
    shutil.rmtree(folder, ignore_errors=True)
