"""Multipart uploads of S3 in the world: parts, copies, and uploads that are none any more (JOB-18, JOB-21)."""

import hashlib
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.world.aws import refusals
from tests.worlds.aws_world import INSTALLATION, AwsWorld

BUCKET = "groundwork-lab"
LEAST = 5 << 20
BYTES = random.Random(5).randbytes(LEAST + 10)


def refused(code: str, call: Callable[..., Any], *told: Any, **more: Any) -> None:
    refusals.refused(code, partial(call, *told), **more)


@pytest.fixture
def s3(aws: AwsWorld) -> Any:
    """A client of the owner of a bucket."""
    client = aws.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


class Upload:
    """An upload to the key ``whole``."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.place = {"Bucket": BUCKET, "Key": "whole"}
        self.place["UploadId"] = s3.create_multipart_upload(**self.place)["UploadId"]

    def part(self, number: int, body: bytes) -> dict[str, Any]:
        return {"PartNumber": number, "ETag": self.s3.upload_part(**self.place, PartNumber=number, Body=body)["ETag"]}

    def copy(self, number: int, key: str, **more: Any) -> dict[str, Any]:
        source = {"Bucket": BUCKET, "Key": key}
        told = self.s3.upload_part_copy(**self.place, PartNumber=number, CopySource=source, **more)
        return {"PartNumber": number, "ETag": told["CopyPartResult"]["ETag"]}

    def complete(self, *parts: dict[str, Any], **more: Any) -> Any:
        return self.s3.complete_multipart_upload(**self.place, MultipartUpload={"Parts": list(parts)}, **more)


def test_an_object_of_parts_appears_when_it_is_complete(s3: Any) -> None:
    """Until then nobody sees it, and its upload is listed; then the upload is none any more."""
    upload = Upload(s3)
    s3.put_object(Bucket=BUCKET, Key="a +%/\N{GREEK SMALL LETTER ALPHA}", Body=BYTES)
    parts = [upload.copy(1, "a +%/\N{GREEK SMALL LETTER ALPHA}"), upload.part(3, b"end")]
    refused("404", s3.head_object, Bucket=BUCKET, Key="whole")
    assert [one["UploadId"] for one in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == [
        upload.place["UploadId"]
    ]
    upload.complete(*parts, MpuObjectSize=len(BYTES) + 3)
    assert s3.get_object(Bucket=BUCKET, Key="whole")["Body"].read() == BYTES + b"end"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    refused("NoSuchUpload", upload.complete, *parts)
    refused("NoSuchUpload", upload.part, 1, b"")
    refused("NoSuchUpload", upload.copy, 1, "a +%/\N{GREEK SMALL LETTER ALPHA}")
    refused("NoSuchUpload", s3.abort_multipart_upload, **upload.place)
    refused("NoSuchUpload", s3.list_parts, **upload.place)


def test_an_aborted_upload_is_gone(s3: Any) -> None:
    """What was sent is not paid for any more, and cannot be completed."""
    upload = Upload(s3)
    part = upload.part(1, b"x")
    s3.abort_multipart_upload(**upload.place)
    refused("NoSuchUpload", upload.complete, part)
    refused("404", s3.head_object, Bucket=BUCKET, Key="whole")


def test_an_upload_is_of_one_key(s3: Any) -> None:
    """Moto takes an id of any key's."""
    upload = Upload(s3)
    upload.place["Key"] = "other"
    refused("NoSuchUpload", upload.part, 1, b"x")


def test_all_parts_but_the_last_are_large(s3: Any) -> None:
    """5 MiB, copied ones too."""
    upload = Upload(s3)
    s3.put_object(Bucket=BUCKET, Key="small", Body=BYTES[: LEAST - 1])
    parts = [upload.copy(1, "small"), upload.part(2, b"end")]
    refused("EntityTooSmall", upload.complete, *parts)
    upload.complete(upload.part(1, BYTES[:LEAST]), parts[1])


def test_parts_are_told_in_order_and_as_they_are(s3: Any) -> None:
    """An object in another order, or of parts that were sent again meanwhile, would be somebody's lost data."""
    upload = Upload(s3)
    first, second = upload.part(1, BYTES), upload.part(2, b"end")
    refused("InvalidPartOrder", upload.complete, second, first)
    refused("InvalidPart", upload.complete, first, {"PartNumber": 3, "ETag": first["ETag"]})
    again = upload.part(1, BYTES[::-1])
    refused("InvalidPart", upload.complete, first, second)
    refused("MalformedXML", upload.complete)
    refused("InvalidArgument", upload.part, 10_001, b"")
    refused("InvalidRequest", upload.complete, again, second, MpuObjectSize=1)
    upload.complete(again, second)
    body = s3.get_object(Bucket=BUCKET, Key="whole")["Body"].read()
    assert hashlib.sha256(body).digest() == hashlib.sha256(BYTES[::-1] + b"end").digest()


def test_copies_are_of_what_is_there(aws: AwsWorld, s3: Any) -> None:
    """A range must lie in the source, which must be larger than 5 MiB."""
    upload = Upload(s3)
    refused("NoSuchKey", upload.copy, 1, "nothing")
    s3.put_object(Bucket=BUCKET, Key="large", Body=BYTES)
    s3.put_object(Bucket=BUCKET, Key="small", Body=b"12345")
    refused("InvalidArgument", upload.copy, 1, "large", CopySourceRange=f"bytes=1-{len(BYTES)}")
    refused("InvalidArgument", upload.copy, 1, "large", CopySourceRange="1-2")
    refused("InvalidArgument", upload.copy, 1, "small", CopySourceRange="bytes=1-2")
    upload.complete(upload.copy(1, "large", CopySourceRange="bytes=2-5"))
    assert s3.get_object(Bucket=BUCKET, Key="whole")["Body"].read() == BYTES[2:6]
    other = aws.client("s3", INSTALLATION)
    other.create_bucket(Bucket="groundwork-other")
    other.put_object(Bucket="groundwork-other", Key="secret", Body=BYTES)
    place = {**Upload(s3).place, "PartNumber": 1, "CopySource": "groundwork-other/secret"}
    refused("AccessDenied", s3.upload_part_copy, **place)


def test_a_bucket_of_somebody_else_is_not_written_into(s3: Any) -> None:
    """Who names the account that a bucket must belong to is refused where it does not."""
    refused("AccessDenied", s3.put_object, Bucket=BUCKET, Key="a", Body=b"", ExpectedBucketOwner=INSTALLATION)
    refused("AccessDenied", s3.list_objects_v2, Bucket=BUCKET, ExpectedBucketOwner=INSTALLATION)
