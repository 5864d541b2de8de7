"""A git server over SSH on loopback: the machine's own sshd, with a host key and an account key of its own."""

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.worlds.git_server import Repository, free_port


@dataclass
class GitSshServer:
    """``private_key`` opens it; ``known_hosts`` is the line that names its host key."""

    root: Path
    port: int
    private_key: str
    known_hosts: str

    def repository(self, path: str) -> Repository:
        return Repository(self.root / "work" / path, self.root / f"{path}.git")

    def url(self, path: str) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{self.root}/{path}.git"


def key_pair(path: Path) -> tuple[str, str]:
    """Make a key pair as files, and return its private and public text."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True, timeout=60)
    return path.read_text(), path.with_suffix(".pub").read_text().strip()


@contextmanager
def git_ssh_server(root: Path) -> Iterator[GitSshServer]:
    """Run an sshd as the present user, until the block ends."""
    root.mkdir(parents=True, exist_ok=True)
    private_key, public_key = key_pair(root / "account")
    _, host_key = key_pair(root / "host")
    (root / "authorized").write_text(public_key + "\n")
    port = free_port()
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": root / "host",
        "AuthorizedKeysFile": root / "authorized",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
    }
    config = root / "sshd_config"
    config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    program = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    assert program, "no sshd on this machine"
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = root / "sshd.log"
    with log.open("wb") as errors, subprocess.Popen([program, "-D", "-e", "-f", config], stderr=errors) as sshd:
        try:
            wait_until_listening(log, sshd)
            yield GitSshServer(root, port, private_key, f"[127.0.0.1]:{port} {host_key}\n")
        finally:
            sshd.terminate()


def wait_until_listening(log: Path, sshd: "subprocess.Popen[bytes]", *, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while "Server listening" not in log.read_text():
        assert sshd.poll() is None, log.read_text()
        assert time.monotonic() < deadline, f"sshd does not listen: {log.read_text()}"
        time.sleep(0.02)
