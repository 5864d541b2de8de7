"""Where Groundwork keeps what it keeps: everything under one folder, ``GROUNDWORK_HOME``."""

import os
from pathlib import Path


def home() -> Path:
    """Return the folder of all state: ``GROUNDWORK_HOME``, or ``.groundwork`` in the user's home. Makes it, 0700."""
    return _made(Path(os.environ.get("GROUNDWORK_HOME") or Path.home() / ".groundwork"))


def cluster_folder(uuid: str) -> Path:
    """Return the folder of one local cluster. Does not make it."""
    return home() / "clusters" / uuid


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder.resolve()
