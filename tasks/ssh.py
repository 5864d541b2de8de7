"""SSH sessions to nodes: opened side by side, kept and used again, host keys strict."""

import shlex
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import paramiko

from blocks.cluster import Node
from blocks.errors import CommandFailed, NodeUnreachable, TimedOut
from tasks.ssh_connect import connected, logged_in
from tasks.ssh_jump import Jump, Link

_AT_ONCE = 32


@dataclass(frozen=True)
class Login:
    """How to enter nodes: the user, the private key in OpenSSH's text form (kept out of ``repr``), the way there."""

    user: str
    private_key: str = field(repr=False)
    jump: Jump | None = None


@dataclass(frozen=True)
class Finished:
    """A command's end on a node. ``code`` is -1 when a signal ended it."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text, without blanks at its ends."""
        return self.stdout.decode(errors="replace").strip()


class Session:
    """One open SSH connection to one node. Safe for several threads."""

    def __init__(self, node: Node, transport: paramiko.Transport) -> None:
        self.node = node
        self._transport = transport
        self._sftp: paramiko.SFTPClient | None = None
        self._sftp_lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether the connection still stands."""
        return self._transport.is_active()

    def channel(self, argv: Sequence[str]) -> paramiko.Channel:
        """Start a command and return its channel. Each word reaches the program as it is, whatever is in it.

        Raises:
            NodeUnreachable: The connection is gone.
        """
        try:
            channel = self._transport.open_session(timeout=30)
            channel.exec_command(shlex.join(argv))
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._lost() from error
        return channel

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] | None = b"",
        timeout_s: float = 60,
        check: bool = True,
    ) -> Finished:
        """Run a command to its end and return what it wrote.

        Args:
            argv: The program and its arguments; no shell reads them.
            stdin: What the program reads, whole or in chunks; nothing of it shows in a process list. None: an input
                that stays silent and open until the program ends.
            timeout_s: Time limit; the channel is closed when it is over.
            check: Whether a code other than 0 is an error.

        Raises:
            CommandFailed: The code was not 0; with the last line of standard error.
            TimedOut: The time limit is over.
            NodeUnreachable: The connection went away.
        """
        channel = self.channel(argv)
        try:
            finished = self._pump(channel, stdin, time.monotonic() + timeout_s)
        except TimeoutError as error:
            raise TimedOut(f"`{argv[0]}` took more than {timeout_s:g} s", where=self.node.name) from error
        except OSError as error:
            raise self._lost() from error
        finally:
            channel.close()
        if finished.code == -1 and not self.is_open:
            raise self._lost()
        if check and finished.code != 0:
            last = finished.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise CommandFailed(
                f"`{argv[0]}` ended with code {finished.code}" + (f" ({last})" if last else ""),
                where=self.node.name,
            )
        return finished

    def _pump(self, channel: paramiko.Channel, stdin: bytes | Iterable[bytes] | None, deadline: float) -> Finished:
        def left() -> float:
            return max(deadline - time.monotonic(), 0.001)

        out, err = bytearray(), bytearray()
        reader = threading.Thread(target=_read_stderr, args=(channel, err), daemon=True)
        reader.start()
        if stdin is not None:
            for chunk in [stdin] if isinstance(stdin, bytes) else stdin:
                channel.settimeout(left())
                if not _sent(channel, chunk):
                    break
            channel.shutdown_write()
        channel.settimeout(left())
        while chunk := channel.recv(262_144):
            out += chunk
            channel.settimeout(left())
        if not channel.status_event.wait(left()):
            raise TimeoutError
        reader.join(left())
        return Finished(channel.recv_exit_status(), bytes(out), bytes(err))

    def write(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """Put a file in place in one step: a reader sees the old one or the new one, never a part.

        Raises:
            CommandFailed: The node refused (no such folder, disk full).
        """
        with self._files(path) as sftp:
            part = f"{path}.part-{threading.get_ident()}"
            with sftp.open(part, "wb") as file:
                file.set_pipelined(pipelined=True)
                file.chmod(mode)
                file.write(data)
            sftp.posix_rename(part, path)

    def read(self, path: str, *, offset: int = 0, most: int = -1) -> bytes:
        """Return a file's bytes from ``offset`` on, ``most`` at most (-1: all).

        Raises:
            FileNotFoundError: There is no such file.
            CommandFailed: The node refused otherwise.
        """
        with self._files(path) as sftp, sftp.open(path, "rb") as file:
            size = file.stat().st_size or 0
            wanted = max(size - offset, 0) if most < 0 else min(most, max(size - offset, 0))
            if not wanted:
                return b""
            file.seek(offset)
            if wanted > 1_000_000:
                file.prefetch(size)
            return bytes(file.read(wanted))

    def _files(self, path: str) -> "_Files":
        return _Files(self, path)

    def sftp(self) -> paramiko.SFTPClient:
        """Return the connection's one SFTP channel. Use it through ``read`` and ``write`` where they do."""
        if self._sftp is None:
            try:
                client = paramiko.SFTPClient.from_transport(self._transport)
            except (paramiko.SSHException, OSError, EOFError) as error:
                raise self._lost() from error
            if client is None:
                raise self._lost()
            self._sftp = client
        return self._sftp

    def close(self) -> None:
        """Close the connection. Closing it twice is fine."""
        self._transport.close()

    def _lost(self) -> NodeUnreachable:
        return NodeUnreachable("the SSH connection was lost", where=self.node.name, advice="Run verify-cluster.")


