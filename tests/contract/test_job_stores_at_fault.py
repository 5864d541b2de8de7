"""Job stores when something goes wrong, and what S3 is asked for (JOB-18, JOB-21, OPS-15, OPS-16)."""

import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import AccessDenied, Conflict, GroundworkError, NotFound, PlaceFailed, QuotaExceeded, Throttled
from tasks.providers.aws.bucket_objects import BucketObjects
from tasks.stores.folder import FolderStores
from tasks.stores.s3 import EVERY_S, MOST_IN_FLIGHT, PART_BYTES, S3Stores
from tests.contract.job_stores_ground import MIB, REGION, S3Place, s3_place, whole
from tests.worlds.aws_clusters_fixtures import pushed_clock
from tests.worlds.aws_world import AwsWorld

DATA = random.Random(21).randbytes(PART_BYTES + MIB)


class Killed(BaseException):
    """What ends a process."""


@pytest.fixture
def s3(prefect_worker: AwsWorld) -> Iterator[S3Place]:
    with pytest.MonkeyPatch.context() as patch:
        pushed_clock(patch, prefect_worker)
        yield s3_place()


def asked(aws: AwsWorld, since: int = 0) -> list[str]:
    """What our role asked S3 for, in order."""
    calls = [call for call in aws.calls()[since:] if call["service"] == "s3" and "assumed-role" in call["principal"]]
    return [call["operation"] for call in calls]


def uploads(aws: AwsWorld, place: S3Place) -> list[str]:
    found = aws.client("s3").list_multipart_uploads(Bucket=place.bucket).get("Uploads", [])
    return [told["Key"] for told in found]


def keys(aws: AwsWorld, place: S3Place) -> list[str]:
    found = aws.client("s3").list_objects_v2(Bucket=place.bucket).get("Contents", [])
    return [told["Key"] for told in found]


@contextmanager
def dying(objects: BucketObjects, nth: int, moment: str) -> Iterator[list[str]]:
    """Die at the nth call to S3: ``before-send`` of it, or ``after-call``, when it was done."""
    events: Any = objects._session.client("s3", REGION).meta.events
    seen: list[str] = []

    def look(**told: Any) -> None:
        seen.append(str(told.get("event_name")))
        if len(seen) >= nth:
            raise Killed

    events.register_first(f"{moment}.s3", look, unique_id="dying")
    try:
        yield seen
    finally:
        events.unregister(f"{moment}.s3", look, unique_id="dying")


def filled(place: S3Place, data: bytes = DATA) -> None:
    """Write a log, and go without finishing it."""
    store = place.stores().of("job-1")
    store.append("stdout.log", data)
    store.close()


@pytest.mark.parametrize("moment", ["before-send", "after-call"])
def test_a_finish_that_is_killed_at_any_call_is_finished_by_the_next(
    prefect_worker: AwsWorld, s3: S3Place, moment: str
) -> None:
    """OPS-16: the log is whole at every moment; at the end it is one object, and nothing is left over."""
    filled(s3)
    died, nth = True, 0
    while died:
        nth += 1
        objects, died = s3.objects(), False
        with dying(objects, nth, moment):
            try:
                S3Stores(objects).of("job-1").finish("stdout.log")
            except Killed:
                died = True
        later = s3.stores().of("job-1")
        assert later.size("stdout.log") == len(DATA)
        assert whole(later, "stdout.log") == DATA
        assert later.names() == ["stdout.log"]
        if "jobs/job-1/stdout.log" in keys(prefect_worker, s3) and died:
            # It was put together: begin anew, so that each death is another one.
            later.finish("stdout.log")
            prefect_worker.client("s3").delete_object(Bucket=s3.bucket, Key="jobs/job-1/stdout.log")
            filled(s3)
    assert nth > 9
    assert keys(prefect_worker, s3) == ["jobs/job-1/stdout.log"]
    assert uploads(prefect_worker, s3) == []


FINISHING = [
    *("ListObjectsV2", "HeadObject", "ListMultipartUploads", "CreateMultipartUpload", "UploadPartCopy", "GetObject"),
    *("UploadPart", "CompleteMultipartUpload", "DeleteObjects"),
]


