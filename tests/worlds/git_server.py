"""A git server on loopback: `git http-backend` behind Basic auth, and what a server can do wrong."""

import base64
import os
import shutil
import socket
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

_PLAIN = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "LC_ALL": "C",
}


def git(*arguments: str, at: Path) -> str:
    """Run git as a person would, away from this machine's settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _PLAIN
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments],
        cwd=at, env=environment, check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.stdout.strip()


class Repository:
    """A work tree that a person commits in; what it serves is its bare copy."""

    def __init__(self, work: Path, bare: Path) -> None:
        self.work, self.bare = work, bare
        work.mkdir(parents=True)
        git("init", "-q", "-b", "main", at=work)
        git("init", "-q", "--bare", "-b", "main", str(bare), at=work)
        git("remote", "add", "origin", str(bare), at=work)

    def commit(self, files: dict[str, str], *, branch: str = "main", tag: str = "") -> str:
        """Write files, commit them on a branch, push, and return the commit."""
        if branch != git("branch", "--show-current", at=self.work):
            git("checkout", "-q", "-b", branch, at=self.work)
        for name, text in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self.push(tag=tag)

    def push(self, *, tag: str = "") -> str:
        """Commit whatever is in the work tree, push it, and return the commit."""
        git("add", "-A", at=self.work)
        git("commit", "-q", "-m", "A change", at=self.work)
        if tag:
            git("tag", "-a", tag, "-m", tag, at=self.work)
        git("push", "-q", "origin", "HEAD", "--tags", at=self.work)
        return git("rev-parse", "HEAD", at=self.work)


@dataclass
class Seen:
    """A request as it came in."""

    path: str
    authorization: str | None


@dataclass
class GitServer:
    """Serves the repositories in a folder as ``http://127.0.0.1:PORT/owner/name``.

    ``logins``: for a private repository (its path, as ``ada/secret``) the user and token that open it.
    ``redirects``: for a repository the origin that it has moved to. ``answers``: for a repository the status it
    always gives. ``gate``: while it is clear, packs wait for it; ``waiting`` is set when one does.
    """

    root: Path
    logins: dict[str, tuple[str, str]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Event = field(default_factory=threading.Event)
    protocol: str = ""
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def __enter__(self) -> Self:
        world = self

        class Handler(_Handler):
            server_world = world

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def repository(self, path: str, *, login: tuple[str, str] | None = None) -> Repository:
        """Make a repository, private where it has a login."""
        if login:
            self.logins[path] = login
        return Repository(self.root / "work" / path, self.root / "served" / f"{path}.git")

    def url(self, path: str) -> str:
        return f"{self.origin}/{path}"


class _Handler(BaseHTTPRequestHandler):
    server_world: GitServer
    protocol_version = "HTTP/1.0"
    timeout = 60

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        world, parts = self.server_world, urlsplit(self.path)
        world.seen.append(Seen(self.path, self.headers["Authorization"]))
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        repository = "/".join(parts.path.split("/")[1:3]).removesuffix(".git")
        if not self._may(repository):
            self._end(401, {"WWW-Authenticate": 'Basic realm="git"'})
        elif target := world.redirects.get(repository):
            self._end(302, {"Location": target + self.path})
        elif status := world.answers.get(repository):
            self._end(status)
        else:
            if b"want " in body and not world.gate.is_set():
                world.waiting.set()
                world.gate.wait()
            self._backend(parts.path, parts.query, body)

    do_POST = do_GET  # noqa: N815

    def _may(self, repository: str) -> bool:
        login = self.server_world.logins.get(repository)
        return login is None or self.headers["Authorization"] == basic(*login)

    def _end(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def _backend(self, path: str, query: str, body: bytes) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server_world.root / "served"),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_PROTOCOL": self.server_world.protocol or self.headers["Git-Protocol"] or "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers["Content-Type"] or "",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers["Content-Encoding"] or "",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False, timeout=60
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        with suppress(BrokenPipeError, ConnectionResetError):
            self.end_headers()
            self.wfile.write(content)


def basic(user: str, token: str) -> str:
    """Return the Authorization header of a login."""
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def missing_programs(*names: str) -> list[str]:
    """Return those of these programs that this machine lacks."""
    return [name for name in names if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
