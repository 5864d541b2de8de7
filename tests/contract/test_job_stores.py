"""What every job store promises (JOB-18, JOB-19, JOB-21), asked of a folder, and of S3 in the AWS world."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.errors import BadInput, GroundworkError, NotFound
from tasks.stores.base import JobStore
from tests.contract.job_stores_ground import MIB, FolderPlace, Place, cut, kill_when, s3_place, whole
from tests.worlds.aws_clusters_fixtures import pushed_clock
from tests.worlds.aws_world import AwsWorld

ODD_NAMES = [
    "a b+c&d=e?f#g%2Fh.png",
    "\N{GREEK SMALL LETTER ALPHA}/\N{SNOWMAN}.txt",
    "quote'\"<>`$(x).txt",
    "line\nbreak\x01\x7f",
    "no-text-\udcff\udc80",
    "output/000000000000005",
    "-dash/.hidden/..three...",
    "x" * 255,
    "%41/%",
    "back\\slash",
]
NO_NAMES = ["", "/etc/passwd", "../other/job.json", "a/../../b", "a//b", "./a", "a/", "nul\0", ".part/x", "y" * 256]


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "folder":
        yield FolderPlace(tmp_path)
        return
    aws: AwsWorld = request.getfixturevalue("prefect_worker")
    with pytest.MonkeyPatch.context() as patch:
        pushed_clock(patch, aws)
        yield s3_place()


@pytest.fixture
def store(place: Place) -> JobStore:
    return place.stores().of("job-1")


def test_what_nobody_wrote_is_not_there(place: Place, store: JobStore) -> None:
    """JOB-19: no error: whoever looks at a job's beginning looks at nothing."""
    assert store.read("job.json") is None
    assert (store.size("stdout.log"), store.read_from("stdout.log", 0, 10)) == (0, b"")
    assert (list(store.names()), list(place.stores().jobs())) == ([], [])
    store.flush()
    store.close()
    assert list(place.stores().jobs()) == []


def test_a_record_is_replaced_whole(place: Place, store: JobStore) -> None:
    """JOB-19: by whoever comes; the same again changes nothing."""
    for data in (b"first", b"second, and longer", b"", b"third", b"third"):
        store.write("job.json", data)
        assert store.read("job.json") == data
        assert place.stores().of("job-1").read("job.json") == data
    assert store.names() == ["job.json"]


def test_a_reader_sees_the_old_or_the_new(place: Place, store: JobStore) -> None:
    """OPS-16: never a half, never nothing."""
    versions = [bytes([letter]) * (200_000 + letter) for letter in range(12)]
    store.write("job.json", versions[0])
    ended, seen = threading.Event(), set()

    def look() -> None:
        mine = place.stores().of("job-1")
        while not ended.is_set():
            seen.add(mine.read("job.json"))

    reader = threading.Thread(target=look)
    reader.start()
    for version in versions:
        store.write("job.json", version)
    ended.set()
    reader.join()
    assert seen
    assert seen <= set(versions)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_log_has_every_byte(place: Place, store: JobStore, seed: int) -> None:
    """JOB-18: bytes stored are bytes written, however they came; while it grows, and when it has ended."""
    data = random.Random(seed).randbytes(20 * MIB + seed)
    given = 0
    for piece in cut(data, seed, 2 * MIB):
        store.append("attempt-1/stdout.log", piece)
        given += len(piece)
        assert store.size("attempt-1/stdout.log") == given
    assert whole(store, "attempt-1/stdout.log") == data
    assert whole(place.stores().of("job-1"), "attempt-1/stdout.log") == data
    assert store.names() == ["attempt-1/stdout.log"]
    for _ in range(2):
        store.finish("attempt-1/stdout.log")
        later = place.stores().of("job-1")
        assert later.read("attempt-1/stdout.log") == data
        assert later.size("attempt-1/stdout.log") == len(data)
        assert later.names() == ["attempt-1/stdout.log"]


def test_any_range_of_a_log_can_be_read(place: Place, store: JobStore) -> None:
    """JOB-18: across its parts, past its end; while it grows, and when it has ended."""
    data = random.Random(3).randbytes(18 * MIB)
    store.append("stdout.log", data[: 9 * MIB])
    store.append("stdout.log", data[9 * MIB :])
    drawn = random.Random(4)
    for _ in range(2):
        ranges = [(drawn.randrange(len(data)), drawn.choice([1, 100, MIB])) for _ in range(6)]
        around = [(8 * MIB - 1, 2), (8 * MIB, 1), (16 * MIB - 5, 10), (len(data) - 3, 9), (len(data), 5), (1 << 40, 5)]
        for offset, most in [*ranges, *around, (5, 0)]:
            assert store.read_from("stdout.log", offset, most) == data[offset : offset + most], (offset, most)
        store.finish("stdout.log")


