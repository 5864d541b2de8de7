"""What an address in S3 says: JOB-05, SEC-08."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from blocks.errors import BadInput
from blocks.names import SourceUrl
from tasks.object_url import is_one, read

OK = [
    ("s3://lab-data/", "lab-data", "", False),
    ("s3://lab-data/jobs/heat/", "lab-data", "jobs/heat/", False),
    ("s3://lab.data/with blank/ü/", "lab.data", "with blank/ü/", False),
    ("s3://abc/heat.tar.gz", "abc", "heat.tar.gz", True),
    ("s3://abc/v1.2/heat.tgz", "abc", "v1.2/heat.tgz", True),
    ("s3://abc/heat.tar", "abc", "heat.tar", True),
    ("s3://abc/a.zip/heat.zip", "abc", "a.zip/heat.zip", True),
    ("s3://abc/heat.zip/", "abc", "heat.zip/", False),
]


@pytest.mark.parametrize(("url", "bucket", "path", "is_archive"), OK)
def test_folders_and_archives(url: str, bucket: str, path: str, is_archive: bool) -> None:
    """JOB-05."""
    found = read(url)
    assert (found.bucket, found.path, found.is_archive, found.url) == (bucket, path, is_archive, url)
    TypeAdapter(SourceUrl).validate_python(url)


REFUSED = [
    "s3://", "s3:///x/", "s3://ab/", "s3://bucket", "s3://Bucket/x/", "s3://-bucket/x/", "s3://bu_cket/x/",
    "s3://key:secret@bucket/x/", "s3://bucket/ex.py", "s3://bucket/folder", "s3://bucket//", "s3://bucket//x/",
    "s3://bucket/x//", "s3://bucket/../x/", "s3://bucket/x/../y.zip", "s3://bucket/./x/", "s3://bucket/x\\y/",
    "s3://bucket/x\0.zip", "s3://bucket/x.rar", "s3://bucket/x.tar.bz2",
    "s3://bucket/x.zip?versionId=1", "https://bucket.s3.amazonaws.com/x/", "s3://" + "b" * 64 + "/",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_none_is_refused_by_its_field(url: str) -> None:
    """JOB-05, SEC-08."""
    with pytest.raises(BadInput) as refused:
        read(url)
    assert refused.value.where == "source"
    assert str(refused.value).isprintable()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", sorted({*REFUSED} - {"s3://bucket/./x/", REFUSED[-2]}))
def test_the_run_form_refuses_it_too(url: str) -> None:
    """JOB-05: when a run is submitted, not when it has begun."""
    with pytest.raises(ValidationError):
        TypeAdapter(SourceUrl).validate_python(url)


PIECES = st.sampled_from(
    ["bucket", "b.c", "/", "//", "..", ".", ".tar.gz", ".zip", "x", "é", " ", "\\", "\n", "?", "@"]
)


@pytest.mark.parametrize("url", ["s3://bucket/x\n/", "s3://bucket/\x1b/", "s3://bucket/x/\n", "s3://bucket/x.zip\n"])
def test_control_characters_are_refused(url: str) -> None:
    """SEC-08: a name with a line's end would be two lines in what is told of it."""
    with pytest.raises(BadInput):
        read(url)


@given(st.lists(PIECES, max_size=10).map(lambda parts: "s3://" + "".join(parts)))
def test_what_is_read_would_have_passed_the_run_form(url: str) -> None:
    """SEC-08: and its path leads nowhere else."""
    assert is_one(url)
    try:
        found = read(url)
    except BadInput:
        return
    TypeAdapter(SourceUrl).validate_python(url)
    assert found.path == "" or found.path.endswith(("/", ".tar.gz", ".tgz", ".tar", ".zip"))
    assert not {"", ".", ".."} & set(found.path.removesuffix("/").split("/")) or found.path == ""
