"""How an SSH connection is opened: only to whom shows the host key that we know, and so that its death is noticed.

A dead peer is noticed after about ten seconds: paramiko's keepalive alone does not notice a cut link
(35 s and still "active"), ``TCP_USER_TIMEOUT`` with TCP keepalive does (9.4 to 11.7 s, measured).
"""

import base64
import io
import logging
import socket
from typing import Any

import paramiko

from blocks.errors import HostKeyChanged, NodeUnreachable

# paramiko prints tracebacks of its reader threads; what matters of them reaches us as exceptions.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

DEAD_AFTER_S = 10
"""How long a peer may be silent after it was asked for a sign of life."""

_SHOWN_BY = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""The algorithms by which a kind of key is shown, where they are called otherwise (RFC 8332)."""


def connected(host: str, port: int, *, name: str, timeout_s: float) -> socket.socket:
    """Open a TCP connection that notices its peer's death.

    Raises:
        NodeUnreachable: Nobody answers there.
    """
    try:
        sock = socket.create_connection((host, port), timeout=timeout_s)
    except OSError as error:
        raise unreachable(name, error) from error
    _notice_death(sock)
    return sock


def logged_in(
    sock: Any, *, name: str, host_key: str, user: str, private_key: str, timeout_s: float
) -> paramiko.Transport:
    """Log in over an open connection, which is closed if that fails. No agent, no other key, no forwarding of keys.

    Args:
        sock: A socket, or what behaves as one.
        name: Who shall answer there, for messages.
        host_key: The public host key that it must show, as in known_hosts without the name.
        user: Whom we come as.
        private_key: What lets us in, ed25519, in OpenSSH's text form.
        timeout_s: How long we wait for each of its answers at least; a busy machine gets more.

    Raises:
        HostKeyChanged: It shows another key; nothing was sent.
        NodeUnreachable: It speaks no SSH, is silent, or refuses the login.
    """
    transport: paramiko.Transport | None = None
    try:
        transport = paramiko.Transport(sock)
        transport.daemon = True
        transport.banner_timeout = transport.auth_timeout = max(timeout_s, 60)
        _prefer(transport, host_key)
        transport.start_client(timeout=max(timeout_s, 30))
        _require_key(name, host_key, transport.get_remote_server_key())
        transport.auth_publickey(user, paramiko.Ed25519Key.from_private_key(io.StringIO(private_key)))
    except HostKeyChanged:
        _close(transport, sock)
        raise
    except (paramiko.SSHException, OSError, EOFError) as error:
        _close(transport, sock)
        raise unreachable(name, error) from error
    return transport


def unreachable(name: str, error: BaseException) -> NodeUnreachable:
    """Return the error that says of a node why it lets nobody in."""
    what = str(error) or type(error).__name__
    return NodeUnreachable(f"no SSH login ({what})", where=name, advice="Is the node up? Run verify-cluster.")


def _close(transport: paramiko.Transport | None, sock: Any) -> None:
    if transport is not None:
        transport.close()
    sock.close()


def _prefer(transport: paramiko.Transport, host_key: str) -> None:
    """Ask first for the kind of key that we know, for a server may have several; and for the quickest encryption.

    AES-GCM proves by itself that nothing was changed, and takes half the time of paramiko's first choice (measured).
    """
    kind = host_key.partition(" ")[0]
    wanted = _SHOWN_BY.get(kind, (kind,))
    options = transport.get_security_options()
    options.ciphers = tuple(sorted(options.ciphers, key=lambda offered: "gcm" not in offered))
    options.key_types = tuple(sorted(options.key_types, key=lambda offered: offered not in wanted))


def _require_key(name: str, host_key: str, shown: paramiko.PKey) -> None:
    kind, _, key = host_key.partition(" ")
    if shown.get_name() != kind or shown.asbytes() != base64.b64decode(key.split(" ", 1)[0]):
        raise HostKeyChanged(
            f"shows another host key than the one made for it ({shown.fingerprint})",
            where=name,
            advice="Somebody else may answer at its address; nothing was sent.",
        )


def _notice_death(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_USER_TIMEOUT", DEAD_AFTER_S * 1000), ("TCP_KEEPIDLE", 2), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3),
    ):  # fmt: skip
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