@pytest.mark.parametrize("operation", FINISHING)
def test_a_finish_that_fails_at_any_call_can_be_asked_again(
    prefect_worker: AwsWorld, s3: S3Place, operation: str
) -> None:
    """OPS-15: AWS fails for a while; the log can be read meanwhile, and the same store finishes it later."""
    # A small part before a large one: joined here, not there.
    data = DATA + DATA
    filled(s3, data[:100])
    filled(s3, data[100:])
    store = s3.stores().of("job-1")
    prefect_worker.fault("error", f"s3:{operation}", code="InternalError", status=500, times=-1)
    with pytest.raises(PlaceFailed, match="job-1") as error:
        store.finish("stdout.log")
    assert str(error.value).isprintable()
    prefect_worker.mend()
    assert whole(s3.stores().of("job-1"), "stdout.log") == data
    store.finish("stdout.log")
    assert store.read("stdout.log") == data
    assert keys(prefect_worker, s3) == ["jobs/job-1/stdout.log"]
    assert uploads(prefect_worker, s3) == []


@pytest.mark.parametrize("operation", ["CompleteMultipartUpload", "CreateMultipartUpload", "DeleteObjects"])
def test_a_lost_reply_is_no_loss(prefect_worker: AwsWorld, s3: S3Place, operation: str) -> None:
    """OPS-15: AWS did it and nobody heard; asked again it finds nothing to do."""
    filled(s3)
    prefect_worker.fault("lose_reply", f"s3:{operation}")
    store = s3.stores().of("job-1")
    store.finish("stdout.log")
    assert store.read("stdout.log") == DATA
    store.finish("stdout.log")
    assert keys(prefect_worker, s3) == ["jobs/job-1/stdout.log"]


def test_throttling_is_survived(prefect_worker: AwsWorld, s3: S3Place) -> None:
    """OPS-15: S3 says SlowDown; each call comes back by itself."""
    for operation in ("PutObject", *FINISHING):
        prefect_worker.fault("error", f"s3:{operation}", code="SlowDown", status=503, times=2)
    store = s3.stores().of("job-1")
    store.append("stdout.log", DATA)
    store.finish("stdout.log")
    assert store.read("stdout.log") == DATA


def test_what_failed_behind_our_back_is_told_and_tried_again(prefect_worker: AwsWorld, s3: S3Place) -> None:
    """JOB-18: the next call tells it and takes nothing; when AWS is well again no byte is missing."""
    store = s3.stores().of("job-1")
    prefect_worker.fault("error", "s3:PutObject", code="SlowDown", status=503, times=-1)
    given = refused = 0
    deadline = time.monotonic() + 120
    while refused < 3 and time.monotonic() < deadline:
        try:
            store.append("stdout.log", DATA[given : given + MIB])
            given = min(given + MIB, len(DATA))
        except Throttled:
            refused += 1
        assert store.size("stdout.log") == given
    assert refused == 3
    with pytest.raises(Throttled):
        store.finish("stdout.log")
    prefect_worker.mend()
    while given < len(DATA):
        try:
            store.append("stdout.log", DATA[given : given + MIB])
            given += MIB
        except Throttled:
            refused += 1
    while (left := finish_or_error(store)) is not None:
        assert isinstance(left, Throttled)
    assert store.read("stdout.log") == DATA


def finish_or_error(store: Any) -> GroundworkError | None:
    try:
        store.finish("stdout.log")
    except GroundworkError as error:
        return error
    return None


def test_little_waits_in_memory(prefect_worker: AwsWorld, s3: S3Place) -> None:
    """JOB-18: where S3 is slower than the program, the program's output waits on the cluster."""
    store = s3.stores().of("job-1")
    prefect_worker.fault("delay", "s3:PutObject", delay_s=0.2, times=-1)
    for _ in range(2 * MOST_IN_FLIGHT):
        store.append("stdout.log", DATA[:PART_BYTES])
        waiting = store.size("stdout.log") - s3.stores().of("job-1").size("stdout.log")
        assert waiting <= (MOST_IN_FLIGHT + 1) * PART_BYTES
    store.close()
    assert s3.stores().of("job-1").size("stdout.log") == 2 * MOST_IN_FLIGHT * PART_BYTES


