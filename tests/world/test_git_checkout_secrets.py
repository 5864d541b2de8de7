"""Where a secret is while a checkout runs: in memory, nowhere else. JOB-04, SEC-08; and git over ssh, JOB-03."""

import base64
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from blocks.errors import GroundworkError, SourceRefused, SourceUnreachable
from blocks.git_credentials import GitCredentials
from tasks import askpass
from tasks.git_session import GitSession
from tasks.source_url import Source
from tests.worlds.checkouts import take
from tests.worlds.git_server import GitServer, Repository, basic, missing_programs
from tests.worlds.git_ssh_server import GitSshServer, git_ssh_server, key_pair

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitSshServer]:
    if missing := missing_programs("sshd", "ssh", "ssh-agent", "ssh-add", "ssh-keygen"):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"not on this machine: {', '.join(missing)}")
    with git_ssh_server(tmp_path_factory.mktemp("ssh")) as running:
        running.repository("pi").commit({"ex.py": "over ssh"})
        yield running


def traces(needles: set[bytes], *folders: Path) -> list[str]:
    """Return where one of these stands: in a process's arguments or environment, or in a file, name or content."""
    places = [path for name in ("cmdline", "environ") for path in Path("/proc").glob(f"[0-9]*/{name}")]
    for folder in folders:
        places += files(folder)
    return [str(path) for path in places if any(needle in read(path) for needle in needles)]


def files(folder: Path) -> list[Path]:
    """Return all files under a folder that others may be emptying."""
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]