def test_logs_of_a_job_grow_side_by_side(place: Place, store: JobStore) -> None:
    """JOB-18: each rank has two of them, and a job more than a process may have files open."""
    names = [f"attempt-1/ranks/{stream}.{rank}.log" for stream in ("stdout", "stderr") for rank in range(40)]
    for turn in range(2):
        for name in names:
            store.append(name, f"{turn} {name}\n".encode())
    store.close()
    later = place.stores().of("job-1")
    assert later.names() == sorted(names)
    for name in names[::13]:
        assert later.read_from(name, 0, 1000) == f"0 {name}\n1 {name}\n".encode()


def test_a_log_of_nothing_is_there(place: Place, store: JobStore) -> None:
    """JOB-18: a program that wrote no errors has a file of them, empty: its link opens."""
    store.append("stderr.log", b"")
    store.finish("stderr.log")
    store.finish("never.log")
    later = place.stores().of("job-1")
    assert [later.read("stderr.log"), later.read("never.log")] == [b"", b""]
    assert later.names() == ["never.log", "stderr.log"]


@pytest.mark.parametrize("sizes", [(3, 4), (6 * MIB, 9 * MIB, 5), (17 * MIB, 1), (0, 7), (4 * MIB, 2 * MIB)])
def test_what_comes_after_the_end_follows_it(place: Place, sizes: tuple[int, ...]) -> None:
    """OPS-16: a run that ended and is retried follows the same program on, in a new process each time."""
    data, at = random.Random(6).randbytes(sum(sizes)), 0
    for size in sizes:
        store = place.stores().of("job-1")
        assert store.size("stdout.log") == at
        store.append("stdout.log", data[at : at + size])
        at += size
        assert whole(store, "stdout.log") == data[:at]
        assert whole(place.stores().of("job-1"), "stdout.log") == data[:at]
        store.finish("stdout.log")
        assert place.stores().of("job-1").read("stdout.log") == data[:at]


def test_many_short_lives_of_a_log(place: Place) -> None:
    """OPS-16: whoever went without finishing left what it closed; small parts are no hindrance."""
    data, at = random.Random(8).randbytes(6 * MIB), 0
    while at < len(data):
        store = place.stores().of("job-1")
        assert store.size("stdout.log") == at
        store.append("stdout.log", data[at : at + 800_000])
        store.close()
        at += 800_000
    later = place.stores().of("job-1")
    later.finish("stdout.log")
    assert later.read("stdout.log") == data


def test_a_writer_that_is_killed_loses_nothing_that_was_counted(place: Place) -> None:
    """JOB-19, OPS-16: kill -9 in the middle, twice; a new process asks for the size and goes on there."""
    data = random.Random(9).randbytes(25 * MIB)
    counted = [0]
    for least in (9 * MIB, 20 * MIB):
        kill_when(place, data, least)
        later = place.stores().of("job-1")
        counted.append(later.size("stdout.log"))
        assert later.read_from("stdout.log", 0, len(data)) == data[: counted[-1]]
    assert sorted(counted) == counted
    assert counted[1] > 0
    store = place.stores().of("job-1")
    for piece in cut(data[counted[-1] :], 10, MIB):
        store.append("stdout.log", piece)
    store.finish("stdout.log")
    assert store.read("stdout.log") == data
    assert store.names() == ["stdout.log"]


def test_a_reader_follows_a_log_to_its_end(place: Place) -> None:
    """JOB-18: while it grows and while it is put together, every look shows its beginning, and never less."""
    data = random.Random(11).randbytes(12 * MIB)
    ended, looks = threading.Event(), []

    def look() -> None:
        mine = place.stores().of("job-1")
        while not ended.is_set():
            size = mine.size("stdout.log")
            looks.append((size, mine.read_from("stdout.log", max(size - 1000, 0), 1000)))

    reader = threading.Thread(target=look)
    reader.start()
    store = place.stores(every_s=0).of("job-1")
    for piece in cut(data, 12, 600_000):
        store.append("stdout.log", piece)
    store.finish("stdout.log")
    ended.set()
    reader.join()
    sizes = [size for size, _ in looks]
    assert sizes == sorted(sizes)
    for size, tail in looks:
        begin = max(size - 1000, 0)
        assert data[begin:].startswith(tail[: size - begin])
        assert len(tail) >= min(size, 1000)


