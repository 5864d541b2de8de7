"""What comes out of archives, and what does not: JOB-05, SEC-08."""

import gzip
import io
import os
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.errors import SourceRefused, TimedOut
from tasks import archives
from tasks.allowance import Allowance, Limits
from tasks.checkout import refuse_links_outside
from tasks.on_node.tree_hash import tree_hash
from tests.worlds.archives import Member, folder, hard_link, symlink, tar, zipped

SMALL = Limits(things=50, size=200_000, time_s=60)
WHERE = "s3://bucket/x"


def unpacked(packed: bytes, name: str, at: Path, limits: Limits = SMALL) -> Path:
    """The tree of an archive, as a checkout makes it."""
    into = at / "tree"
    into.mkdir()
    (at / "packed").write_bytes(packed)
    archives.unpack(at / "packed", name, into, Allowance(WHERE, limits))
    refuse_links_outside(into, WHERE)
    return into


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of a user's."""
    made = tmp_path / "mine"
    (made / "sub/empty").mkdir(parents=True)
    (made / "ex.py").write_text("print('x')\n")
    (made / "sub/run ü.sh").write_text("#!/bin/sh\n")
    (made / "sub/run ü.sh").chmod(0o755)
    (made / "big").write_bytes(os.urandom(30_000))
    (made / "link").symlink_to("sub/run ü.sh")
    (made / "sub/up").symlink_to("../ex.py")
    os.link(made / "ex.py", made / "again.py")
    return made


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tgz"])
@pytest.mark.parametrize("what", [".", "*"])
def test_what_tar_packs_comes_out_again(tree: Path, tmp_path: Path, name: str, what: str) -> None:
    """JOB-05: as GNU tar packs it, from inside the folder; programs stay programs, hard links are files."""
    flags = "-cf" if name.endswith(".tar") else "-czf"
    subprocess.run(["sh", "-c", f"exec tar {flags} ../x {what}"], cwd=tree, check=True)
    out = unpacked((tmp_path / "x").read_bytes(), name, tmp_path)
    assert tree_hash(str(out)) == tree_hash(str(tree))
    assert (out / "sub/empty").is_dir()
    assert (out / "again.py").read_text() == "print('x')\n"


def test_what_zip_packs_comes_out_again(tree: Path, tmp_path: Path) -> None:
    """JOB-05: modes and symlinks as zip on Unix writes them."""
    members = []
    for place, folders, files in os.walk(tree):
        for path in (Path(place, name) for name in (*folders, *files)):
            name, mode = str(path.relative_to(tree)), path.lstat().st_mode
            if stat.S_ISLNK(mode):
                members.append(Member(name, os.fsencode(path.readlink()), {"mode": mode}))
            elif path.is_dir():
                members.append(Member(f"{name}/", told={"mode": mode}))
            else:
                members.append(Member(name, path.read_bytes(), {"mode": mode}))
    out = unpacked(zipped(*members), "x.zip", tmp_path)
    assert tree_hash(str(out)) == tree_hash(str(tree))
    assert (out / "sub/empty").is_dir()


def test_a_zip_that_tells_no_modes(tmp_path: Path) -> None:
    """JOB-05: as those made on Windows."""
    out = unpacked(zipped(Member("a/ex.py", b"x", {"mode": 0})), "x.zip", tmp_path)
    assert (out / "a/ex.py").read_bytes() == b"x"
    assert (out / "a/ex.py").stat().st_mode & 0o777 == 0o644


