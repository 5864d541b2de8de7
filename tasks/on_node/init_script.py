"""A node's init script: run to a good end once on this node, whoever asks however often.

``tasks/init_script.py`` sends this text to a node's Python, with a call of ``main`` at its end: no script stands in a
command line. The script runs under a supervisor of its own, which outlives the SSH connection; who comes back while it
runs waits for that run. With Linux and Python's standard library only.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

GRACE_S = 5  # what is over its time gets this long between TERM and KILL
TAIL_LINES = 20
TAIL_BYTES = 8192

Asked = dict[str, Any]
"""mark: a name for this script on this node as it was made; script: its text; limit_s: its time limit; output: the
file for what it writes; environment: what it finds beside a session's; is_run: false: only say how it ended."""

Ended = dict[str, Any]
"""code: its exit code (below 0: a signal's number), None where it has none; says: how it ended, empty: well."""

LOST: Ended = {"code": None, "says": "left no note of its end: it was killed with its supervisor, or the disk is full"}
NEVER: Ended = {"code": None, "says": "has not run to an end here"}


def main(asked: Asked) -> None:
    """Run the script where it has not ended well on this node yet, and print how it ended, as JSON."""
    umask = os.umask(0o077)
    folder = Path.home() / ".groundwork" / "init-script" / asked["mark"]
    folder.mkdir(parents=True, exist_ok=True)
    ended, ran_before = _noted(folder), True
    if asked["is_run"] and (ended is None or ended["says"]):
        ran_before = False
        _ensure_supervisor(asked, folder, umask)
        wait_for_end(folder)
        ended = _noted(folder) or LOST
    told = {**(ended or NEVER), "ran_before": ran_before, "tail": _tail(Path(asked["output"]))}
    sys.stdout.write(json.dumps(told))


def _noted(folder: Path) -> Ended | None:
    try:
        noted: Ended = json.loads((folder / "ended").read_text())
    except FileNotFoundError:
        return None
    return noted


def _ensure_supervisor(asked: Asked, folder: Path, umask: int) -> None:
    """Start a supervisor where none is at work. It holds the lock as long as it lives."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / "ended").unlink(missing_ok=True)
            if os.fork() == 0:
                _supervise(asked, folder, umask)
    finally:
        os.close(lock)


def wait_for_end(folder: Path) -> None:
    """Wait until no supervisor is at work."""
    lock = os.open(folder / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.close(lock)


def _supervise(asked: Asked, folder: Path, umask: int) -> None:
    """In a process of its own: run the script, note how it ended, and leave."""
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nowhere, standard)
        try:
            ended = _run(asked, folder / "script", umask)
        except OSError as error:
            ended = {"code": None, "says": f"could not be run ({error.filename or 'node'}: {error.strerror})"}
        (folder / "script").unlink(missing_ok=True)
        (folder / "ended.part").write_text(json.dumps(ended))
        (folder / "ended.part").replace(folder / "ended")
    finally:
        os._exit(0)


def _run(asked: Asked, script: Path, umask: int) -> Ended:
    script.touch(mode=0o700)
    script.write_bytes(asked["script"].encode())
    output = Path(asked["output"])
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("wb") as file:
        try:
            process = subprocess.Popen(
                [str(script)],
                cwd=Path.home(),
                env={**os.environ, **asked["environment"]},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=umask,
            )
        except FileNotFoundError:
            interpreter = asked["script"].partition("\n")[0][2:].split()[0]
            return {"code": None, "says": f"needs {interpreter}, which is not on the node"}
    try:
        code = process.wait(asked["limit_s"])
    except subprocess.TimeoutExpired:
        wait_until_killed(process)
        return {"code": process.returncode, "says": f"took more than {asked['limit_s'] / 60:g} min", "is_over": True}
    if code:
        wait_until_killed(process)
    return {"code": code, "says": _how(code)}


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}" if code else ""
    return f"was killed by signal {-code} ({signal.Signals(-code).name.removeprefix('SIG')})"


def wait_until_killed(process: subprocess.Popen[bytes]) -> None:
    """End a script with all its process group, where any of it is left: by TERM, by KILL, and by KILL as root."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if wait_until_gone(process):
            return
    # What it started by sudo is root's, and only root may end that.
    if shutil.which("sudo"):
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                ["sudo", "-n", "kill", "-KILL", "--", f"-{process.pid}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=GRACE_S,
            )
        wait_until_gone(process)


def wait_until_gone(process: subprocess.Popen[bytes]) -> bool:
    """Wait until nothing of a script's process group is left, for the grace at most. Tells whether that is so."""
    deadline = time.monotonic() + GRACE_S
    while _is_there(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _is_there(process)


def _is_there(process: subprocess.Popen[bytes]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _tail(output: Path) -> list[str]:
    """Return the last lines that the script wrote, without what would steer a terminal."""
    try:
        with output.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    lines = ["".join(letter if letter.isprintable() else " " for letter in line) for line in text.splitlines()]
    return [line.rstrip() for line in lines if line.strip()][-TAIL_LINES:]
