"""Checking out over http, against a real git server on loopback: JOB-03."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.errors import BadInput, SourceRefused, SourceUnreachable, WrongState
from blocks.git_credentials import GitCredentials
from tasks.git_session import GitSession
from tasks.source_url import Source
from tests.worlds.checkouts import take
from tests.worlds.git_server import GitServer, basic, free_port

ADA = GitCredentials(username="ada", token=SecretStr("right-token"))
LOGIN = ("ada", "right-token")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with GitServer(tmp_path_factory.mktemp("git")) as running:
        yield running


@pytest.fixture(scope="module")
def commits(server: GitServer) -> dict[str, str]:
    """A public repository ``ada/pi``: three commits, a branch with a slash, a tag."""
    pi = server.repository("ada/pi")
    made = {"first": pi.commit({"ex.py": "1", "sub/dir/deep.py": "deep"})}
    made["main"] = pi.commit({"ex.py": "2"})
    made["v1"] = pi.commit({"ex.py": "3"}, branch="feat/x", tag="v1")
    made["feat/x"] = pi.commit({"ex.py": "4"}, branch="feat/x")
    return made


@pytest.fixture(scope="module")
def secret(server: GitServer) -> str:
    return server.repository("ada/secret", login=LOGIN).commit({"ex.py": "secret"})


@pytest.mark.parametrize(
    ("path", "reference", "got"),
    [
        ("ada/pi", "", ("main", "")),
        ("ada/pi.git", "", ("main", "")),
        ("ada/pi", "feat/x", ("feat/x", "")),
        ("ada/pi", "refs/heads/feat/x", ("feat/x", "")),
        ("ada/pi", "v1", ("v1", "")),
        ("ada/pi/tree/feat/x/sub/dir", "", ("feat/x", "sub/dir")),
        ("ada/pi/tree/feat/x/sub", "feat/x", ("feat/x", "sub")),
        ("ada/pi/-/tree/v1/sub", "", ("v1", "sub")),
        ("ada/pi/src/branch/main/sub", "", ("main", "sub")),
        ("ada/pi/blob/main/sub/dir/deep.py", "", ("main", "sub/dir")),
    ],
)
def test_a_branch_tag_or_folder_as_the_browser_shows_it(
    server: GitServer, commits: dict[str, str], tmp_path: Path, path: str, reference: str, got: tuple[str, str]
) -> None:
    """JOB-03."""
    made = take(server.url(path), tmp_path / "tree", reference=reference)
    assert (made.reference, made.folder, made.commit) == (*got, commits[got[0]])
    assert (tmp_path / "tree/ex.py").read_text() == {"main": "2", "v1": "3", "feat/x": "4"}[got[0]]
    assert (".git" in made.hint) == path.endswith(".git")
    assert ("names a file" in made.hint) == ("blob" in path)


def test_a_tree_has_no_git_folder_and_is_ours_alone(server: GitServer, commits: dict[str, str], tmp_path: Path) -> None:
    take(server.url("ada/pi"), tmp_path / "tree")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "tree", "tree/ex.py", "tree/sub", "tree/sub/dir", "tree/sub/dir/deep.py",
    ]  # fmt: skip
    assert (tmp_path / "tree").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("protocol", ["", "version=0"])
@pytest.mark.parametrize("form", ["parameter", "url"])
def test_a_pinned_commit_also_where_the_server_gives_none_by_its_number(
    server: GitServer, commits: dict[str, str], tmp_path: Path, protocol: str, form: str
) -> None:
    """JOB-03. Over protocol 0 this server refuses what no branch or tag points to."""
    server.protocol = protocol
    first = commits["first"]
    try:
        if form == "url":
            got = take(server.url(f"ada/pi/commit/{first}"), tmp_path / "tree")
        else:
            got = take(server.url("ada/pi"), tmp_path / "tree", reference=first.upper())
    finally:
        server.protocol = ""
    assert (got.commit, got.reference) == (first, first)
    assert (tmp_path / "tree/ex.py").read_text() == "1"


def test_a_short_commit_is_found_at_a_tip_and_else_asks_for_all_digits(
    server: GitServer, commits: dict[str, str], tmp_path: Path
) -> None:
    """JOB-03."""
    assert take(server.url("ada/pi"), tmp_path / "a", reference=commits["main"][:7]).commit == commits["main"]
    with pytest.raises(SourceRefused, match="all 40 digits"):
        take(server.url("ada/pi"), tmp_path / "b", reference=commits["first"][:12])


@pytest.mark.parametrize(
    ("path", "asked", "says"),
    [
        ("ada/pi", {"reference": "mian"}, "no branch, tag or commit named mian. Near: main."),
        ("ada/pi", {"reference": "feat"}, "no branch, tag or commit named feat."),
        ("ada/pi", {"reference": "a" * 40}, "no such commit. Check its 40 digits"),
        ("ada/pi/tree/gone/sub", {}, "no branch, tag or commit named gone."),
        ("ada/pi", {"folder": "nowhere"}, "no folder named nowhere in it."),
        ("ada/pi", {"folder": "ex.py"}, "no folder named ex.py in it."),
        ("ada/pi/tree/main/nowhere", {}, "no folder named nowhere in it."),
        ("ada/none", {}, "no such repository, or none that may be read."),
        ("ada/secret", {}, "none that can be read without credentials. .*git credentials block"),
    ],
)
@pytest.mark.usefixtures("commits", "secret")
def test_what_is_not_there_is_refused_in_one_line(
    server: GitServer, tmp_path: Path, path: str, asked: dict[str, str], says: str
) -> None:
    """JOB-03."""
    with pytest.raises(SourceRefused, match=says) as refused:
        take(server.url(path), tmp_path / "tree", **asked)
    assert refused.value.where == server.url("/".join(path.split("/")[:2]))
    assert not refused.value.retryable
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "tree").iterdir()) == []


def test_an_empty_repository_is_refused(server: GitServer, tmp_path: Path) -> None:
    server.repository("ada/empty")
    with pytest.raises(SourceRefused, match="is empty"):
        take(server.url("ada/empty"), tmp_path / "tree")


@pytest.mark.parametrize(
    ("path", "asked", "field"),
    [("tree/main", {"reference": "v1"}, "reference"), ("tree/main/sub", {"folder": "sub/dir"}, "folder")],
)
def test_a_url_and_a_field_that_differ_are_both_named(
    server: GitServer, commits: dict[str, str], tmp_path: Path, path: str, asked: dict[str, str], field: str
) -> None:
    """JOB-03."""
    with pytest.raises(BadInput, match=f"{field}: is .*, but the source's URL says (main|sub)") as refused:
        take(server.url(f"ada/pi/{path}"), tmp_path / "tree", **asked)
    assert refused.value.where == field


def test_the_right_token_opens_a_private_repository(server: GitServer, secret: str, tmp_path: Path) -> None:
    """JOB-03."""
    assert take(server.url("ada/secret"), tmp_path / "tree", credentials=ADA).commit == secret
    assert (tmp_path / "tree/ex.py").read_text() == "secret"


@pytest.mark.parametrize("wrong", [("ada", "wrong"), ("eve", "right-token"), ("ada", "x' \"$(id)\\%@:/")])
def test_a_wrong_token_is_refused(server: GitServer, secret: str, tmp_path: Path, wrong: tuple[str, str]) -> None:
    """JOB-03."""
    user, token = wrong
    with pytest.raises(SourceRefused, match="refused the user name or token") as refused:
        take(server.url("ada/secret"), tmp_path, credentials=GitCredentials(username=user, token=SecretStr(token)))
    assert token not in str(refused.value)
    assert basic(user, token) in {seen.authorization for seen in server.seen}


@pytest.mark.parametrize("private", [True, False], ids=["after the login", "before the login"])
def test_a_redirect_takes_no_credentials_along(server: GitServer, tmp_path: Path, private: bool) -> None:
    """JOB-04: git itself follows a server that is public at first, and none after the login."""
    server.repository(path := f"ada/moved-{private}", login=LOGIN if private else None).commit({"a": "a"})
    with GitServer(tmp_path / "other") as other:
        commit = other.repository(path, login=LOGIN).commit({"a": "a"})
        server.redirects[path] = other.origin
        says = "refused the user name" if private else r"sent on to .*go only to the server that was named"
        with pytest.raises(SourceRefused, match=says):
            take(server.url(path), tmp_path / "tree", credentials=ADA)
        other.logins.clear()
        if private:
            with pytest.raises(SourceRefused, match=r"sends git on to another place \(302\)"):
                take(server.url(path), tmp_path / "tree", credentials=ADA)
        else:
            assert take(server.url(path), tmp_path / "tree", credentials=ADA).commit == commit
        assert other.seen
        assert {seen.authorization for seen in other.seen} == {None}


@pytest.mark.parametrize(("status", "says"), [(403, "forbids it"), (500, "server failed"), (503, "server failed")])
def test_a_server_that_refuses_or_fails(server: GitServer, tmp_path: Path, status: int, says: str) -> None:
    """JOB-03."""
    server.answers["ada/odd"] = status
    with pytest.raises(SourceRefused, match=rf"{says} \({status}\)") as refused:
        take(server.url("ada/odd"), tmp_path / "tree")
    assert refused.value.retryable == (status >= 500)


def test_hosts_that_are_not_there_are_worth_a_retry(tmp_path: Path) -> None:
    """JOB-03."""
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        take(f"http://127.0.0.1:{free_port()}/o/r", tmp_path / "a")
    with pytest.raises(SourceUnreachable, match="not known here"):
        take("http://nowhere.invalid/o/r", tmp_path / "b")


def test_a_server_that_speaks_no_tls_is_told_apart(server: GitServer, tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="no safe TLS connection") as refused:
        take(server.url("ada/pi").replace("http:", "https:"), tmp_path / "a")
    assert not refused.value.retryable


def test_a_server_that_hangs_is_given_up_and_leaves_no_process(
    server: GitServer, commits: dict[str, str], tmp_path: Path
) -> None:
    server.gate.clear()
    server.waiting.clear()
    try:
        with pytest.raises(SourceUnreachable, match="not done after 3 s"):
            take(server.url("ada/pi"), tmp_path / "tree", timeout_s=3)
        assert server.waiting.is_set()
    finally:
        server.gate.set()
    assert processes_naming(server.url("ada/pi")) == []
    assert list((tmp_path / "tree").iterdir()) == []


def test_a_server_that_stalls_is_noticed_before_the_time_is_over(
    server: GitServer, commits: dict[str, str], tmp_path: Path
) -> None:
    server.gate.clear()
    source = Source(repository=server.url("ada/pi"))
    try:
        with GitSession(source, tmp_path, None, timeout_s=120, stall_s=1) as session:
            session.run("init", "--quiet")
            with pytest.raises(SourceUnreachable, match="sends nothing any more"):
                session.run("fetch", "--quiet", "--", source.repository, "main")
    finally:
        server.gate.set()


def processes_naming(text: str) -> list[str]:
    """Return the command lines on this machine that hold a text."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if text in line]


def test_a_folder_that_holds_something_is_not_filled(tmp_path: Path) -> None:
    tmp_path.joinpath("mine").write_text("mine")
    with pytest.raises(WrongState, match="is not empty"):
        take("https://127.0.0.1/o/r", tmp_path)
    assert tmp_path.joinpath("mine").read_text() == "mine"


def test_many_checkouts_side_by_side(server: GitServer, commits: dict[str, str], secret: str, tmp_path: Path) -> None:
    """Each with its own secrets: no state is shared."""
    wrong = GitCredentials(username="ada", token=SecretStr("wrong"))
    ends: dict[int, str] = {}

    def one(number: int, credentials: GitCredentials) -> None:
        try:
            ends[number] = take(server.url("ada/secret"), tmp_path / str(number), credentials=credentials).commit
        except SourceRefused as error:
            ends[number] = error.what

    threads = [threading.Thread(target=one, args=(number, ADA if number % 2 else wrong)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = "the server refused the user name or token"
    assert ends == {0: refused, 1: secret, 2: refused, 3: secret}
