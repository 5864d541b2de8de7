"""Objects that are not there: who may not list the bucket is not told so ("GetObject" in the S3 API reference)."""

from typing import TYPE_CHECKING

from moto.backends import get_backend

from tests.worlds.aws.call import Call, Refused
from tests.worlds.aws.permissions import judging
from tests.worlds.aws.permissions.needs import Need
from tests.worlds.aws.rules import refuse

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


@refuse("s3", "GetObject", "HeadObject")
def hidden(world: "World", call: Call) -> None:
    """Refuse a key that is not there with 403 instead of 404, where the caller lacks s3:ListBucket."""
    name, key = call.params["Bucket"], call.params["Key"]
    owner = get_backend("s3").bucket_accounts.get(name)
    bucket = get_backend("s3")[owner[1]]["aws"].buckets.get(name) if owner else None
    if bucket is None or key in bucket.keys or call.params.get("VersionId"):
        return
    reason = judging.why_not(world, call, Need("s3:ListBucket", f"arn:aws:s3:::{name}"))
    if reason:
        text = (
            f"User: {call.principal.arn} is not authorized to perform: s3:ListBucket on resource: arn:aws:s3:::{name}"
        )
        raise Refused("AccessDenied", f"{text} {reason}", 403)
