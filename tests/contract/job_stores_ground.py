"""Places for jobs: a folder, and the bucket that our set-up of a region makes, as our role comes to it."""

import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from blocks.aws_account import Feature, Variant
from tasks.providers.aws import policies
from tasks.providers.aws.bucket_objects import BucketObjects
from tasks.providers.aws.naming import Owner
from tasks.providers.aws.region import keeping
from tasks.providers.aws.region.site import Site
from tasks.providers.aws.session import assumed
from tasks.stores.base import JobStore, JobStores
from tasks.stores.folder import FolderStores
from tasks.stores.s3 import EVERY_S, S3Stores
from tests.contract.least_rights import EXTERNAL_ID, role
from tests.worlds.aws_world import CUSTOMER

REGION = "us-east-1"
FEATURES = (Feature.CLUSTERS, Feature.NETWORKS, Feature.JOBS)
MIB = 1 << 20


@dataclass(frozen=True)
class FolderPlace:
    """A folder of this machine."""

    folder: Path

    def stores(self, every_s: float = EVERY_S) -> JobStores:
        """The stores there, as a process sees them that comes anew."""
        return FolderStores(self.folder / "jobs")


@dataclass(frozen=True)
class S3Place:
    """A bucket of the customer's, and our role there."""

    bucket: str
    role: str

    def objects(self) -> BucketObjects:
        """The bucket, in a session of its own."""
        return BucketObjects(assumed(self.role, EXTERNAL_ID, REGION), REGION, self.bucket, CUSTOMER)

    def stores(self, every_s: float = EVERY_S) -> JobStores:
        """The stores there, as a process sees them that comes anew."""
        return S3Stores(self.objects(), every_s=every_s)


Place = FolderPlace | S3Place


def s3_place() -> S3Place:
    """Let our set-up of a region make the bucket, with the rights that it asks for, and no more."""
    documents = policies.permission_policies(Variant.AUTOMATED, FEATURES, account_id=CUSTOMER, installation="lab")
    arn = role("groundwork-access", documents)
    site = Site(assumed(arn, EXTERNAL_ID, REGION), REGION, Owner("lab"), CUSTOMER, "first", pace=0.05)
    return S3Place(keeping.ensure_bucket(site), arn)


def cut(data: bytes, seed: int, most: int) -> Iterator[bytes]:
    """Give data in pieces of any size, as a program writes it."""
    drawn, at = random.Random(seed), 0
    while at < len(data):
        size = drawn.choice([1, drawn.randint(1, 100), drawn.randint(1, most)])
        yield data[at : at + size]
        at += size


def whole(store: JobStore, name: str) -> bytes:
    """A log, read in ranges."""
    found = b""
    while piece := store.read_from(name, len(found), 3 * MIB + 1):
        found += piece
    return found


def write_and_tell(place: Place, data: bytes, told: Connection) -> None:
    """What a process does that will be killed: append, and tell after each piece how much it was given."""
    store, given = place.stores(every_s=0.02).of("job-1"), store_size(place)
    for piece in cut(data[given:], 7, 300_000):
        store.append("stdout.log", piece)
        store.flush()
        given += len(piece)
        told.send(given)
    told.send(-1)
    told.recv()


def store_size(place: Place) -> int:
    return place.stores().of("job-1").size("stdout.log")


@contextmanager
def writing(place: Place, data: bytes) -> Iterator[tuple[BaseProcess, Connection]]:
    """A process of its own which appends to ``stdout.log`` of ``job-1``, and is killed at the end of the block."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=write_and_tell, args=(place, data, theirs))
    process.start()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()
        theirs.close()


def kill_when(place: Place, data: bytes, least: int) -> None:
    """Let a process append, and kill it when it was given so much (or has written all)."""
    with writing(place, data) as (process, told):
        given = 0
        while 0 <= given < least:
            assert told.poll(120), "it does not go on"
            given = told.recv()
        process.kill()
