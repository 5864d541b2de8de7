"""Reading objects out of S3: which there are, and each as it was listed, whole and unharmed."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Self

from botocore.exceptions import ClientError

from blocks.aws_account import AwsAccount, Feature
from blocks.errors import AccessDenied, NotFound, SourceRefused
from tasks.providers.aws.bucket_choice import region_of
from tasks.providers.aws.refusal_codes import DAMAGED
from tasks.providers.aws.refusals import code_of, translated
from tasks.providers.aws.session import AwsSession
from tasks.providers.base import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_PIECE = 1 << 20
_CHANGED = frozenset({"PreconditionFailed", "NoSuchKey"})
"""What S3 answers of an object that is not any more the one with this ETag, or not there any more."""
_MD5 = re.compile(r'"[0-9a-f]{32}"')


class S3Bucket:
    """A bucket in S3, an `ObjectStore`: read as an account's session does.

    Args:
        session: How we come into the account.
        region: Where the cluster is.
        bucket: The bucket's name.
    """

    def __init__(self, session: AwsSession, region: str, bucket: str) -> None:
        self._session = session
        self._region = region
        self._bucket = bucket

    @classmethod
    def of(cls, account: AwsAccount, session: AwsSession, region: str, bucket: str) -> Self:
        """Return a bucket for an account's jobs.

        Raises:
            AccessDenied: The account was connected without them.
        """
        if Feature.JOBS not in account.features:
            raise AccessDenied(
                f"the account {account.name} was connected without the feature {Feature.JOBS}",
                where="source",
                advice=f"Run show-aws-onboarding with {Feature.JOBS} among the features, add its policy in IAM, and "
                "verify-account; or give a git repository.",
            )
        return cls(session, region, bucket)

    def require_near(self) -> None:
        """Refuse a bucket that is not there, or in another region than the cluster: what comes from there costs more.

        Raises:
            SourceRefused: With both regions.
            AccessDenied: We may not ask where it is.
        """
        try:
            place = region_of(self._session, self._bucket, self._region)
        except NotFound as error:
            raise SourceRefused(
                f"there is no bucket {self._bucket}", where="source", advice="Check its name."
            ) from error
        if place != self._region:
            raise SourceRefused(
                f"the bucket {self._bucket} is in {place}, the cluster in {self._region}",
                where="source",
                advice=f"Copy what you need into a bucket in {self._region}, or take a cluster in {place}.",
            )

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        """Give all objects whose keys begin so, page by page, sorted by key.

        Raises:
            AccessDenied: We may not list the bucket.
        """
        with translated(f"s3://{self._bucket}/{prefix}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            for page in pages:
                for told in page.get("Contents", ()):
                    yield StoredObject(told["Key"], told["Size"], told["ETag"])

    def read(self, one: StoredObject, take: Callable[[bytes], object]) -> str:
        """Give an object's content piece by piece and return its version; empty: the bucket keeps none.

        Raises:
            SourceRefused: It is not as it was listed any more.
            AccessDenied: We may not read it.
            PlaceFailed, PlaceUnreachable: What came is not what is kept, or not all of it.
        """
        where = f"s3://{self._bucket}/{one.key}"
        with translated(where):
            told = self._opened(one, where)
            content = hashlib.md5(usedforsecurity=False)
            size = 0
            with closing(told["Body"]) as body:
                for piece in body.iter_chunks(_PIECE):
                    content.update(piece)
                    size += len(piece)
                    take(piece)
        if size != one.size or (_tells_md5(told) and told["ETag"] != f'"{content.hexdigest()}"'):
            raise DAMAGED.kind(DAMAGED.what, where=where, advice=DAMAGED.advice)
        version = told.get("VersionId", "")
        return "" if version == "null" else version

    def _opened(self, one: StoredObject, where: str) -> "GetObjectOutputTypeDef":
        try:
            # Where S3 keeps a checksum, botocore compares what comes with it.
            return self._s3.get_object(Bucket=self._bucket, Key=one.key, IfMatch=one.mark, ChecksumMode="ENABLED")
        except ClientError as error:
            if code_of(error) not in _CHANGED:
                raise
            raise SourceRefused(
                "it changed while it was read", where=where, advice="Run the job again when nobody writes there."
            ) from error

    @property
    def _s3(self) -> "S3Client":
        return self._session.client("s3", self._region)


def _tells_md5(told: "GetObjectOutputTypeDef") -> bool:
    """Whether an ETag is the content's MD5: uploaded in one part, not encrypted by KMS ("Object", S3 API Reference)."""
    is_by_kms = told.get("ServerSideEncryption", "").startswith("aws:")
    return not is_by_kms and _MD5.fullmatch(told["ETag"]) is not None
