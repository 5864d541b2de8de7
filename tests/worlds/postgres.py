"""A PostgreSQL server of a test's own, on loopback, in a folder that goes with it."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.worlds.prefect_server import free_port

_USER = "groundwork"


def _programs() -> Path | None:
    """Debian keeps them beside the path, one folder for each version."""
    found = shutil.which("initdb")
    places = [Path(found)] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return places[-1].resolve().parent if places else None


@contextmanager
def postgres() -> Iterator[str]:
    """Its address, as Prefect wants it; a test is skipped where there is no PostgreSQL, but fails in CI."""
    programs = _programs()
    if programs is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("PostgreSQL is not installed")
    # It refuses to run as root.
    owner = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="gw-pg-", dir="/tmp"))
    password, port = secrets.token_hex(16), free_port()
    secret = folder / "password"
    secret.write_text(password)
    if owner:
        for place in (folder, secret):
            shutil.chown(place, owner)
    try:
        data = folder / "data"
        made = ["--no-sync", "--auth=scram-sha-256", f"--username={_USER}", "--encoding=UTF8", "--locale=C"]
        _run(owner, programs / "initdb", *made, f"--pwfile={secret}", f"--pgdata={data}")
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        control = (programs / "pg_ctl", "--silent", f"--pgdata={data}")
        _run(owner, *control, "--wait", f"--log={folder / 'log'}", f"--options={settings}", "start")
        try:
            yield f"postgresql+asyncpg://{_USER}:{password}@127.0.0.1:{port}/postgres"
        finally:
            _run(owner, *control, "--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(owner: str | None, *argv: Path | str) -> None:
    # Not captured: the server that pg_ctl starts keeps the pipe open.
    with tempfile.TemporaryFile() as printed:
        done = subprocess.run(argv, stdout=printed, stderr=printed, cwd="/", timeout=60, check=False, user=owner)
        printed.seek(0)
        assert done.returncode == 0, printed.read().decode(errors="replace")
