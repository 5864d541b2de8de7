"""Job sources out of S3: folders paged and whole, archives, and what is refused in one line each (JOB-05)."""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from blocks.aws_account import Feature
from blocks.errors import AccessDenied, BadInput, GroundworkError, PlaceFailed, SourceRefused
from tasks.allowance import Limits
from tasks.on_node.tree_hash import tree_hash
from tasks.providers.aws.session import session_of
from tests.contract.plan_ground import connected
from tests.worlds.archives import Member, tar
from tests.worlds.aws_world import AwsWorld
from tests.worlds.buckets import MEMBERS, Bucket, Taking, bucket, files_in, packed

HEAT = "s3://lab-data/jobs/heat/"
PROGRAM = "s3://lab-data/jobs/program.tar.gz"


@pytest.fixture
def us(prefect_worker: AwsWorld) -> Taking:
    """Our role in the customer's account, with the policy of job sources beside that of clusters and no more."""
    account = connected([Feature.JOBS])
    return Taking(account, session_of(account))


@pytest.fixture
def lab(us: Taking, aws: AwsWorld) -> Bucket:
    """A bucket with a program under jobs/heat/, and others around it."""
    made = bucket(aws)
    made.put({f"jobs/heat/{name}": text for name, text in MEMBERS.items()})
    made.put({"jobs/heater/ex.py": "another", "jobs/heat": "a file", "ex.py": "another"})
    return made


def refused(take: Callable[[], object], into: Path, kind: type[GroundworkError], *words: str) -> GroundworkError:
    """The one line of a refusal; nothing is left of what was read."""
    with pytest.raises(kind) as told:
        take()
    line = str(told.value)
    assert line.isprintable()
    assert [word for word in words if word not in line] == [], line
    assert told.value.where
    assert told.value.advice
    assert not into.exists() or list(into.iterdir()) == []
    return told.value


def test_a_folder_of_many_pages_is_read_whole(us: Taking, aws: AwsWorld, tmp_path: Path) -> None:
    """JOB-05, JOB-06: 1500 objects in two pages; the tree is what was uploaded, and the hash says which objects."""
    wanted = {f"part-{number // 100}/{number:04}.txt": f"{number}\n" for number in range(1500)}
    lab = bucket(aws)
    lab.put({f"jobs/many/{name}": text for name, text in wanted.items()} | {"jobs/many-more/x": "x"})
    for name, text in wanted.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    found = us.take("s3://lab-data/jobs/many/", tmp_path / "tree")
    pages = [call for call in aws.calls("s3:ListObjectsV2") if ":assumed-role/" in call["principal"]]
    assert len(pages) == 2
    assert files_in(tmp_path / "tree") == wanted
    assert found.tree_hash == tree_hash(str(tmp_path / "mine"))
    assert (found.repository, found.reference, found.folder) == ("s3://lab-data/jobs/many/", found.commit, "")
    assert found.commit == lab.manifest_hash("jobs/many/")
    assert (tmp_path / "tree").stat().st_mode & 0o777 == 0o700


def test_equal_objects_give_equal_hashes_and_others_do_not(us: Taking, lab: Bucket, tmp_path: Path) -> None:
    """JOB-06: so runs can be compared; what lies beside the folder does not count."""
    first = us.take(HEAT, tmp_path / "1")
    assert files_in(tmp_path / "1") == MEMBERS
    lab.put({"jobs/other/x": "x"})
    again = us.take(HEAT, tmp_path / "2")
    assert (again.commit, again.tree_hash) == (first.commit, first.tree_hash)
    lab.put({"jobs/heat/ex.py": "print('EX')\n"})
    changed = us.take(HEAT, tmp_path / "3")
    assert changed.commit != first.commit
    assert changed.tree_hash != first.tree_hash


def test_a_version_is_part_of_the_hash(us: Taking, lab: Bucket, tmp_path: Path) -> None:
    """JOB-06: where the bucket keeps versions, the very one that ran is known, and can be had again."""
    first = us.take(HEAT, tmp_path / "1")
    lab.s3.put_bucket_versioning(Bucket=lab.name, VersioningConfiguration={"Status": "Enabled"})
    assert us.take(HEAT, tmp_path / "2").commit == first.commit
    lab.put({"jobs/heat/ex.py": MEMBERS["ex.py"]})
    second = us.take(HEAT, tmp_path / "3")
    assert second.commit not in (first.commit, lab.manifest_hash("jobs/heat/"))
    assert second.tree_hash == first.tree_hash
    assert us.take(HEAT, tmp_path / "4").commit == second.commit


