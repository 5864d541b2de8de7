"""Git for one checkout: shut off from the machine's own settings, its secrets in memory alone.

The token goes to git through `tasks.askpass`, a private key through an ssh-agent of its own. Neither stands in an
argument, an environment, a file or ``.git/config``.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from blocks.errors import SourceRefused, SourceUnreachable
from blocks.git_credentials import GitCredentials
from tasks import askpass
from tasks.git_refusals import Asked, refusal
from tasks.source_url import Source

_INHERITED = frozenset(
    {
        "PATH", "LD_LIBRARY_PATH", "GIT_EXEC_PATH", "TMPDIR",
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "CURL_CA_BUNDLE",
    }
)  # fmt: skip
"""What git keeps of our environment: where programs are, and how this network is left. All else stays out."""

_AGENT_UNTIL_STDIN_ENDS = 'ssh-agent -D -a "$1" & read -r _; kill $!; wait'
"""So that the agent goes with us, also when we are killed and can clean up nothing."""


class GitSession:
    """Runs git against one source, in one work tree, within one time limit.

    Args:
        source: Where the repository is.
        tree: The work tree; git's own folder is ``.git`` in it.
        credentials: Who we are to the source's server. Other servers are told nothing.
        timeout_s: Limit of all commands together.
        stall_s: After so long without a byte from an http server, it counts as dead.

    Raises:
        SourceRefused: On entering: the credentials do not fit the source's kind.
    """

    def __init__(
        self, source: Source, tree: Path, credentials: GitCredentials | None, *, timeout_s: float, stall_s: float = 60
    ) -> None:
        self._source = source
        self._tree = tree
        self._credentials = credentials
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._stall_s = stall_s
        self._stack = ExitStack()
        self._environment: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Make the private folder, and start what answers git's questions."""
        with ExitStack() as stack:
            folder = stack.enter_context(_private_folder())
            self._environment = self._plain_environment(folder)
            self._environment |= self._identify(folder, stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what answers, and remove the private folder."""
        self._stack.close()

    def run(self, *arguments: str) -> str:
        """Run a git command and return what it wrote.

        Raises:
            SourceRefused: It failed; the message says what that means.
            SourceUnreachable: The server does not answer, or the time limit is over.
        """
        import git  # looks for the git program when it is imported

        unset = [f"--unset={name}" for name in os.environ if name not in _INHERITED | self._environment.keys()]
        process = git.cmd.Git(self._tree).execute(
            ["env", *unset, "git", *arguments], as_process=True, env=self._environment, start_new_session=True
        )
        try:
            stdout, stderr = process.communicate(timeout=max(self._deadline - time.monotonic(), 0.001))
        except subprocess.TimeoutExpired as error:
            raise SourceUnreachable(
                f"git was not done after {self._timeout_s:g} s",
                where=self._source.repository,
                advice="Try again later, or take a smaller repository.",
            ) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        if process.returncode != 0:
            raise refusal(stderr.decode(errors="replace"), self._asked)
        return str(stdout.decode(errors="replace"))

    @property
    def _asked(self) -> Asked:
        return Asked(self._source.repository, with_credentials=self._credentials is not None)

    def _plain_environment(self, folder: Path) -> dict[str, str]:
        config = folder / "config"
        config.write_text(self._config(folder))
        return {
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "LC_ALL": "C",
            "LANGUAGE": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(config),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_CEILING_DIRECTORIES": str(self._tree.parent),
        }

    def _config(self, folder: Path) -> str:
        local = self._source.scheme == "file"
        lines = [
            "[core]", "hooksPath = /dev/null",
            "[init]", f"templateDir = {folder / 'no-template'}",
            "[advice]", "detachedHead = false",
            "[gc]", "auto = 0",
            "[maintenance]", "auto = false",
            "[credential]", "helper =",
            "[http]", "lowSpeedLimit = 1", f"lowSpeedTime = {max(round(self._stall_s), 1)}",
            "[protocol]", "allow = never",
            *(f'[protocol "{kind}"]\nallow = always' for kind in ("https", "http", "ssh", *["file"] * local)),
        ]  # fmt: skip
        if local:
            path = unquote(self._source.repository.removeprefix("file://")).rstrip("/")
            lines += ["[safe]", *(f"directory = {_quoted(owned)}" for owned in (path, f"{path}/.git"))]
        return "\n".join([*lines, ""])

    def _identify(self, folder: Path, stack: ExitStack) -> dict[str, str]:
        """Start what knows our secrets; return the environment that leads git there."""
        if self._source.scheme == "ssh":
            return self._identify_by_key(folder, stack)
        if self._credentials is None or not self._credentials.token.get_secret_value():
            return {}
        address, program = folder / "ask", folder / "askpass"
        stack.enter_context(
            askpass.Answers(
                address,
                url=self._source.repository,
                username=self._credentials.username,
                token=self._credentials.token.get_secret_value(),
            )
        )
        command = shlex.join([sys.executable, "-I", "-S", askpass.__file__, str(address)])
        program.write_text(f'#!/bin/sh\nexec {command} "$1"\n')
        program.chmod(0o700)
        return {"GIT_ASKPASS": str(program)}

    def _identify_by_key(self, folder: Path, stack: ExitStack) -> dict[str, str]:
        credentials = self._credentials
        if credentials is None or not credentials.private_key.get_secret_value().strip():
            raise self._refused("an ssh address needs a private key", "Give a git credentials block that holds one.")
        if not credentials.known_hosts.strip():
            raise self._refused(
                "the server's host key is not known", "Fill known_hosts in the git credentials block (ssh-keyscan)."
            )
        known = folder / "known_hosts"
        known.write_text(credentials.known_hosts.replace("\r\n", "\n").rstrip() + "\n")
        agent = stack.enter_context(self._agent(folder, credentials.private_key.get_secret_value()))
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "30",
            "ForwardAgent": "no",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentityFile": "none",
            "PreferredAuthentications": "publickey",
            "ServerAliveCountMax": "3",
            "ServerAliveInterval": "10",
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "UserKnownHostsFile": str(known),
        }
        ssh = ["ssh", "-F", "/dev/null", *(f"-o{name}={value}" for name, value in options.items())]
        return {"GIT_SSH_COMMAND": shlex.join(ssh), "GIT_SSH_VARIANT": "ssh", "SSH_AUTH_SOCK": str(agent)}

    @contextmanager
    def _agent(self, folder: Path, private_key: str) -> Iterator[Path]:
        """Run an ssh-agent that holds one key; both end with the block, with us, or with the time limit."""
        if not shutil.which("ssh-agent"):
            raise self._refused("OpenSSH is missing where the flow runs", "Install it, or take an https address.")
        address = folder / "agent"
        environment = {"PATH": os.environ.get("PATH", os.defpath), "SSH_AUTH_SOCK": str(address)}
        with subprocess.Popen(
            ["sh", "-c", _AGENT_UNTIL_STDIN_ENDS, "ssh-agent", address],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment, start_new_session=True,
        ):  # fmt: skip
            wait_for_path(address)
            added = subprocess.run(
                ["ssh-add", "-q", "-t", str(round(self._timeout_s) + 60), "-"],
                input=private_key.replace("\r\n", "\n").strip().encode() + b"\n",
                capture_output=True, env=environment, start_new_session=True, check=False, timeout=60,
            )  # fmt: skip
            if added.returncode != 0:
                raise self._refused(
                    "the private key of the git credentials block cannot be read",
                    "Give it whole, in OpenSSH's format, without a passphrase.",
                )
            yield address

    def _refused(self, what: str, advice: str) -> SourceRefused:
        return SourceRefused(what, where=self._source.repository, advice=advice)


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Make a 0700 folder whose path is short (unix sockets: 107 bytes) and plain (ssh reads blanks and % in it)."""
    place = tempfile.gettempdir()
    if not re.fullmatch(r"[A-Za-z0-9/._-]{1,70}", place):
        place = "/tmp"  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="gw-git-", dir=place) as folder:
        yield Path(folder)


def _quoted(value: str) -> str:
    """Return a value as git's configuration files write it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def wait_for_path(path: Path, *, timeout_s: float = 30) -> None:
    """Return when something is there, or when the time limit is over."""
    deadline = time.monotonic() + timeout_s
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
