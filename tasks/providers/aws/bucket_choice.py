"""Whether a bucket that somebody named can be a cluster's: it is there, in the cluster's region, and empty.

Versions and delete markers count: a bucket that looks empty may hold them ("Working with delete markers" in the Amazon
S3 User Guide).
"""

from collections.abc import Iterator

from blocks.errors import AccessDenied, NotFound
from tasks.providers.aws.findings import PlanFinding, error
from tasks.providers.aws.refusals import translated
from tasks.providers.aws.session import AwsSession

_OLD_NAMES = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}
"""What GetBucketLocation tells of the two oldest regions (Amazon S3 API Reference)."""


def findings(session: AwsSession, region: str, bucket: str) -> Iterator[PlanFinding]:
    """Return what is wrong with a bucket for a cluster in a region.

    Raises:
        CredentialsInvalid: AWS does not know us.
    """
    try:
        place = region_of(session, bucket)
        if place != region:
            yield error("bucket", f"{bucket} is in {place}, the cluster in {region}", "Take one there.")
        elif _holds_something(session, place, bucket):
            text = f"{bucket} is not empty: it holds objects, or versions of deleted ones"
            yield error("bucket", text, "Take an empty one, or leave it empty for the region's own.")
    except AccessDenied as refused:
        yield error("bucket", f"{bucket} is not ours to use: {refused.what}", "Take one of this account.")
    except NotFound:
        yield error("bucket", f"there is no bucket {bucket}", "Make it first, or leave it empty for the region's own.")


def region_of(session: AwsSession, bucket: str, asked_in: str = "") -> str:
    """Return the region of a bucket.

    Args:
        session: Who asks.
        bucket: Its name.
        asked_in: The region where it is asked; empty: the session's. Another account's bucket can be asked about in its
            own region only (GetBucketLocation in the Amazon S3 API Reference).

    Raises:
        NotFound: There is no such bucket.
        AccessDenied: We may not ask.
    """
    with translated(f"bucket {bucket}"):
        told = session.client("s3", asked_in).get_bucket_location(Bucket=bucket).get("LocationConstraint")
    return _OLD_NAMES.get(told, str(told))


def _holds_something(session: AwsSession, region: str, bucket: str) -> bool:
    with translated(f"bucket {bucket}"):
        told = session.client("s3", region).list_object_versions(Bucket=bucket, MaxKeys=1)
    return bool(told.get("Versions") or told.get("DeleteMarkers"))