def test_a_whole_bucket_and_a_folder_in_it(us: Taking, lab: Bucket, tmp_path: Path) -> None:
    """JOB-05: the form's folder is inside what the address names."""
    lab.s3.delete_object(Bucket=lab.name, Key="jobs/heat")
    found = us.take("s3://lab-data/", tmp_path / "tree", folder="jobs/heat/")
    assert (found.folder, (tmp_path / "tree/jobs/heat/ex.py").read_text()) == ("jobs/heat", MEMBERS["ex.py"])
    into = tmp_path / "none"
    refused(lambda: us.take(HEAT, into, folder="nowhere"), into, SourceRefused, HEAT, "no folder named nowhere")
    refused(lambda: us.take(HEAT, into, folder="../x"), into, BadInput, "folder")


def test_folders_that_are_written_down_as_objects(us: Taking, lab: Bucket, tmp_path: Path) -> None:
    """JOB-05: consoles make an empty object whose key ends with a slash."""
    lab.put({"jobs/heat/": "", "jobs/heat/lib/": "", "jobs/heat/out/put/": ""})
    us.take(HEAT, tmp_path / "tree")
    assert files_in(tmp_path / "tree") == MEMBERS
    assert list((tmp_path / "tree/out/put").iterdir()) == []
    into = tmp_path / "none"
    lab.put({"jobs/marked/": "", "jobs/marked/sub/": ""})
    refused(lambda: us.take("s3://lab-data/jobs/marked/", into), into, SourceRefused, "there is nothing under it")
    lab.put({"jobs/heat/lib/": "text"})
    refused(
        lambda: us.take(HEAT, into), into, SourceRefused, "'jobs/heat/lib/' is named like a folder and holds 4 bytes"
    )


def test_an_archive_is_unpacked(us: Taking, lab: Bucket, tmp_path: Path) -> None:
    """JOB-05, JOB-06: in the tree is what is in the archive; the hash is that of the one object."""
    lab.put({"jobs/program.tar.gz": packed(MEMBERS), "jobs/program.tar.gz.old": "x", "jobs/program.tar": "x"})
    found = us.take(PROGRAM, tmp_path / "tree", folder="lib")
    assert files_in(tmp_path / "tree") == MEMBERS
    assert found.folder == "lib"
    [one] = [
        told for told in lab.s3.list_objects_v2(Bucket=lab.name)["Contents"] if told["Key"] == "jobs/program.tar.gz"
    ]
    line = f"{one['Key']}\t{one['Size']}\t{one['ETag'][1:-1]}\n"
    assert found.commit == f"sha256:{hashlib.sha256(line.encode()).hexdigest()}"
    assert found.tree_hash == us.take(HEAT, tmp_path / "plain").tree_hash


def test_an_archive_that_leads_outside_is_refused(us: Taking, lab: Bucket, tmp_path: Path) -> None:
    """SEC-08: each way of it is in tests/unit/test_archives.py."""
    lab.put({"jobs/program.tar.gz": tar(Member("ok", b"x"), Member("../evil", b"x"), mode="w:gz")})
    into = tmp_path / "tree"
    refused(lambda: us.take(PROGRAM, into), into, SourceRefused, PROGRAM, "'../evil' holds `..`")
    assert not (tmp_path / "evil").exists()
    lab.put({"jobs/program.tar.gz": b"no archive"})
    refused(lambda: us.take(PROGRAM, into), into, SourceRefused, PROGRAM, "no whole archive")


