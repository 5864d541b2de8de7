"""What an address says: JOB-03 (browser URLs, D7), SEC-08 (nothing hostile gets through)."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from blocks.errors import BadInput
from blocks.names import SourceUrl
from tasks.source_url import Source, check_folder, check_reference, read, split_reference

OK = [
    ("https://github.com/o/r", "https://github.com/o/r", ""),
    ("https://github.com/o/r/", "https://github.com/o/r", ""),
    ("https://github.com/o/r?tab=readme-ov-file#use", "https://github.com/o/r", ""),
    ("https://github.com/o/r/tree/feat/x/sub/dir", "https://github.com/o/r", "feat/x/sub/dir"),
    ("https://github.com/o/r/blob/main/a/ex.py#L3", "https://github.com/o/r", "main/a/ex.py"),
    ("https://github.com/o/r/commit/" + "ab" * 20, "https://github.com/o/r", "ab" * 20),
    ("https://github.com/o/r/tree/main/with%20blank", "https://github.com/o/r", "main/with blank"),
    ("https://github.com/tree/blob/tree/main", "https://github.com/tree/blob", "main"),
    ("https://gitlab.com/g/sub/r/-/tree/main/a", "https://gitlab.com/g/sub/r", "main/a"),
    ("https://gitlab.com/g/r/-/blob/v1/ex.py", "https://gitlab.com/g/r", "v1/ex.py"),
    ("https://gitlab.com/g/r/-/commit/" + "0" * 40, "https://gitlab.com/g/r", "0" * 40),
    ("https://gitea.example.org/o/r/src/branch/feat/x/a", "https://gitea.example.org/o/r", "feat/x/a"),
    ("https://gitea.example.org/o/r/src/tag/v1", "https://gitea.example.org/o/r", "v1"),
    ("https://gitea.example.org/o/r/src/commit/abc1234/a", "https://gitea.example.org/o/r", "abc1234/a"),
    ("http://10.0.0.7:3000/o/r", "http://10.0.0.7:3000/o/r", ""),
    ("http://[::1]:3000/o/r", "http://[::1]:3000/o/r", ""),
    ("https://host/scm/team/o/r.git/tree/main", "https://host/scm/team/o/r", "main"),
    ("ssh://git@github.com/o/r.git", "ssh://git@github.com/o/r.git", ""),
    ("ssh://git@host:2222/o/r", "ssh://git@host:2222/o/r", ""),
    ("git@github.com:o/r.git", "git@github.com:o/r.git", ""),
    ("file:///srv/git/r", "file:///srv/git/r", ""),
    ("file:///srv/git/my work/r.git", "file:///srv/git/my work/r.git", ""),
]


@pytest.mark.parametrize(("url", "repository", "rest"), OK)
def test_addresses_as_the_browser_shows_them(url: str, repository: str, rest: str) -> None:
    """JOB-03."""
    found = read(url)
    assert (found.repository, found.rest, found.hint) == (repository, rest, found.hint)


@pytest.mark.parametrize("end", [".git", ".git/", ".git?x=1", ".git/tree/main"])
def test_an_address_ending_in_git_is_the_same_repository_and_says_so(end: str) -> None:
    """JOB-03, D7."""
    found = read(f"https://github.com/o/r{end}")
    assert found.repository == read("https://github.com/o/r").repository
    assert ".git" in found.hint
    assert read("https://github.com/o/r").hint == ""


REFUSED = [
    "", " ", "o/r", "github.com/o/r", "https://", "https://github.com", "https://github.com/", "https://h/.git",
    "ftp://h/o/r", "git://h/o/r", "ext::sh -c id", "ext::sh%20-c%20id", "fd::3", "http::https://h/o/r", "HTTPS//h/o",
    "--upload-pack=id", "-u", "https://-h/o/r", "https://h/-o/r", "https://h/o/--upload-pack=id",
    "ssh://-oProxyCommand=id/o/r", "ssh://-u@h/o/r", "ssh://git@-h/o", "-u@h:o/r", "git@-h:o/r", "git@h:-o/r",
    "ssh://git@h", "ssh://git@h/", "ssh://a$b@h/o", "https://h/o/r\n", "https://h/o/\x1br", "https://h/o r/x",
    "https://h/o%0a/r", "https://h/o%00/r", "https://h/../r", "https://h/o/%2e%2e/r", "https://h/o/r/tree/main/../x",
    "https://h/o/r/tree/main/%2e%2e%2fx", "https://h/o/r/./x", "https://h\\x/o/r", "https://h/o\\r", "https://h:x/o/r",
    "https://h:99999/o/r", "https://[::1/o/r", "https://$(id)/o/r", "https://a;b/o/r", "file://h/o/r", "file://",
    "file:///", "file:///../r", "file:///a/%2e%2e/b", "file:///a\n", "https://h/o/r.git/wiki", "https://h/o/r/-/issues/1",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_no_address_is_refused_by_its_field(url: str) -> None:
    """SEC-08."""
    with pytest.raises(BadInput) as refused:
        read(url)
    assert refused.value.where == "source"
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["https://ada:hunter2@h/o/r", "https://hunter2@h/o/r", "http://hunter2@h", "https://hunter2@h\\@x/o",
     "ssh://git:hunter2@h/o/r", "https://a@hunter2@h/o", "ftp://ada:hunter2@h/o/r"],
)  # fmt: skip
def test_a_secret_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    """SEC-08, JOB-04."""
    with pytest.raises(BadInput) as refused:
        read(url)
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(refused.value.__dict__)
    if not url.startswith("ftp"):
        assert "git credentials block" in str(refused.value)


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("", ("", "")),
        ("main", ("main", "")),
        ("main/a/b", ("main", "a/b")),
        ("feat/x/a", ("feat/x", "a")),
        ("feat/x", ("feat/x", "")),
        ("feat/x/", ("feat/x", "")),
        ("feat/y/a", ("feat", "y/a")),
        ("0123abc/a/b", ("0123abc", "a/b")),
    ],
)
def test_the_reference_is_the_longest_leading_part_that_is_one(rest: str, expected: tuple[str, str]) -> None:
    """JOB-03."""
    assert split_reference(rest, {"main", "feat", "feat/x", "v1"}) == expected


@pytest.mark.parametrize(
    "text", ["-x", "--upload-pack=id", "a b", "a\x00", "a~1", "a^", "a:b", "a\nb", "\x7f", "a" * 256]
)
def test_what_could_be_no_reference_is_refused(text: str) -> None:
    """SEC-08."""
    with pytest.raises(BadInput, match="reference"):
        check_reference(text)


@pytest.mark.parametrize("text", ["/a", "..", "a/../b", "../a", "a/..", "a\\b", "a\x00", "a\nb", "a\x1b"])
def test_what_could_be_no_folder_is_refused(text: str) -> None:
    """SEC-08."""
    with pytest.raises(BadInput, match="folder"):
        check_folder(text)


def test_a_folder_may_be_named_like_much() -> None:
    assert check_folder("a/.hidden/..b/c d/") == "a/.hidden/..b/c d"
    assert check_folder("./a/./b") == "a/b"
    assert check_folder(".") == ""


PIECES = st.sampled_from(
    ["https://", "http://", "ssh://", "file://", "ext::", "git@", "h", "o", "/", ":", "@", "..", "%2e%2e", "-", "-o",
     "tree", "blob", "commit", "src", "branch", ".git", "%0a", "\n", "$(id)", ";", " ", "#", "?", "[::1]", "\\", "é"]
)  # fmt: skip
URLS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=14).map("".join))


@given(URLS)
@example("https://h/a/.git")
@example("https://[/")
@example("https://h/\u2100@x/o")
@example("0@0://")
def test_any_text_is_read_or_refused_and_what_is_read_is_harmless(url: str) -> None:
    """SEC-08."""
    try:
        found = read(url)
    except BadInput:
        return
    assert isinstance(found, Source)
    assert found.scheme in {"https", "http", "ssh", "file"}
    assert re.match(r"https?://[^@/]+/.|ssh://[^-]|file:///.|[^-@/:]+@[^-]", found.repository)
    for text in (found.repository, found.rest):
        assert text.isprintable()
        assert ".." not in text.split("/")
        assert not any(part.startswith("-") and part != "-" for part in re.split(r"[/:@]", text))


@given(URLS)
def test_what_is_read_would_have_passed_the_run_form(url: str) -> None:
    """SEC-08: the form's check lets through all that is read here; what it lets through more, is refused here."""
    try:
        read(url)
    except BadInput:
        return
    try:
        TypeAdapter(SourceUrl).validate_python(url)
    except ValidationError as error:
        pytest.fail(f"the form refuses {url!r}: {error}")


@given(st.text(max_size=40), st.sets(st.text(alphabet="ab/", min_size=1, max_size=5)))
def test_splitting_loses_nothing(rest: str, names: set[str]) -> None:
    reference, folder = split_reference(rest, names)
    assert [*filter(None, reference.split("/")), *filter(None, folder.split("/"))] == [*filter(None, rest.split("/"))]