def read(path: Path) -> bytes:
    try:
        return os.fsencode(path) + path.read_bytes()
    except OSError:
        return b""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which this test's checkouts make their private ones; short, for sockets are made there."""
    with tempfile.TemporaryDirectory(prefix="gw-", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def forms(user: str, token: str) -> set[bytes]:
    """Return every form in which a token could stand somewhere."""
    plain = {token, quote(token, safe=""), basic(user, token).removeprefix("Basic ")}
    plain |= {base64.b64encode(text.encode()).decode().rstrip("=") for text in (token, f"{user}:{token}")}
    return {text.encode() for text in plain}


def wait_until(happened: Callable[[], bool], what: str, *, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"not seen in {timeout_s} s: {what}"
        time.sleep(0.01)


def test_a_token_is_nowhere_while_git_runs_nor_after(
    tmp_path: Path, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """JOB-04: the checkout is held in its middle by the server; all processes and files are looked at throughout."""
    token = f"{secrets.token_hex(12)}/+ {secrets.token_hex(4)}"
    needles, seen = forms("ada", token), set()
    credentials = GitCredentials(username="ada", token=SecretStr(token))
    into, stop = tmp_path / "tree", threading.Event()

    def look() -> list[str]:
        found = []
        while not stop.is_set():
            seen.update(path.name for path in files(place))
            found += traces(needles, into, place)
        return found

    with GitServer(tmp_path / "git") as server, ThreadPoolExecutor() as pool:
        commit = server.repository("ada/secret", login=("ada", token)).commit({"ex.py": "1"})
        server.gate.clear()
        looking = pool.submit(look)
        try:
            taking = pool.submit(take, server.url("ada/secret"), into, credentials=credentials)
            wait_until(lambda: server.waiting.is_set() or taking.done(), "git asks for the pack")
            assert any(b"git-remote-http" in read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
            assert traces(needles, into, place) == []
            assert into.joinpath(".git/config").is_file()
            server.gate.set()
            got = taking.result()
        finally:
            server.gate.set()
            stop.set()
        assert looking.result() == []
        assert got.commit == commit
        assert basic("ada", token) in {request.authorization for request in server.seen}
    assert {"ask", "askpass", "config"} <= seen
    assert traces(needles, into) == []
    assert token not in repr(got) + str(credentials) + "".join(capfd.readouterr())
    assert list(place.iterdir()) == []


def test_the_look_for_traces_finds_them(tmp_path: Path) -> None:
    """The test above could fail: an argument, an environment and a file are each seen."""
    needles = forms("ada", "needle-4711")
    tmp_path.joinpath("file").write_text("x" + basic("ada", "needle-4711"))
    sleep = ["sleep", "60"]
    with (
        subprocess.Popen(sleep, env={"PATH": os.environ["PATH"], "A": "needle-4711"}) as by_environment,
        subprocess.Popen(["sh", "-c", "sleep 60; : needle-4711"]) as by_argument,
    ):
        try:
            here = {f"/proc/{by_environment.pid}/environ", f"/proc/{by_argument.pid}/cmdline", str(tmp_path / "file")}
            wait_until(lambda: here <= set(traces(needles, tmp_path)), "all three places")
        finally:
            by_environment.kill()
            by_argument.kill()


def test_the_socket_answers_us_alone_and_about_one_server_alone(tmp_path: Path) -> None:
    """JOB-04."""
    address = tmp_path / "ask"
    with askpass.Answers(address, url="https://h.example.org/o/r", username="ada", token="t"):
        assert address.stat().st_mode & 0o777 == 0o600
        said = {
            question: askpass.ask(str(address), question)
            for question in (
                "Username for 'https://h.example.org': ",
                "Password for 'https://ada@h.example.org': ",
                "Password for 'https://ada@h.example.org:443': ",
                "Password for 'https://h.example.org@evil.example.org': ",
                "Password for 'https://ada@h.example.org:444': ",
                "Password for 'http://ada@h.example.org': ",
                "Password for 'https://evil.example.org/h.example.org': ",
                "Enter passphrase for key: ",
                "Password for 'https://[': ",
                "",
            )
        }
    assert [answer for answer in said.values() if answer] == ["ada", "t", "t"]
    assert list(said.values())[:3] == ["ada", "t", "t"]


def ssh_credentials(server: GitSshServer, *, key: str = "", known: str = "") -> GitCredentials:
    return GitCredentials(
        username="git",
        private_key=SecretStr(key or server.private_key),
        known_hosts=known or server.known_hosts,
    )


@pytest.mark.parametrize("windows", [False, True])
def test_over_ssh_with_a_key_and_a_known_host(ssh_server: GitSshServer, tmp_path: Path, windows: bool) -> None:
    """JOB-03: also with a key as a browser's text field on Windows hands it over."""
    key = ssh_server.private_key.strip().replace("\n", "\r\n") if windows else ssh_server.private_key
    take(ssh_server.url("pi"), tmp_path, credentials=ssh_credentials(ssh_server, key=key))
    assert tmp_path.joinpath("ex.py").read_text() == "over ssh"


def test_over_ssh_what_is_wrong_is_told(ssh_server: GitSshServer, tmp_path: Path) -> None:
    """JOB-03."""
    other_key, other_host = key_pair(tmp_path / "other")
    url, at = ssh_server.url("pi"), f"[127.0.0.1]:{ssh_server.port}"
    wrong: list[tuple[str, GitCredentials | None, str]] = [
        (url, ssh_credentials(ssh_server, key=other_key), "refused the private key"),
        (url, ssh_credentials(ssh_server, known=f"example.org {other_host}"), "host key is not known. .*known_hosts"),
        (url, ssh_credentials(ssh_server, known=" "), "host key is not known. .*known_hosts"),
        (url, ssh_credentials(ssh_server, known=f"{at} {other_host}"), "another host key .*nothing was sent"),
        (ssh_server.url("none"), ssh_credentials(ssh_server), "no such repository"),
        (url, ssh_credentials(ssh_server, key="no key"), "private key .*cannot be read"),
        (url, None, "needs a private key"),
        (url, GitCredentials(username="ada", token=SecretStr("t")), "needs a private key"),
    ]
    for number, (source, credentials, says) in enumerate(wrong):
        with pytest.raises(SourceRefused, match=says) as refused:
            take(source, tmp_path / str(number), credentials=credentials)
        assert not refused.value.retryable
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        take("ssh://git@127.0.0.1:1/o/r", tmp_path / "unreachable", credentials=ssh_credentials(ssh_server))


def test_a_private_key_is_in_an_agents_memory_alone_and_goes_with_it(
    ssh_server: GitSshServer, tmp_path: Path, place: Path
) -> None:
    """JOB-04."""
    needles = {line.encode() for line in ssh_server.private_key.splitlines()[1:-1] if len(line) > 20}
    source = Source(repository=ssh_server.url("pi"))
    with GitSession(source, tmp_path, ssh_credentials(ssh_server), timeout_s=60) as session:
        (folder,) = place.iterdir()
        session.run("init", "--quiet")
        session.run("fetch", "--quiet", "--", source.repository, "main")
        assert processes_with(str(folder / "agent"))
        assert traces(needles, folder, tmp_path) == []
    assert not folder.exists()
    assert processes_with(str(folder / "agent")) == []


def test_an_agent_goes_with_a_flow_that_is_killed(ssh_server: GitSshServer, tmp_path: Path) -> None:
    """JOB-04."""
    program = """if True:
        import sys
        from pathlib import Path
        from blocks.git_credentials import GitCredentials
        from tasks.git_session import GitSession
        from tasks.source_url import Source
        key = sys.stdin.readline().replace("|", "\\n")
        credentials = GitCredentials(username="git", private_key=key, known_hosts="h k")
        with GitSession(Source(repository="ssh://git@h/r"), Path(sys.argv[1]), credentials, timeout_s=60) as session:
            print(session._environment["SSH_AUTH_SOCK"], flush=True)
            sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as flow:
        assert flow.stdin
        assert flow.stdout
        flow.stdin.write(ssh_server.private_key.replace("\n", "|") + "\n")
        flow.stdin.flush()
        agent = flow.stdout.readline().strip()
        assert processes_with(agent)
        flow.send_signal(signal.SIGKILL)
    wait_until(lambda: processes_with(agent) == [], "the agent's end")
    shutil.rmtree(Path(agent).parent)


def processes_with(argument: str) -> list[str]:
    """Return the processes that have this text as a whole argument."""
    return [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if argument.encode() in read(path).split(b"\0")
    ]


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    place = tmp_path_factory.mktemp("public")
    repository = Repository(place / "work", place / "bare.git")
    repository.commit({"ex.py": "1", "a/b.py": "2"}, tag="v1")
    return repository


@pytest.fixture(scope="module")
def good_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A key that an agent takes, so that git itself is reached over ssh too."""
    return "" if missing_programs("ssh-keygen") else key_pair(tmp_path_factory.mktemp("key") / "key")[0]


TOUCH = (
    "$(touch CANARY)", "`touch CANARY`", ";touch CANARY;", "|touch CANARY", "\ntouch CANARY\n", "'$(touch CANARY)'",
    "--upload-pack=touch CANARY", "-oProxyCommand=touch CANARY", "--exec=touch CANARY", "-c", "--output=CANARY",
    "ext::sh -c touch% CANARY", "!touch CANARY", "@{-1}", ":/CANARY", "../CANARY", "\x00", "%0atouch CANARY",
)  # fmt: skip
BLANKS = st.sampled_from([" ", "${IFS}", "\t", "%20", "+"])
HOSTILE = st.one_of(
    st.builds(lambda text, blank: text.replace(" ", blank), st.sampled_from(TOUCH), BLANKS), st.text(max_size=20)
)
SOURCES = st.sampled_from(
    ["{}", "file://{}", "file://REPOSITORY{}", "ssh://{}/o/r", "ssh://git@127.0.0.1:1/{}", "ssh://{}@127.0.0.1:1/r",
     "git@127.0.0.1:{}", "{}@127.0.0.1:r", "git@{}:r", "http://127.0.0.1:1/{}/r", "http://{}/o/r", "https://127.0.0.1:1/o/{}",
     "http://127.0.0.1:1/o/r/tree/{}", "ext::sh -c {}", "{}::http://127.0.0.1:1/o/r"]
)  # fmt: skip


@settings(
    max_examples=120, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    source=st.one_of(st.just("file://REPOSITORY"), SOURCES),
    reference=st.just("") | HOSTILE,
    folder=st.just("") | HOSTILE,
    text=HOSTILE,
)
@example(source="{}", reference="", folder="", text="ext::sh -c touch% CANARY")
@example(source="file://REPOSITORY", reference="--upload-pack=touch CANARY", folder="$(touch CANARY)", text="")
def test_no_text_of_a_user_runs_anything(
    public: Repository, good_key: str, tmp_path: Path, *, source: str, reference: str, folder: str, text: str
) -> None:
    """SEC-08: a canary file that hostile sources, references and folders try to make is never made; one of our
    errors, or a checkout, is all that comes of them."""
    canary = tmp_path / "canary"
    source, reference, folder, text = (
        word.replace("CANARY", str(canary)).replace("REPOSITORY", str(public.work))
        for word in (source, reference, folder, text)
    )
    credentials = GitCredentials(
        username="git", token=SecretStr(text), private_key=SecretStr(good_key), known_hosts=f"{text} x"
    )
    with tempfile.TemporaryDirectory(dir=tmp_path) as into:
        try:
            take(
                source.replace("{}", text),
                Path(into, "tree"),
                reference=reference,
                folder=folder,
                credentials=credentials,
                allow_file=True,
            )
        except GroundworkError as error:
            assert "\n" not in str(error)  # noqa: PT017 (no error is as good)
    assert not canary.exists()