def test_a_bucket_elsewhere_is_refused_before_anything_is_read(us: Taking, aws: AwsWorld, tmp_path: Path) -> None:
    """JOB-05, D8: both regions are told; nothing was listed or read. The first region is told as null."""
    into = tmp_path / "tree"
    bucket(aws, "lab-eu", "eu-west-1").put({"heat/ex.py": "eu"})
    bucket(aws, "lab-us").put({"heat/ex.py": "us"})
    told = refused(lambda: us.take("s3://lab-eu/heat/", into), into, SourceRefused, "source: the bucket lab-eu")
    assert "is in eu-west-1, the cluster in us-east-1" in str(told)
    europe = Taking(us.account, us.session, "eu-west-1")
    told = refused(lambda: europe.take("s3://lab-us/heat/", into), into, SourceRefused, "source: the bucket lab-us")
    assert "is in us-east-1, the cluster in eu-west-1" in str(told)
    asked = {call["operation"] for call in aws.calls() if call["service"] == "s3" and call["account"]}
    assert asked & {"ListObjectsV2", "GetObject"} == set()
    europe.take("s3://lab-eu/heat/", tmp_path / "eu")
    us.take("s3://lab-us/heat/", tmp_path / "us")
    assert [files_in(tmp_path / name) for name in ("eu", "us")] == [{"ex.py": "eu"}, {"ex.py": "us"}]


def test_what_is_not_there(us: Taking, lab: Bucket, tmp_path: Path) -> None:
    """JOB-05: a bucket, a folder, an archive; one line each."""
    into = tmp_path / "tree"
    lab.put({"jobs/program.tar.gz.old": "x"})
    refused(
        lambda: us.take("s3://nobodys-data/x/", into), into, SourceRefused, "source: there is no bucket nobodys-data"
    )
    url = "s3://lab-data/jobs/hea/"
    refused(lambda: us.take(url, into), into, SourceRefused, f"{url}: there is nothing under it")
    refused(lambda: us.take(PROGRAM, into), into, SourceRefused, f"{PROGRAM}: there is no such object")


@pytest.mark.parametrize("end", ["changed", "deleted"])
@pytest.mark.parametrize("url", [HEAT, PROGRAM])
def test_an_object_that_changes_meanwhile_is_refused(
    us: Taking, lab: Bucket, aws: AwsWorld, tmp_path: Path, url: str, end: str
) -> None:
    """JOB-05: between the list and the reading; half of two programs must not run."""
    lab.put({"jobs/program.tar.gz": packed(MEMBERS)})
    key, into = {HEAT: "jobs/heat/ex.py", PROGRAM: "jobs/program.tar.gz"}[url], tmp_path / "tree"
    aws.fault("hang", "s3:GetObject", where={"Key": key})
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(us.take, url, into)
        assert aws.wait_hung()
        if end == "changed":
            lab.put({key: packed({"ex.py": "print('mine')\n"})})
        else:
            lab.s3.delete_object(Bucket=lab.name, Key=key)
        aws.let_go(answers=True)
        told = refused(taking.result, into, SourceRefused, f"s3://lab-data/{key}: it changed while it was read")
    assert not told.retryable


def test_other_bytes_than_are_kept_are_not_run(us: Taking, lab: Bucket, aws: AwsWorld, tmp_path: Path) -> None:
    """JOB-05: by S3's checksum, and without one by the ETag; the same may pass when it is tried again."""
    into = tmp_path / "tree"
    for kept in ("crc32", "md5"):
        put(aws, "jobs/one/ex.py", is_summed=kept == "crc32")
        aws.fault("damage", "s3:GetObject", where={"Key": "jobs/one/ex.py"})
        told = refused(
            lambda: us.take("s3://lab-data/jobs/one/", into), into, PlaceFailed, "what came is not what is kept"
        )
        assert told.retryable
        us.take("s3://lab-data/jobs/one/", tmp_path / kept)


def put(aws: AwsWorld, key: str, *, is_summed: bool) -> None:
    """Put an object with a checksum that S3 keeps beside it, or as clients did before 2025, without."""
    s3 = aws.client("s3")
    if not is_summed:
        s3.meta.events.register_last("before-sign.s3.PutObject", _drop_checksum)
    s3.put_object(Bucket="lab-data", Key=key, Body=b"x = 1\n")


def _drop_checksum(request: Any, **_: object) -> None:
    for name in [name for name in request.headers if "checksum" in name.lower()]:
        del request.headers[name]


DENIED = {
    "s3:GetBucketLocation": ("", "bucket lab-data"),
    "s3:ListBucket": ("", "s3://lab-data/jobs/heat/"),
    "s3:GetObject": ("/jobs/heat/ex.py", "s3://lab-data/jobs/heat/ex.py"),
}


