"""S3's multipart uploads: what each part must be, and when an upload is none any more.

By "UploadPart", "UploadPartCopy" and "CompleteMultipartUpload" in the Amazon S3 API Reference, and "Amazon S3 multipart
upload limits" in the User Guide. Moto answers an unknown upload with a failure of its own, copies ranges that are not
there, and joins parts in whatever order they are told.
"""

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from moto.s3.models import s3_backends

from tests.worlds.aws.call import Call, Refused
from tests.worlds.aws.rules import refuse

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

_LEAST, _MOST_COPIED = 5 << 20, 5 << 30
_GONE = (
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
    "completed."
)


def _upload(world: "World", call: Call) -> Any:
    bucket = call.params["Bucket"]
    if bucket not in s3_backends.bucket_accounts:
        return None
    found = world.backend(call).get_bucket(bucket).multiparts.get(call.params["UploadId"])
    if found is None or found.key_name != call.params["Key"]:
        raise Refused("NoSuchUpload", _GONE, 404)
    return found


@refuse("s3", "UploadPart", "UploadPartCopy", "ListParts", "AbortMultipartUpload")
def _is_under_way(world: "World", call: Call) -> None:
    _upload(world, call)
    if not 1 <= int(call.params.get("PartNumber", 1)) <= 10_000:
        text = "Part number must be an integer between 1 and 10000, inclusive"
        raise Refused("InvalidArgument", text)


@refuse("s3", "UploadPartCopy")
def _copies_what_is_there(world: "World", call: Call) -> None:
    bucket, _, key = unquote(call.params["CopySource"]).lstrip("/").partition("?")[0].partition("/")
    owner = s3_backends.bucket_accounts.get(bucket)
    if owner is None:
        raise Refused("NoSuchBucket", "The specified bucket does not exist", 404)
    source = s3_backends[owner[1]]["aws"].buckets[bucket].keys.get(key)
    if source is None:
        raise Refused("NoSuchKey", "The specified key does not exist.", 404)
    asked = call.params.get("CopySourceRange")
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked or f"bytes=0-{max(source.contentsize - 1, 0)}")
    if found is None:
        text = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
        raise Refused("InvalidArgument", f"{text}zero-based offsets of the first and last bytes to copy")
    first, last = int(found[1]), int(found[2])
    if asked and (last >= source.contentsize or first > last or source.contentsize <= _LEAST):
        text = f"Range specified is not valid for source object of size: {source.contentsize}"
        raise Refused("InvalidArgument", text)
    if last - first >= _MOST_COPIED:
        text = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
        raise Refused("InvalidRequest", text)


@refuse("s3", "CompleteMultipartUpload")
def _is_complete(world: "World", call: Call) -> None:
    upload = _upload(world, call)
    if upload is None:
        return
    told = (call.params.get("MultipartUpload") or {}).get("Parts") or []
    numbers = [int(part["PartNumber"]) for part in told]
    if not told:
        raise Refused("MalformedXML", "The XML you provided was not well-formed or did not validate against our schema")
    if sorted(set(numbers)) != numbers:
        text = "The list of parts was not in ascending order. The parts list must be specified in order by part number."
        raise Refused("InvalidPartOrder", text)
    kept = [upload.parts.get(number) for number in numbers]
    if any(one is None or one.etag.strip('"') != part["ETag"].strip('"') for one, part in zip(kept, told, strict=True)):
        text = (
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
            "specified entity tag may not match the part's entity tag."
        )
        raise Refused("InvalidPart", text)
    sizes = [one.contentsize for one in kept]
    if any(size < _LEAST for size in sizes[:-1]):
        raise Refused("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    wanted = call.params.get("MpuObjectSize")
    if wanted is not None and int(wanted) != sum(sizes):
        raise Refused(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {wanted} does not match what was computed: {sum(sizes)}",
        )
