"""What git's words mean: from its standard error (``LC_ALL=C``) to one of our errors. Pure.

The texts are git 2.39's, libcurl's (GnuTLS and OpenSSL builds) and OpenSSH's; the tests hold those that a real
server on this machine can bring about.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from blocks.errors import SourceRefused, SourceUnreachable
from tasks.askpass import origin

_GIVE_CREDENTIALS = "Check the address; where the repository is private, give a git credentials block that may read it."
_CHECK_CREDENTIALS = "Check the user name and token in the git credentials block, and what the token may read."
_LATER = "Check the address, or try again later."


class NoSuchCommit(SourceRefused):
    """The server gives no such commit, or not by its number alone."""


class Asked(NamedTuple):
    """What git was asked: from where, and whether with credentials."""

    repository: str
    with_credentials: bool


def refusal(stderr: str, asked: Asked) -> SourceRefused:
    """Return the error that git's standard error stands for; what is not known is quoted by its telling line."""
    for pattern, meaning in _MEANINGS:
        if found := re.search(pattern, stderr, re.MULTILINE):
            return meaning(found, asked)
    lines = re.findall(r"^(?:fatal|error|ERROR): (.*)", stderr, re.MULTILINE) or stderr.strip().splitlines()
    return SourceRefused(f"git failed ({lines[0] if lines else 'without a word'})", where=asked.repository)


Meaning = Callable[[re.Match[str], Asked], SourceRefused]


def _no_login(found: re.Match[str], asked: Asked) -> SourceRefused:
    if origin(found[1]) != origin(asked.repository):
        return SourceRefused(
            f"git was sent on to {found[1]}, which asks for a login",
            where=asked.repository,
            advice="Credentials go only to the server that was named; name that one if it is right.",
        )
    if asked.with_credentials:
        return _wrong_login(found, asked)
    return SourceRefused(
        "no such repository, or none that can be read without credentials",
        where=asked.repository,
        advice=_GIVE_CREDENTIALS,
    )


def _wrong_login(_: re.Match[str], asked: Asked) -> SourceRefused:
    return SourceRefused("the server refused the user name or token", where=asked.repository, advice=_CHECK_CREDENTIALS)


def _about_login(asked: Asked) -> str:
    if not asked.repository.startswith("http"):
        return "Check the path, and that it may be read by whom we come as."
    return _CHECK_CREDENTIALS if asked.with_credentials else _GIVE_CREDENTIALS


def _not_found(_: re.Match[str], asked: Asked) -> SourceRefused:
    return SourceRefused(
        "no such repository, or none that may be read", where=asked.repository, advice=_about_login(asked)
    )


def _status(found: re.Match[str], asked: Asked) -> SourceRefused:
    if found[1] in ("401", "403", "407"):
        return SourceRefused(f"the server forbids it ({found[1]})", where=asked.repository, advice=_about_login(asked))
    if found[1].startswith("3"):
        return SourceRefused(
            f"the server sends git on to another place ({found[1]})",
            where=asked.repository,
            advice="Open the address in a browser, and give the one that it ends at.",
        )
    if found[1] == "429" or found[1].startswith("5"):
        return SourceUnreachable(f"the server failed ({found[1]})", where=asked.repository, advice=_LATER)
    return SourceRefused(f"the server answered {found[1]}", where=asked.repository, advice=_GIVE_CREDENTIALS)


def _says(
    what: str, advice: str = _LATER, kind: type[SourceRefused] = SourceRefused, *, quoted: bool = False
) -> Meaning:
    def meaning(found: re.Match[str], asked: Asked) -> SourceRefused:
        return kind(f"{what} ({found[1]})" if quoted else what, where=asked.repository, advice=advice)

    return meaning


_UNREACHABLE = (
    r"(Failed to connect to .*|Couldn't connect to server|Connection refused|Connection timed out"
    r"|Connection reset by peer|No route to host|Network is unreachable|Connection closed by .*"
    r"|Empty reply from server|Recv failure.*|Timeout was reached|Connection to .* timed out)"
)
_NO_TLS = (
    r"(server certificate verification failed|SSL certificate problem: .*|SSL: .*|gnutls_handshake.*"
    r"|GnuTLS.*|OpenSSL.*|SSL_ERROR.*|SSL connect error|.*wrong version number)"
)

_MEANINGS: tuple[tuple[str, Meaning], ...] = (
    (
        r"not our ref|unadvertised object|couldn't find remote ref|Needed a single revision|expected commit type",
        _says("no such commit", "Check its 40 digits; a commit that is on no branch may be gone.", kind=NoSuchCommit),
    ),
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        _says(
            "the server shows another host key than the known one; nothing was sent",
            "If its key really changed, replace its lines in known_hosts of the git credentials block.",
        ),
    ),
    (
        r"Host key verification failed",
        _says(
            "the server's host key is not known",
            "Add its lines (ssh-keyscan shows them; compare them with what it publishes) to known_hosts "
            "of the git credentials block.",
        ),
    ),
    (
        r"Permission denied \(|Too many authentication failures",
        _says(
            "the server refused the private key",
            "Check the user in the address, and that the server knows the key.",
        ),
    ),
    (
        r"[Cc]ould not resolve (?:host|hostname|proxy)",
        _says("the host's name is not known here", kind=SourceUnreachable),
    ),
    (
        _UNREACHABLE,
        _says("the host cannot be reached", kind=SourceUnreachable, quoted=True),
    ),
    (
        r"Operation too slow|Operation timed out",
        _says("the server sends nothing any more", kind=SourceUnreachable),
    ),
    (
        _NO_TLS,
        _says("no safe TLS connection", "Check the address; the server's certificate must be valid.", quoted=True),
    ),
    (r"could not read (?:Username|Password) for '([^']*)'", _no_login),
    (r"Authentication failed for", _wrong_login),
    (r"The requested URL returned error: (\d+)", _status),
    (
        r"not valid: is this a git repository|unable to update url base from redirection",
        _says("what answers there is no git repository", _GIVE_CREDENTIALS),
    ),
    (r"repository '.*' not found|Repository not found|does not appear to be a git repository", _not_found),
    (
        r"transport '(.*)' not allowed",
        _says("a submodule's address is of a kind that is not read", "https, http and ssh are.", quoted=True),
    ),
    (
        r"dubious ownership",
        _says("the repository belongs to another user", "Let the user that runs Prefect's worker own it."),
    ),
    (r"(unexpected disconnect|early EOF|remote end hung up)", _says("the server broke off", kind=SourceUnreachable)),
    (r"No space left on device", _says("the disk is full where the flow runs", "Make room, then run it again.")),
)
"""Tried in this order: the telling line first, the general one that git adds after it later."""