def test_a_trickle_is_seen_soon_and_costs_little(prefect_worker: AwsWorld, s3: S3Place) -> None:
    """JOB-18: a line now and then is there within seconds, though nobody appends more; many lines are one call."""
    assert EVERY_S <= 5
    store, reader = s3.stores(every_s=0.3).of("job-1"), s3.stores().of("job-1")
    store.append("stdout.log", b"first\n")
    since, began = len(prefect_worker.calls()), time.monotonic()
    for _ in range(100):
        store.append("stdout.log", b"line\n")
        store.flush()
    took_s = time.monotonic() - began
    assert asked(prefect_worker, since).count("PutObject") <= took_s / 0.3 + 2
    deadline = time.monotonic() + 30
    while reader.size("stdout.log") < 506 and time.monotonic() < deadline:
        store.flush()
    assert reader.read_from("stdout.log", 0, 1000) == b"first\n" + b"line\n" * 100
    since = len(prefect_worker.calls())
    store.flush()
    assert asked(prefect_worker, since) == []
    store.close()


def test_what_a_long_log_asks_for(prefect_worker: AwsWorld, s3: S3Place) -> None:
    """JOB-18: some calls for each 8 MiB and none for each piece; the finish copies on AWS's side, and reads nothing."""
    data, began = DATA + DATA, time.monotonic()
    store, since = s3.stores().of("job-1"), len(prefect_worker.calls())
    for at in range(0, len(data), 1 << 15):
        store.append("stdout.log", data[at : at + (1 << 15)])
    took_s = time.monotonic() - began
    store.finish("stdout.log")
    calls = asked(prefect_worker, since)
    parts = -(-len(data) // PART_BYTES)
    assert calls.count("PutObject") <= parts + took_s / EVERY_S + 1
    assert calls.count("UploadPartCopy") >= parts - 1
    # The last part is small: it comes and goes.
    assert calls.count("GetObject") == calls.count("UploadPart") <= 1
    assert len(calls) <= 2 * parts + took_s / EVERY_S + 12
    assert store.read("stdout.log") == data


def test_an_upload_that_died_is_given_up_by_the_next(prefect_worker: AwsWorld, s3: S3Place, tmp_path: Path) -> None:
    """JOB-21: what was half sent is paid for and seen by nobody; uploads of other keys are left alone."""
    client = prefect_worker.client("s3")
    for key in ("jobs/job-1/output/model.bin", "jobs/job-1/output/model.bin2"):
        client.create_multipart_upload(Bucket=s3.bucket, Key=key)
    file = tmp_path / "model.bin"
    file.write_bytes(DATA + DATA)
    s3.stores().of("job-1").keep_file("output/model.bin", file)
    assert uploads(prefect_worker, s3) == ["jobs/job-1/output/model.bin2"]
    prefect_worker.fault("error", "s3:UploadPart", code="AccessDenied", message="no", status=403, times=-1)
    with pytest.raises(AccessDenied, match=r"output/model\.bin"):
        s3.stores().of("job-1").keep_file("output/model.bin", file)
    assert uploads(prefect_worker, s3) == ["jobs/job-1/output/model.bin2"]
    assert s3.stores().of("job-1").read("output/model.bin") == DATA + DATA


def test_what_is_behind_a_gap_was_never_counted(prefect_worker: AwsWorld, s3: S3Place) -> None:
    """OPS-16: parts go out side by side, and whoever sent them was killed: the second one is missing."""
    filled(s3, DATA + DATA)
    parts = [key for key in keys(prefect_worker, s3) if "/.part/" in key]
    prefect_worker.client("s3").delete_object(Bucket=s3.bucket, Key=parts[1])
    store = s3.stores().of("job-1")
    assert store.size("stdout.log") == PART_BYTES
    store.append("stdout.log", b"another end")
    store.finish("stdout.log")
    assert store.read("stdout.log") == DATA[:PART_BYTES] + b"another end"
    assert keys(prefect_worker, s3) == ["jobs/job-1/stdout.log"]


Verb = Callable[[Any, Path], object]
VERBS: dict[str, Verb] = {
    "GetObject": lambda store, _: store.read("job.json"),
    "PutObject": lambda store, _: store.write("job.json", b"x"),
    "ListObjectsV2": lambda store, _: store.size("stdout.log"),
    "HeadObject": lambda store, _: store.read_from("stdout.log", 0, 1),
    "ListMultipartUploads": lambda store, _: store.finish("stdout.log"),
}


@pytest.mark.parametrize("operation", VERBS)
def test_a_refusal_is_told_in_one_line(prefect_worker: AwsWorld, s3: S3Place, tmp_path: Path, operation: str) -> None:
    """OPS-05: which object, what, what to try; no retries of what cannot pass."""
    filled(s3)
    prefect_worker.fault("error", f"s3:{operation}", code="AccessDenied", message="no", status=403, times=-1)
    since = len(prefect_worker.calls())
    with pytest.raises(AccessDenied, match=rf"^s3://{s3.bucket}/jobs/job-1/.*not allowed.*verify-account") as error:
        VERBS[operation](s3.stores().of("job-1"), tmp_path)
    assert str(error.value).isprintable()
    assert asked(prefect_worker, since).count(operation) == 1


def test_a_bucket_that_is_not_there_says_who_makes_it(s3: S3Place) -> None:
    """OPS-05: a store was chosen before its region was prepared."""
    gone = S3Place("groundwork-gone", s3.role).stores().of("job-1")
    for verb in (lambda: gone.read("job.json"), lambda: gone.write("job.json", b""), lambda: gone.size("stdout.log")):
        with pytest.raises(NotFound, match=r"there is no bucket groundwork-gone.*prepare-aws-region"):
            verb()


def test_links_are_what_people_copy(s3: S3Place, tmp_path: Path) -> None:
    """JOB-18: a file's address, and an object's as AWS's command line takes it."""
    store = FolderStores(tmp_path).of("job-1")
    store.write("output/a b.png", b"x")
    assert store.link("output/a b.png") == f"{tmp_path.as_uri()}/job-1/output/a%20b.png"
    assert store.link("") == f"{tmp_path.as_uri()}/job-1"
    there = s3.stores().of("job-1")
    assert there.link("output/a b.png") == f"s3://{s3.bucket}/jobs/job-1/output/a b.png"
    assert there.link("") == f"s3://{s3.bucket}/jobs/job-1/"


def test_a_folder_is_for_us_alone(tmp_path: Path) -> None:
    """SEC-02: programs print what they like, and others use the machine."""
    store = FolderStores(tmp_path / "home" / "jobs").of("job-1")
    store.write("job.json", b"x")
    store.append("attempt-1/ranks/stdout.0.log", b"x")
    (tmp_path / "open").write_bytes(b"x")
    (tmp_path / "open").chmod(0o644)
    store.keep_file("output/a/b", tmp_path / "open")
    store.close()
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (tmp_path / "home").rglob("*")}
    assert modes == {True: 0o700, False: 0o600}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "home").rglob("*")} == {0o700, 0o600}