@pytest.mark.parametrize("action", DENIED)
def test_what_a_bucket_denies_is_told(us: Taking, lab: Bucket, tmp_path: Path, action: str) -> None:
    """JOB-05: the action and the thing, so that whoever owns the bucket knows what to allow."""
    things, where = DENIED[action]
    statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::lab-data{things}"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    lab.s3.put_bucket_policy(Bucket=lab.name, Policy=policy)
    into = tmp_path / "tree"
    refused(lambda: us.take(HEAT, into), into, AccessDenied, f"{where}: not allowed to do {action}", "Deny statement")


def test_somebody_elses_bucket_is_denied(us: Taking, aws: AwsWorld, tmp_path: Path) -> None:
    """SEC-12: whoever asks for a job reads by the account's rights, and no further."""
    theirs = bucket(aws, "their-data", account="333333333333")
    theirs.put({"x/ex.py": "theirs"})
    into = tmp_path / "tree"
    refused(lambda: us.take("s3://their-data/x/", into), into, AccessDenied, "their-data")


def test_an_account_without_the_feature_is_asked_nothing(us: Taking, aws: AwsWorld, tmp_path: Path) -> None:
    """ACC-10, JOB-05: what to do is told, and no call was made."""
    without = us.account.model_copy(update={"features": [Feature.CLUSTERS]})
    before, into = len(aws.calls()), tmp_path / "tree"
    taking = Taking(without, us.session)
    refused(lambda: taking.take(HEAT, into), into, AccessDenied, "without the feature jobs", "show-aws-onboarding")
    assert len(aws.calls()) == before


EVIL = {
    "up": ("../evil", "`..`"),
    "up in the middle": ("a/../../evil", "`..`"),
    "absolute": ("/evil", "absolute"),
    "dot": ("a/./b", "`.`"),
    "empty part": ("a//b", "empty part"),
    "backslash": ("a\\b", "backslash"),
    "control": ("a\x1bb", "control characters"),
    "long": ("x" * 256, "longer than 255 bytes"),
    "file and folder": ("lib", "'lib' is both a file and a folder"),
}


@pytest.mark.parametrize(("key", "why"), EVIL.values(), ids=EVIL)
def test_names_that_are_no_files_are_refused(us: Taking, lab: Bucket, tmp_path: Path, key: str, why: str) -> None:
    """SEC-08: by name, before an object is read."""
    into = tmp_path / "tree"
    lab.put({f"jobs/heat/{key}": "evil"})
    refused(lambda: us.take(HEAT, into), into, SourceRefused, HEAT, why)
    assert [path.name for path in tmp_path.rglob("*")] in ([], ["tree"])


def test_too_much_is_refused_before_it_is_read(us: Taking, lab: Bucket, aws: AwsWorld, tmp_path: Path) -> None:
    """JOB-05: so many objects, so many bytes; the list is read no further."""
    aws.settings(page_size=2)
    lab.put({f"many/{number}": "x" * 100 for number in range(10)})
    into, url = tmp_path / "tree", "s3://lab-data/many/"
    before = len(aws.calls())
    refused(lambda: us.take(url, into, limits=Limits(things=3)), into, SourceRefused, "it is more than 3 things")
    refused(lambda: us.take(url, into, limits=Limits(size=399)), into, SourceRefused, "it is more than 399 bytes")
    made = [call["operation"] for call in aws.calls()[before:] if call["service"] == "s3"]
    assert made == ["GetBucketLocation", "ListObjectsV2", "ListObjectsV2"] * 2
    us.take(url, tmp_path / "all", limits=Limits(things=10, size=1000))
    lab.put({"big.tgz": tar(Member("a", os.urandom(3000)), mode="w:gz")})
    small = Limits(size=5000)
    refused(lambda: us.take("s3://lab-data/big.tgz", into, limits=small), into, SourceRefused, "more than 5000 bytes")


def test_objects_are_read_side_by_side(us: Taking, lab: Bucket, aws: AwsWorld, tmp_path: Path) -> None:
    """JOB-05: one that takes long holds no other up, and it is waited for."""
    lab.put({f"side/{number}": str(number) for number in range(40)})
    aws.fault("hang", "s3:GetObject", where={"Key": "side/0"})
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(us.take, "s3://lab-data/side/", tmp_path / "tree")
        assert aws.wait_hung()
        while len(list((tmp_path / "tree").glob("*"))) < 40:
            assert not taking.done()
        aws.let_go(answers=True)
        taking.result()
    assert files_in(tmp_path / "tree") == {str(number): str(number) for number in range(40)}
