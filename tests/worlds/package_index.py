"""A package index on loopback, with packages that a test makes itself; it keeps what it was asked."""

import base64
import hashlib
import io
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

LOGIN = ("reader", "gwi-71c09be2")


@dataclass
class PackageIndex:
    """Serves ``files`` as PEP 503 says. ``refuses``: the status of every answer. ``asked``: the paths that were asked.

    ``is_private``: only who comes with ``LOGIN`` is served.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refuses: int = 0
    is_private: bool = False

    def __enter__(self) -> Self:
        world = self

        class Handler(_Handler):
            index = world

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        login = f"{':'.join(LOGIN)}@" if self.is_private else ""
        return f"http://{login}127.0.0.1:{self._server.server_address[1]}/simple"

    @property
    def environment(self) -> dict[str, str]:
        """What a user sets to have uv ask this index alone, and each time."""
        return {"UV_DEFAULT_INDEX": self.url, "UV_NO_CACHE": "1"}

    def wheel(
        self,
        name: str,
        version: str,
        files: dict[str, str] | None = None,
        *,
        requires: tuple[str, ...] = (),
        tag: str = "py3-none-any",
        programs: tuple[str, ...] = (),
    ) -> str:
        """Add a wheel, by default one whose module says its version, and return its hash as pip writes it.

        ``programs`` are ``name = module:function``.
        """
        told = {f"{name}.py": f"version = {version!r}\n"} if files is None else dict(files)
        info = f"{name}-{version}.dist-info"
        told[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
            f"Requires-Dist: {wish}\n" for wish in requires
        )
        pure = "true" if tag.endswith("-any") else "false"
        told[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
        if programs:
            told[f"{info}/entry_points.txt"] = "[console_scripts]\n" + "".join(f"{line}\n" for line in programs)
        told[f"{info}/RECORD"] = "".join(f"{path},{_digest(text)},\n" for path, text in told.items())
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, text in told.items():
                archive.writestr(path, text)
        return self._add(f"{name}-{version}-{tag}.whl", packed.getvalue())

    def sdist(self, name: str, version: str, *, setup: str) -> str:
        """Add a package that only its source is of, with its ``setup.py``."""
        packed = io.BytesIO()
        texts = {"setup.py": setup, "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for path, text in texts.items():
                entry = tarfile.TarInfo(f"{name}-{version}/{path}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        return self._add(f"{name}-{version}.tar.gz", packed.getvalue())

    def _add(self, file: str, content: bytes) -> str:
        self.files[file] = content
        return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"


class _Handler(BaseHTTPRequestHandler):
    index: PackageIndex
    timeout = 60

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.index.asked.append(self.path)
        kind, _, name = self.path.strip("/").partition("/")
        login = f"Basic {base64.b64encode(':'.join(LOGIN).encode()).decode()}"
        pages = [file for file in self.index.files if kind == "simple" and file.partition("-")[0] == name]
        if self.index.refuses:
            self._end(self.index.refuses)
        elif self.index.is_private and self.headers["Authorization"] != login:
            self._end(401, headers={"WWW-Authenticate": 'Basic realm="index"'})
        elif kind == "files" and name in self.index.files:
            self._end(200, self.index.files[name])
        elif pages:
            links = "".join(
                f'<a href="/files/{file}#sha256={_hex(self.index.files[file])}">{file}</a>' for file in pages
            )
            self._end(200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), {"Content-Type": "text/html"})
        else:
            self._end(404)

    def _end(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815


def _hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