def test_a_large_result_is_kept_as_it_is(place: Place, store: JobStore, tmp_path: Path) -> None:
    """JOB-21: 50 MB, replaced by another in one step; and a small one, and none."""
    file = tmp_path / "model.bin"
    data = random.Random(13).randbytes(50_000_000)
    for content in (data, data[::-1], b"small", b"", b""):
        file.write_bytes(content)
        store.keep_file("attempt-1/output/model.bin", file)
        assert place.stores().of("job-1").read("attempt-1/output/model.bin") == content
    assert store.names() == ["attempt-1/output/model.bin"]


def test_a_result_that_is_not_there_is_told(store: JobStore, tmp_path: Path) -> None:
    """OPS-05: one line, with the file named; what was there stays."""
    store.write("output/a", b"old")
    with pytest.raises(NotFound, match="nothing-here") as error:
        store.keep_file("output/a", tmp_path / "nothing-here")
    assert "\n" not in str(error.value)
    assert store.read("output/a") == b"old"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_programs_name_their_files_as_they_like(place: Place, store: JobStore, name: str) -> None:
    """JOB-21: blanks, signs, other letters, and bytes that are no letters."""
    store.write(f"output/{name}", b"x")
    store.append(f"logs/{name}", b"y")
    store.close()
    later = place.stores().of("job-1")
    assert later.names() == sorted([f"logs/{name}", f"output/{name}"])
    assert later.read(f"output/{name}") == b"x"
    assert later.read_from(f"logs/{name}", 0, 9) == b"y"
    later.finish(f"logs/{name}")
    assert later.read(f"logs/{name}") == b"y"
    assert later.names() == sorted([f"logs/{name}", f"output/{name}"])


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_lead_out_of_the_job_are_refused(place: Place, store: JobStore, name: str, tmp_path: Path) -> None:
    """SEC-02: by every verb, before anything is done, in one line."""
    for verb in (
        lambda: store.read(name),
        lambda: store.write(name, b"x"),
        lambda: store.append(name, b"x"),
        lambda: store.keep_file(name, tmp_path),
        lambda: store.size(name),
        lambda: store.read_from(name, 0, 1),
        lambda: store.finish(name),
        lambda: store.link(name) if name else store.size(name),
    ):
        with pytest.raises(BadInput) as error:
            verb()
        assert str(error.value).isprintable()
    assert place.stores().jobs() == []


@pytest.mark.parametrize("job", ["", "..", ".", "a/b", "a b", "-a", "a" * 129, "a\n"])
def test_ids_that_are_none_are_refused(place: Place, job: str) -> None:
    """SEC-02: an id is a folder's name."""
    with pytest.raises(BadInput):
        place.stores().of(job)


def test_jobs_are_apart_and_all_are_found(place: Place) -> None:
    """JOB-19: by a server that has lost its memory; one job's name may be another's beginning."""
    stores = place.stores()
    for job in ("heat-1", "heat-10", "heat-1-2", "Zeta"):
        stores.of(job).write("job.json", job.encode())
    growing = stores.of("growing")
    growing.append("stdout.log", b"x")
    growing.close()
    stores.of("heat-1").write("output/jobs/x/job.json", b"no job")
    found = place.stores()
    assert set(found.jobs()) >= {"heat-1", "heat-10", "heat-1-2", "Zeta", "growing"}
    assert list(found.jobs()) == sorted(found.jobs())
    assert "x" not in found.jobs()
    assert found.of("heat-1").names() == ["job.json", "output/jobs/x/job.json"]
    assert found.of("heat-10").read("job.json") == b"heat-10"


def test_an_error_is_ours_and_tells_where(place: Place, store: JobStore) -> None:
    """OPS-05: of a job whose place cannot be written, here because something else is there."""
    if isinstance(place, FolderPlace):
        (place.folder / "jobs").write_text("a file")
    else:
        place = type(place)("groundwork-gone", place.role)
    store = place.stores().of("job-1")
    for verb in (lambda: store.write("job.json", b""), lambda: store.append("a", b"x"), lambda: store.finish("a")):
        with pytest.raises(GroundworkError, match="job-1") as error:
            verb()
        assert str(error.value).isprintable()
