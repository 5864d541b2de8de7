"""How git gets a token that stands in no argument, no environment and no file.

Git runs the program in ``GIT_ASKPASS`` with a question as its argument. Ours is this file: it hands the question
through a unix socket to the process that wants the checkout, which answers from its own memory, and only questions
about the one server that the token is for. As a program it runs with ``python -I -S`` and stands alone.
"""

import re
import socket
import socketserver
import sys
import threading
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

_QUESTION = re.compile(r"(Username|Password) for '([^']*)': ?")
_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an http URL; what is none has an empty host."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", "", 0


class Answers:
    """Answers git's questions about one server for as long as it is entered.

    Args:
        address: Path of the socket to make; at most 107 bytes, in a folder that is ours alone.
        url: The repository. Questions about another scheme, host or port get no answer, so a redirect gets none.
        username: What a question for a user name is answered with.
        token: What a question for a password is answered with.
    """

    def __init__(self, address: Path, *, url: str, username: str, token: str) -> None:
        self._for = origin(url)
        self._said = {"Username": username, "Password": token}
        answer = self._answer

        class Asked(socketserver.StreamRequestHandler):
            timeout = 10

            def handle(self) -> None:
                self.wfile.write(answer(self.rfile.read(4096).decode(errors="replace")).encode())

        self._server = socketserver.UnixStreamServer(str(address), Asked)
        address.chmod(0o600)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def _answer(self, question: str) -> str:
        asked = _QUESTION.fullmatch(question)
        if asked is None or origin(asked[2]) != self._for:
            return ""
        return self._said[asked[1]]

    def __enter__(self) -> Self:
        """Start answering."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def ask(address: str, question: str) -> str:
    """Return the answer to one of git's questions, empty where there is none."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect(address)
        line.sendall(question.encode())
        line.shutdown(socket.SHUT_WR)
        return line.makefile("rb").read().decode()


if __name__ == "__main__":
    said = ask(*sys.argv[1:3])
    print(said)
    sys.exit(0 if said else 1)