def test_a_disk_that_takes_no_more_loses_nothing(tmp_path: Path) -> None:
    """JOB-18: what does not fit is not kept by half, and is told; when there is room it goes on."""
    store = FolderStores(tmp_path).of("job-1")
    store.append("stdout.log", b"a" * 900)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(QuotaExceeded, match=r"stdout\.log: the file is larger than it may be here"):
            store.append("stdout.log", b"b" * 200)
        with pytest.raises(QuotaExceeded):
            store.write("job.json", b"c" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert store.size("stdout.log") == 900
    store.append("stdout.log", b"b" * 200)
    store.finish("stdout.log")
    assert store.read("stdout.log") == b"a" * 900 + b"b" * 200
    assert store.names() == ["stdout.log"]
    with pytest.raises(Conflict):
        store.write("stdout.log/below", b"")


def test_a_copy_that_was_killed_leaves_nothing_for_long(tmp_path: Path) -> None:
    """OPS-16: the next copy of the same result takes away what the first one left half made."""
    store = FolderStores(tmp_path / "jobs").of("job-1")
    (tmp_path / "model").write_bytes(b"model")
    store.keep_file("output/model", tmp_path / "model")
    aside = tmp_path / "jobs" / "job-1" / ".part"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.replace", killed)
        patch.setattr("pathlib.Path.unlink", killed)
        with pytest.raises(Killed):
            store.keep_file("output/model", tmp_path / "model")
    assert len(list(aside.iterdir())) == 1
    assert store.names() == ["output/model"]
    store.keep_file("output/model", tmp_path / "model")
    assert list(aside.iterdir()) == []


def killed(*_: Any, **__: Any) -> None:
    raise Killed