class _Files:
    """The SFTP channel for one operation on ``path``, with its errors translated."""

    def __init__(self, session: Session, path: str) -> None:
        self._session, self._path = session, path

    def __enter__(self) -> paramiko.SFTPClient:
        self._session._sftp_lock.acquire()  # noqa: SLF001
        try:
            return self._session.sftp()
        except BaseException:
            self._session._sftp_lock.release()  # noqa: SLF001
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session._sftp_lock.release()  # noqa: SLF001
        if isinstance(error, FileNotFoundError) or error is None:
            return
        if isinstance(error, (paramiko.SSHException, EOFError)) or not self._session.is_open:
            raise self._session._lost() from error  # noqa: SLF001
        if isinstance(error, OSError):
            raise CommandFailed(f"{self._path}: {error}", where=self._session.node.name) from error


def _sent(channel: paramiko.Channel, chunk: bytes) -> bool:
    """Send, and tell whether it went out: a program that has ended reads no more, and says why by its code."""
    try:
        channel.sendall(chunk)
    except OSError:
        if not channel.exit_status_ready():
            raise
        return False
    return True


def _read_stderr(channel: paramiko.Channel, into: bytearray) -> None:
    try:
        while chunk := channel.recv_stderr(262_144):
            into += chunk
    except (TimeoutError, OSError):
        return


def connect(node: Node, login: Login, *, timeout_s: float = 10) -> Session:
    """Open a session to a node that must show the host key made for it, through the login's jump host if it has one.

    Raises:
        HostKeyChanged: It shows another key, or the jump host does; nothing was sent.
        NodeUnreachable: Nobody answers, or the login is refused; with which of the two it was.
    """
    name, jump = node.name, login.jump
    if jump is None:
        link = None
        sock: Link | socket.socket = connected(node.ssh_host, node.ssh_port, name=name, timeout_s=timeout_s)
    else:
        sock = link = jump.link_to(node.ssh_host, node.ssh_port, name=name, timeout_s=timeout_s)
    transport = logged_in(
        sock,
        name=name,
        host_key=node.host_key,
        user=login.user,
        private_key=login.private_key,
        timeout_s=timeout_s,
    )
    if link is not None:
        link.watch(transport)
    return Session(node, transport)


def wait_for_login(node: Node, login: Login, *, timeout_s: float) -> Session:
    """Try to log in until it works: a node that has just started refuses for a while.

    Raises:
        HostKeyChanged: At once.
        NodeUnreachable: When the time limit is over; with the last reason.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = 0.02
    while True:
        try:
            return connect(node, login, timeout_s=max(min(10.0, deadline - time.monotonic()), 0.1))
        except NodeUnreachable:
            if time.monotonic() + pause_s > deadline:
                raise
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 1.0)


class Sessions:
    """The open sessions to a cluster's nodes: one each, opened when first asked for, closed together.

    The login's jump host is theirs too: it is closed with them.
    """

    def __init__(self, login: Login, *, timeout_s: float = 30) -> None:
        self._login = login
        self._timeout_s = timeout_s
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def to(self, node: Node) -> Session:
        """Return the session to one node, opening it where needed."""
        with self._lock:
            session = self._open.get(node.name)
        if session is not None and session.is_open and session.node.host_key == node.host_key:
            return session
        session = wait_for_login(node, self._login, timeout_s=self._timeout_s)
        with self._lock:
            self._open[node.name] = session
        return session

    def to_all(self, nodes: Iterable[Node]) -> list[Session]:
        """Return the sessions to all these nodes, opened side by side, in their order.

        Raises:
            NodeUnreachable: With the names of all nodes that do not answer.
            HostKeyChanged: With the name of the first node that shows a wrong key.
        """
        nodes = list(nodes)
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, max(len(nodes), 1))) as pool:
            tries = [pool.submit(self.to, node) for node in nodes]
        lost = [(node, attempt.exception()) for node, attempt in zip(nodes, tries, strict=True) if attempt.exception()]
        for _, error in lost:
            if not isinstance(error, NodeUnreachable) and error is not None:
                raise error
        if lost:
            names = ", ".join(node.name for node, _ in lost)
            raise NodeUnreachable(str(getattr(lost[0][1], "what", lost[0][1])), where=names) from lost[0][1]
        return [attempt.result() for attempt in tries]

    def close(self) -> None:
        """Close all sessions, and the way through the jump host."""
        with self._lock:
            sessions, self._open = list(self._open.values()), {}
        for session in sessions:
            session.close()
        if self._login.jump is not None:
            self._login.jump.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all sessions."""
        self.close()
