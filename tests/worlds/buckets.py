"""Buckets of a customer's in the AWS world, and job sources taken out of them as our role."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blocks.aws_account import AwsAccount
from tasks import object_source, object_url
from tasks.allowance import LIMITS, Limits
from tasks.checkout import Checkout
from tasks.providers.aws.objects import S3Bucket
from tasks.providers.aws.session import AwsSession
from tests.worlds.aws_world import AwsWorld

REGION = "us-east-1"
MEMBERS = {"ex.py": "print('ex')\n", "lib/part.py": "part = 1\n"}
"""A small program."""


@dataclass
class Bucket:
    """A bucket as its owner sees it.

    Args:
        s3: The owner's client.
        name: Its name.
    """

    s3: Any
    name: str

    def put(self, objects: Mapping[str, bytes | str]) -> None:
        """Put objects into it, some side by side."""

        def one(told: tuple[str, bytes | str]) -> None:
            body = told[1].encode() if isinstance(told[1], str) else told[1]
            self.s3.put_object(Bucket=self.name, Key=told[0], Body=body)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, objects.items()))

    def manifest_hash(self, prefix: str) -> str:
        """The hash of what is under a prefix: a sorted line for each object, made here anew."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        lines = [
            f"{one['Key']}\t{one['Size']}\t{one['ETag'][1:-1]}" for page in pages for one in page.get("Contents", ())
        ]
        return "sha256:" + hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()


def bucket(aws: AwsWorld, name: str = "lab-data", region: str = REGION, **owner: str) -> Bucket:
    """Make a bucket."""
    s3 = aws.client("s3", region=region, **owner)
    where = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region != REGION else {}
    s3.create_bucket(Bucket=name, **where)
    return Bucket(s3, name)


@dataclass
class Taking:
    """Takes sources as an account's session, for a cluster in a region."""

    account: AwsAccount
    session: AwsSession
    region: str = REGION

    def take(self, url: str, into: Path, *, folder: str = "", limits: Limits = LIMITS) -> Checkout:
        """Fill a folder with a source."""
        address = object_url.read(url)
        store = S3Bucket.of(self.account, self.session, self.region, address.bucket)
        return object_source.fetch(address, store, folder=folder, into=into, limits=limits)


def files_in(tree: Path) -> dict[str, str]:
    """The files of a tree with their texts."""
    return {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}


def packed(members: Mapping[str, str]) -> bytes:
    """A packed tar of files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, text in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return made.getvalue()
