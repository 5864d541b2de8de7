"""A checkout with all its fields left open, and a git server to take it from."""

from pathlib import Path

from blocks.git_credentials import GitCredentials
from tasks.checkout import Checkout, fetch


def take(
    source: str,
    into: Path,
    *,
    reference: str = "",
    folder: str = "",
    submodules: bool = False,
    credentials: GitCredentials | None = None,
    allow_file: bool = False,
    timeout_s: float = 60,
) -> Checkout:
    return fetch(
        source,
        reference=reference,
        folder=folder,
        submodules=submodules,
        credentials=credentials,
        into=into,
        allow_file=allow_file,
        timeout_s=timeout_s,
    )