OUTSIDE = "../outside"
EVIL_TARS = {
    "up": ([Member(OUTSIDE, b"x")], "`..`"),
    "absolute": ([Member("/tmp/groundwork-evil", b"x")], "absolute"),
    "backslash": ([Member("..\\outside", b"x")], "backslash"),
    "control": ([Member("a\nb", b"x")], "control"),
    "no UTF-8": ([Member("\udcff", b"x")], "UTF-8"),
    "empty part": ([Member("a//b", b"x")], "empty part"),
    "folder up": ([folder("../out")], "`..`"),
    "twice": ([Member("a", b"1"), Member("a", b"2")], "'a' is there twice"),
    "file and folder": ([Member("a", b"1"), Member("a/b", b"2")], "'a' is both a file and a folder"),
    "folder and file": ([folder("a"), Member("a", b"2")], "'a' is both"),
    "link outside": ([symlink("a", OUTSIDE)], "symlink a leads out"),
    "absolute link": ([symlink("a", "/etc/passwd")], "symlink a leads out"),
    "link by a link": ([folder("s"), symlink("s/b", ".."), symlink("a", "s/b/../x")], "symlink a leads out"),
    "through a link": ([symlink("a", ".."), Member("a/outside", b"x")], "'a' is both"),
    "over a link": ([symlink("a", OUTSIDE), Member("a", b"x")], "'a' is there twice"),
    "hard link outside": ([hard_link("a", "../packed")], "`..`"),
    "hard link to a link": ([symlink("b", "/etc/passwd"), hard_link("a", "b")], "no file before it"),
    "hard link to nothing": ([hard_link("a", "b"), Member("b", b"x")], "no file before it"),
    "hard link to itself": ([hard_link("a", "a")], "no file before it"),
    "device": ([Member("a", told={"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})], "neither file"),
    "disk": ([Member("a", told={"type": tarfile.BLKTYPE})], "neither file"),
    "pipe": ([Member("a", told={"type": tarfile.FIFOTYPE})], "neither file"),
    "unknown": ([Member("a", told={"type": b"Q"})], "neither file"),
}


@pytest.mark.parametrize(("members", "why"), EVIL_TARS.values(), ids=EVIL_TARS)
def test_evil_tars(tmp_path: Path, members: list[Member], why: str) -> None:
    """JOB-05, SEC-08: refused with the member's name, in one line; nothing is made outside."""
    (tmp_path / "apart").mkdir()
    with pytest.raises(SourceRefused, match=why) as refused:
        unpacked(tar(*members), "x.tar", tmp_path / "apart")
    assert str(refused.value).isprintable()
    assert {path.name for path in tmp_path.iterdir()} == {"apart"}
    assert {path.name for path in (tmp_path / "apart").iterdir()} == {"tree", "packed"}
    assert not Path("/tmp/groundwork-evil").exists()


EVIL_ZIPS = {
    "up": (Member(OUTSIDE, b"x"), "`..`"),
    "absolute": (Member("/tmp/groundwork-evil", b"x"), "absolute"),
    "backslash": (Member("a\\..\\outside", b"x"), "backslash"),
    "link outside": (Member("a", OUTSIDE.encode(), {"mode": stat.S_IFLNK | 0o777}), "symlink a leads out"),
    "link to nothing": (Member("a", b"", {"mode": stat.S_IFLNK | 0o777}), "no path"),
    "long link": (Member("a", b"x/" * 2000, {"mode": stat.S_IFLNK | 0o777}), "no path"),
    "device": (Member("a", b"", {"mode": stat.S_IFCHR | 0o644}), "neither file"),
    "other packing": (Member("a", b"x", {"compress_type": zipfile.ZIP_BZIP2}), "not read here"),
}


@pytest.mark.parametrize(("member", "why"), EVIL_ZIPS.values(), ids=EVIL_ZIPS)
def test_evil_zips(tmp_path: Path, member: Member, why: str) -> None:
    """JOB-05, SEC-08."""
    (tmp_path / "apart").mkdir()
    with pytest.raises(SourceRefused, match=why):
        unpacked(zipped(Member("good", b"x"), member), "x.zip", tmp_path / "apart")
    assert {path.name for path in (tmp_path / "apart").iterdir()} == {"tree", "packed"}


def test_a_name_with_a_nul_in_it_is_not_cut(tmp_path: Path) -> None:
    """SEC-08: zipfile reads it as another name."""
    packed = zipped(Member("ex.pyXsh", b"x")).replace(b"ex.pyXsh", b"ex.py\0sh")
    with pytest.raises(SourceRefused, match="control characters"):
        unpacked(packed, "x.zip", tmp_path)


def bomb_in_a_zip() -> bytes:
    """A zip whose lists say that its one member is small, and it is not."""
    packed = zipped(Member("a", b"\0" * 3_000_000))
    return packed.replace((3_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))


BOMBS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "zeros": ("x.tgz", lambda: tar(Member("a", b"\0" * 3_000_000), mode="w:gz"), "more than 200000 bytes"),
    "zipped zeros": ("x.zip", lambda: zipped(Member("a", b"\0" * 3_000_000)), "more than 200000 bytes"),
    "many folders": ("x.tgz", lambda: tar(*[folder(f"f{n}") for n in range(60)], mode="w:gz"), "more than 50 things"),
    "many files": ("x.zip", lambda: zipped(*[Member(f"f{n}", b"") for n in range(60)]), "more than 50 things"),
    "hard links": (
        "x.tgz",
        lambda: tar(Member("a", b"x" * 90_000), *[hard_link(f"l{n}", "a") for n in range(5)], mode="w:gz"),
        "more than 200000 bytes",
    ),
    "a tail": ("x.tgz", lambda: gzip.compress(tar(Member("a", b"x")) + b"\0" * 3_000_000), "more than 200000 bytes"),
    "a name": ("x.tgz", lambda: gzip.compress(long_name(80 << 20) + b"a" * (80 << 20)), "makes no sense"),
    "a lying size": ("x.zip", bomb_in_a_zip, "no whole archive"),
}


def long_name(size: int) -> bytes:
    """The header of a member's long name, of which tarfile reads so much as it says."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, size
    return entry.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(("name", "pack", "why"), BOMBS.values(), ids=BOMBS)
def test_bombs(tmp_path: Path, name: str, pack: Callable[[], bytes], why: str) -> None:
    """JOB-05, SEC-08: a small archive fills neither disk nor memory."""
    with pytest.raises(SourceRefused, match=why):
        unpacked(pack(), name, tmp_path)
    assert sum(path.stat().st_size for path in (tmp_path / "tree").rglob("*") if path.is_file()) <= SMALL.size


def test_unpacking_ends_in_time(tmp_path: Path) -> None:
    """JOB-05: also where an archive makes its reader go in circles."""
    with pytest.raises(TimedOut, match="not read within 0 s"):
        unpacked(tar(Member("a", b"x")), "x.tar", tmp_path, Limits(time_s=0))


def headers_of_headers() -> bytes:
    """Long names of long names of long names."""
    return b"".join(long_name(1) + b"a".ljust(512, b"\0") for _ in range(3000))


GOOD_TAR, GOOD_ZIP = tar(Member("a/ex.py", b"x" * 3000), symlink("l", "a")), zipped(Member("a/ex.py", b"x" * 3000))
BROKEN = {
    "empty": ("x.tar", b""),
    "empty gz": ("x.tgz", b""),
    "empty zip": ("x.zip", b""),
    "text": ("x.tar", b"hello" * 300),
    "no gz": ("x.tgz", GOOD_TAR),
    "cut": ("x.tar", GOOD_TAR[:1200]),
    "cut after a member": ("x.tar", GOOD_TAR[: 512 + 3072]),
    "cut gz": ("x.tgz", gzip.compress(GOOD_TAR)[:-9]),
    "wrong sum": ("x.tgz", gzip.compress(GOOD_TAR)[:-8] + b"\0" * 8),
    "cut zip": ("x.zip", GOOD_ZIP[:60]),
    "changed zip": ("x.zip", GOOD_ZIP[:50] + b"\0\0\0" + GOOD_ZIP[53:]),
    "headers": ("x.tar", headers_of_headers()),
}


@pytest.mark.parametrize(("name", "packed"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_whole_archive(tmp_path: Path, name: str, packed: bytes) -> None:
    """JOB-05: half a program must not run; tarfile itself takes a broken header for the end."""
    with pytest.raises(SourceRefused, match="no whole archive") as refused:
        unpacked(packed, name, tmp_path)
    assert str(refused.value).isprintable()


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    """JOB-05: nobody gives us its password."""
    made = io.BytesIO(GOOD_ZIP)
    for at in (made.getvalue().index(b"PK\3\4") + 6, made.getvalue().index(b"PK\1\2") + 8):
        made.seek(at)
        made.write(b"\1")
    with pytest.raises(SourceRefused, match="encrypted"):
        unpacked(made.getvalue(), "x.zip", tmp_path)


@given(
    st.sampled_from([("x.tar", GOOD_TAR), ("x.tgz", gzip.compress(GOOD_TAR)), ("x.zip", GOOD_ZIP)]),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=8),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_changed_in_an_archive_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, good: tuple[str, bytes], changes: list[tuple[int, int]]
) -> None:
    """SEC-08: no other exception, and nothing outside of the tree."""
    name, packed = good[0], bytearray(good[1])
    for at, value in changes:
        packed[at % len(packed)] = value
    place = tmp_path_factory.mktemp("changed")
    with suppress(SourceRefused):
        unpacked(bytes(packed), name, place)
    assert {path.name for path in place.iterdir()} == {"tree", "packed"}
