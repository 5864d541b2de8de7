"""Stands between a rank's program and mpiexec: hides secrets in what the program writes, and keeps a copy for the rank.

It is a process of its own beside the program, forked by rank_dress.py only where secrets or copies are asked for.
A program may write a secret in two halves: an end of its output that may be the beginning of a secret is held back
until it is known to be none.
"""

import os
import re
import select
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress

HIDDEN = b"***"
OUTLIVED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
PIECE = 65_536
STREAMS = ((1, "stdout"), (2, "stderr"))


class Mask:
    """Hides secrets in a stream, whatever pieces it comes in."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        # The longest first: one secret may be the beginning of another.
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._known = re.compile(b"|".join(map(re.escape, self._secrets)) or b"(?!)")
        self._held = b""

    def take(self, data: bytes, *, is_last: bool = False) -> bytes:
        """Return what may be shown after the next piece; after the last one all of it."""
        text = self._held + data
        unsure = len(text) if is_last else self._unsure_from(text)
        shown, at = [], 0
        for found in self._known.finditer(text):
            if found.start() >= unsure:
                break
            shown += [text[at : found.start()], HIDDEN]
            at = found.end()
        rest = max(at, unsure)
        self._held = text[rest:]
        return b"".join([*shown, text[at:rest]])

    def _unsure_from(self, text: bytes) -> int:
        """Return where, at a text's end, a secret may have begun that is not whole yet."""
        first = len(text)
        for secret in self._secrets:
            at = text.find(secret[:1], max(len(text) - len(secret) + 1, 0))
            while 0 <= at < first:
                if secret.startswith(text[at:]):
                    first = at
                at = text.find(secret[:1], at + 1)
        return first


def stand_between(secrets: Iterable[bytes], copies: str = "") -> None:
    """Let all that this process writes from here on, and whatever it becomes, go through a child of it.

    Args:
        secrets: What is hidden.
        copies: Where a copy of each stream is kept: this path and ``.stdout.log`` or ``.stderr.log``. Empty: none.
    """
    pipes = [os.pipe() for _ in STREAMS]
    if os.fork() == 0:
        for _, write in pipes:
            os.close(write)
        # The program's last words may be about the signal that ends it; with the program this ends by itself.
        for number in OUTLIVED:
            signal.signal(number, signal.SIG_IGN)
        try:
            _hand_on([read for read, _ in pipes], list(secrets), copies)
        finally:
            os._exit(0)
    for (stream, _), (read, write) in zip(STREAMS, pipes, strict=True):
        os.close(read)
        os.dup2(write, stream)
        os.close(write)


def _hand_on(sources: list[int], secrets: list[bytes], copies: str) -> None:
    """Hand on what comes until nobody can write any more."""
    places: dict[int, tuple[Mask, Callable[[bytes], None]]] = {}
    waiting = select.poll()
    for source, (stream, name) in zip(sources, STREAMS, strict=True):
        places[source] = (Mask(secrets), _writer(stream, f"{copies}.{name}.log" if copies else ""))
        waiting.register(source, select.POLLIN)
    while places:
        for source, _ in waiting.poll():
            data = os.read(source, PIECE)
            mask, write = places[source]
            write(mask.take(data, is_last=not data))
            if not data:
                waiting.unregister(source)
                del places[source]


def _writer(stream: int, copy: str) -> Callable[[bytes], None]:
    kept = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if copy else -1

    def write(data: bytes) -> None:
        _write(stream, data)
        if copy:
            with suppress(OSError):  # a full disk costs the copy, not the output
                _write(kept, data)

    return write


def _write(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]
