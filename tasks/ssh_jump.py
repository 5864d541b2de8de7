"""Nodes behind a jump host: one connection to it for all of them, in which each node has a channel (``direct-tcpip``).

What passes through is a whole SSH connection of its own: the jump host sees neither keys nor words of it, and the node
must show its host key as if it were reached straight.
"""

import threading
import time

import paramiko
from paramiko.common import cMSG_GLOBAL_REQUEST

from blocks.errors import GroundworkError, NodeUnreachable
from blocks.jump_host import JumpHost
from tasks.ssh_connect import DEAD_AFTER_S, connected, logged_in

_ASKED_AFTER_S = 2
_ADVICE = "Is it up, and do address, user and key in its block fit?"


class Link:
    """A channel as the socket of an SSH connection, which ends when the far side is silent for long.

    The connection to the jump host stays good when a node behind it dies, so nothing else would tell.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._transport: paramiko.Transport | None = None
        self._heard_at = time.monotonic()
        self._asked_at: float | None = None

    def watch(self, transport: paramiko.Transport) -> None:
        """From now on ask who is silent for a sign of life; called when the login over this link is done."""
        self._heard_at = time.monotonic()
        self._transport = transport

    def settimeout(self, seconds: float | None) -> None:
        """Limit how long ``send`` and ``recv`` wait."""
        self._channel.settimeout(seconds)

    def send(self, data: bytes) -> int:
        """Send some of the data and tell how much."""
        try:
            return self._channel.send(data)
        except TimeoutError:
            self._require_alive()
            raise

    def recv(self, most: int) -> bytes:
        """Return what came, empty at the end."""
        try:
            data = self._channel.recv(most)
        except TimeoutError:
            self._require_alive()
            self._ask()
            raise
        self._heard_at, self._asked_at = time.monotonic(), None
        return data

    @property
    def _closed(self) -> bool:
        """As sockets have it: paramiko asks when it ends a connection."""
        return bool(self._channel.closed)

    def close(self) -> None:
        """Close the channel; the connection to the jump host stays."""
        self._channel.close()

    def _require_alive(self) -> None:
        if self._asked_at is not None and time.monotonic() - self._asked_at > DEAD_AFTER_S - _ASKED_AFTER_S:
            raise EOFError("the node behind the jump host is silent")

    def _ask(self) -> None:
        """Ask for an answer that every SSH server gives, were it a refusal (as OpenSSH's ServerAliveInterval does)."""
        transport, now = self._transport, time.monotonic()
        if transport is None or self._asked_at is not None or now - self._heard_at < _ASKED_AFTER_S:
            return
        if not transport.clear_to_send.is_set():
            return  # Keys are being changed: the reader, who calls us, must not wait for that.
        self._asked_at = now
        request = paramiko.Message()
        request.add_byte(cMSG_GLOBAL_REQUEST)
        request.add_string("keepalive@openssh.com")
        request.add_boolean(True)  # noqa: FBT003 # an answer is wanted; paramiko's own keepalive wants none
        transport._send_user_message(request)  # type: ignore[attr-defined] # noqa: SLF001


class Jump:
    """The way through one jump host. Opened when first needed, shared by who passes, opened again when it was lost."""

    def __init__(self, host: JumpHost) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._transport: paramiko.Transport | None = None
        self._failed_at = 0.0
        self._failure: GroundworkError = NodeUnreachable("never tried")

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"jump host {self._host._block_document_name or self._host.host}"  # noqa: SLF001

    @property
    def is_open(self) -> bool:
        """Whether the connection stands."""
        return self._transport is not None and self._transport.is_active()

    def link_to(self, address: str, port: int, *, name: str, timeout_s: float) -> Link:
        """Open a way to a node, called ``name`` in messages.

        Raises:
            HostKeyChanged: The jump host shows another key than its block says.
            NodeUnreachable: With who does not answer: the jump host, or the node behind it.
        """
        transport = self._connection(name, timeout_s)
        try:
            channel = transport.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=timeout_s)
        except (paramiko.SSHException, OSError, EOFError) as error:
            told = getattr(error, "text", "") or str(error) or type(error).__name__
            what = f"does not get through to {address}:{port}" if transport.is_active() else "the connection was lost"
            raise NodeUnreachable(f"{self.name}: {what} ({told})", where=name, advice="Run verify-cluster.") from error
        return Link(channel)

    def close(self) -> None:
        """Close the connection, and all links with it. Closing it twice is fine."""
        with self._lock:
            if self._transport is not None:
                self._transport.close()
                self._transport = None

    def _connection(self, name: str, timeout_s: float) -> paramiko.Transport:
        asked_at = time.monotonic()
        with self._lock:
            if self._transport is not None and self._transport.is_active():
                return self._transport
            # Who waited while it was tried shares the end: many nodes must not try one after the other.
            if self._failed_at < asked_at:
                try:
                    self._transport = self._opened(timeout_s)
                except GroundworkError as error:
                    self._failed_at, self._failure = time.monotonic(), error
                else:
                    return self._transport
            failure = self._failure
        if isinstance(failure, NodeUnreachable):
            raise NodeUnreachable(f"{self.name}: {failure.what}", where=name, advice=_ADVICE) from failure
        raise type(failure)(failure.what, where=failure.where, advice=failure.advice) from failure

    def _opened(self, timeout_s: float) -> paramiko.Transport:
        host = self._host
        return logged_in(
            connected(host.host, host.port, name=self.name, timeout_s=timeout_s),
            name=self.name,
            host_key=host.host_key,
            user=host.user,
            private_key=host.private_key.get_secret_value(),
            timeout_s=timeout_s,
        )
