"""Objects in a bucket of ours: read, written whole, listed, put together on AWS's side.

Limits by "Amazon S3 multipart upload limits" in the Amazon S3 User Guide. Each call names the account that the bucket
must belong to: a name is free for everybody when its bucket is gone.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.exceptions import BotoCoreError, ClientError

from blocks.errors import GroundworkError, NotFound, PlaceFailed
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.session import AwsSession

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LEAST_PART = 5 << 20
"""What each part of a multipart upload but the last one must have."""

MOST_PARTS = 10_000
"""Parts of one object."""

_MOST_COPIED = 1 << 30
"""What one call copies: AWS takes 5 GiB, which can take longer than an answer is waited for."""

_AT_ONCE = 8
_MOST_DELETED = 1000
_MULTIPART_FROM = 16 << 20
_MISSING = ("NoSuchKey", "404", "InvalidRange")
_SUM: Literal["CRC32"] = "CRC32"


class Piece(NamedTuple):
    """Bytes of an object, from an offset to another."""

    key: str
    start: int
    end: int
    size: int

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.end - self.start


class BucketObjects:
    """The objects of one bucket. Threads may share it.

    Args:
        session: How we come into the account.
        region: Where the bucket is.
        bucket: Its name.
        account_id: Whose it must be.
    """

    def __init__(self, session: AwsSession, region: str, bucket: str, account_id: str) -> None:
        self._session, self._region = session, region
        self.bucket, self._owner = bucket, account_id

    def get(self, key: str) -> bytes | None:
        """Return an object, or None where there is none."""
        with self._translated(key):
            try:
                return self._s3.get_object(Bucket=self.bucket, Key=key, ExpectedBucketOwner=self._owner)["Body"].read()
            except ClientError as error:
                _require_missing(error)
                return None

    def get_piece(self, piece: Piece) -> bytes | None:
        """Return bytes of an object, or None where they are not there, or no longer."""
        asked = f"bytes={piece.start}-{piece.end - 1}"
        with self._translated(piece.key):
            try:
                told = self._s3.get_object(
                    Bucket=self.bucket, Key=piece.key, Range=asked, ExpectedBucketOwner=self._owner
                )
                return told["Body"].read()
            except ClientError as error:
                _require_missing(error)
                return None

    def size(self, key: str) -> int | None:
        """Return how large an object is, or None where there is none. The bucket is known to be there."""
        with self._translated(key):
            try:
                told = self._s3.head_object(Bucket=self.bucket, Key=key, ExpectedBucketOwner=self._owner)
                return int(told["ContentLength"])
            except ClientError as error:
                _require_missing(error)
                return None

    def put(self, key: str, data: bytes) -> None:
        """Write an object whole: a reader gets the old or the new."""
        with self._translated(key):
            self._s3.put_object(
                Bucket=self.bucket, Key=key, Body=data, ChecksumAlgorithm=_SUM, ExpectedBucketOwner=self._owner
            )

    def put_file(self, key: str, path: Path) -> None:
        """Write a file as an object, in parts where it is large, four of them at once.

        Raises:
            OSError: The file cannot be read.
        """
        config = TransferConfig(
            multipart_threshold=_MULTIPART_FROM, max_concurrency=4, preferred_transfer_client="classic"
        )
        extra = {"ChecksumAlgorithm": _SUM, "ExpectedBucketOwner": self._owner}
        with self._translated(key):
            if path.stat().st_size >= _MULTIPART_FROM:
                self._abort_uploads(key)
            with create_transfer_manager(self._s3, config) as transfers:
                transfers.upload(str(path), self.bucket, key, extra_args=extra).result()

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the sizes of all objects whose keys begin so, by key."""
        with self._translated(prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, ExpectedBucketOwner=self._owner
            )
            return {told["Key"]: told["Size"] for page in pages for told in page.get("Contents", [])}

    def folders(self, prefix: str) -> list[str]:
        """Return what stands before the next slash, of all keys that begin with a prefix that ends with one."""
        with self._translated(prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, Delimiter="/", ExpectedBucketOwner=self._owner
            )
            found = [told["Prefix"] for page in pages for told in page.get("CommonPrefixes", [])]
        return sorted({name.removeprefix(prefix).rstrip("/") for name in found})

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects. Removing what is gone does nothing."""
        for begin in range(0, len(keys), _MOST_DELETED):
            objects: list[Any] = [{"Key": key} for key in keys[begin : begin + _MOST_DELETED]]
            with self._translated(keys[begin]):
                told = self._s3.delete_objects(
                    Bucket=self.bucket,
                    Delete={"Objects": objects, "Quiet": True},
                    ExpectedBucketOwner=self._owner,
                )
            for failed in told.get("Errors", []):
                words = f"it could not be removed ({failed.get('Code')}: {failed.get('Message')})"
                raise PlaceFailed(words, where=self.link(str(failed.get("Key"))), advice="Try again.")

    def compose(self, key: str, pieces: Sequence[Piece]) -> None:
        """Make one object of pieces of others, which AWS copies; the object appears in one step.

        Only what is too small to be a part comes here and goes back, with what follows it. Killed anywhere, it may be
        called again: what was begun before is given up first.

        Raises:
            NotFound: A piece is not there any more.
        """
        parts = _planned(pieces)
        length = sum(piece.length for piece in pieces)
        if length < LEAST_PART:
            self.put(key, self._joined(pieces))
            return
        with self._translated(key):
            self._abort_uploads(key)
            upload = self._s3.create_multipart_upload(Bucket=self.bucket, Key=key, ExpectedBucketOwner=self._owner)[
                "UploadId"
            ]
            try:
                self._fill(key, upload, parts, length)
            except (BotoCoreError, ClientError, GroundworkError):
                with suppress(BotoCoreError, ClientError):
                    self._abort(key, upload)
                raise

    def link(self, key: str) -> str:
        """Return an object's address, as AWS's command line takes it."""
        return f"s3://{self.bucket}/{key}"

    @property
    def _s3(self) -> "S3Client":
        return self._session.client("s3", self._region)

    def _fill(self, key: str, upload: str, parts: Sequence[Sequence[Piece]], length: int) -> None:
        numbers = range(1, len(parts) + 1)
        place = {"Bucket": self.bucket, "Key": key, "UploadId": upload, "ExpectedBucketOwner": self._owner}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            tags = list(pool.map(lambda number, part: self._put_part(place, number, part), numbers, parts))
        told: list[Any] = [{"PartNumber": number, "ETag": tag} for number, tag in zip(numbers, tags, strict=True)]
        try:
            self._s3.complete_multipart_upload(
                **place,  # type: ignore[arg-type]
                MultipartUpload={"Parts": told},
                MpuObjectSize=length,  # AWS compares it with what it has
            )
        except ClientError as error:
            # Where the reply to a first try was lost, the second finds no upload, and the object there.
            if code_of(error) != "NoSuchUpload" or self.size(key) != length:
                raise

    def _put_part(self, place: dict[str, str], number: int, part: Sequence[Piece]) -> str:
        if len(part) > 1 or part[0].length < LEAST_PART:
            body = self._joined(part)
            sent = self._s3.upload_part(**place, PartNumber=number, Body=body)  # type: ignore[arg-type]
            return sent["ETag"]
        piece = part[0]
        bounds: Any = {"CopySourceRange": f"bytes={piece.start}-{piece.end - 1}"}
        told = self._s3.upload_part_copy(
            **place,  # type: ignore[arg-type]
            PartNumber=number,
            CopySource={"Bucket": self.bucket, "Key": piece.key},
            ExpectedSourceBucketOwner=self._owner,
            **(bounds if piece.length < piece.size else {}),
        )
        return told["CopyPartResult"]["ETag"]

    def _joined(self, pieces: Sequence[Piece]) -> bytes:
        found = [self.get_piece(piece) for piece in pieces if piece.length]
        if None in found:
            raise NotFound("a part of it is gone", where=self.link(pieces[0].key), advice="Try again.")
        return b"".join(filter(None, found))

    def _abort_uploads(self, key: str) -> None:
        """Give up what an earlier try left half sent, which is paid for and seen by nobody."""
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.bucket, Prefix=key, ExpectedBucketOwner=self._owner
        )
        for told in [told for page in pages for told in page.get("Uploads", []) if told["Key"] == key]:
            self._abort(key, told["UploadId"])

    def _abort(self, key: str, upload: str) -> None:
        try:
            self._s3.abort_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload, ExpectedBucketOwner=self._owner
            )
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":
                raise

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        where = _line(self.link(key))
        try:
            with translated(where):
                yield
        except NotFound as error:
            if "NoSuchBucket" not in error.what:
                raise
            raise NotFound(
                f"there is no bucket {self.bucket}",
                where=where,
                advice=f"prepare-aws-region makes the one of {self._region}; or keep jobs elsewhere (block job-store).",
            ) from error


def _require_missing(error: ClientError) -> None:
    if code_of(error) not in _MISSING:
        raise error


def _line(text: str) -> str:
    return text if text.isprintable() else ascii(text)


def _planned(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Return what each part is made of: one piece large enough to be copied, or small ones and what follows them."""
    planned: list[list[Piece]] = []
    for piece in _cut(pieces):
        if planned and sum(each.length for each in planned[-1]) < LEAST_PART:
            planned[-1].append(piece)
        else:
            planned.append([piece])
    return planned


def _cut(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Cut pieces that are too large for one call; none of what is left is too small for a part because of it."""
    for piece in pieces:
        start = piece.start
        while piece.end - start > _MOST_COPIED + LEAST_PART:
            yield piece._replace(start=start, end=start + _MOST_COPIED)
            start += _MOST_COPIED
        if piece.end > start:
            yield piece._replace(start=start)
