"""Who calls, and STS: signatures checked, roles assumed by their trust policies."""

import hmac
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core.request import Request

from tests.worlds.aws.call import Call, Refused
from tests.worlds.aws.keys import Key
from tests.worlds.aws.permissions import attached

if TYPE_CHECKING:
    from tests.worlds.aws.world import World


def authenticate(world: "World", call: Call, request: Request) -> None:
    """Find out who calls, and set the call's principal.

    Raises:
        Refused: The key is not known, the signature is wrong, or the session is over.
    """
    key = world.keys.find(call.access_key)
    if key is None:
        raise _unknown_key(call)
    if key.token and request.headers.get("X-Amz-Security-Token", request.args.get("X-Amz-Security-Token")) != key.token:
        raise _unknown_key(call)
    if not (_is_signed if "Authorization" in request.headers else _is_presigned)(call, request, key.secret):
        raise _wrong_signature(call)
    if key.token and key.ends_s < time.time():
        raise _ended(call)
    if not _still_stands(world, key):
        raise _unknown_key(call)
    call.principal = key.principal


def _still_stands(world: "World", key: Key) -> bool:
    """A session ends with its role, and with the key of the user who asked for it."""
    if key.parent and world.keys.find(key.parent) is None:
        return False
    if not key.principal.role:
        return True
    role = attached.entity(key.principal.role)
    return role is not None and key.principal.user_id.startswith(f"{role.id}:")


def _is_signed(call: Call, request: Request, secret: str) -> bool:
    header = request.headers["Authorization"]
    fields = dict(part.strip().partition("=")[::2] for part in header.partition(" ")[2].split(","))
    signed = {name: request.headers.get(name, "") for name in fields["SignedHeaders"].split(";")}
    copy = AWSRequest(request.method, request.raw_url, headers=signed, data=request.get_data())
    copy.context["timestamp"] = request.headers.get("X-Amz-Date", "")
    _, _, region, service, _ = fields["Credential"].split("/")
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    auth = kind(Credentials(call.access_key, secret), service, region)
    text = auth.string_to_sign(copy, auth.canonical_request(copy))
    return hmac.compare_digest(auth.signature(text, copy), fields["Signature"])


def _is_presigned(call: Call, request: Request, secret: str) -> bool:
    """Look at a signature in the address ("Authenticating requests: using query parameters", S3).

    Raises:
        Refused: The address was good for a shorter time.
    """
    told = request.args
    url = "&".join(part for part in request.raw_url.split("&") if not part.startswith("X-Amz-Signature="))
    signed = {name: request.headers.get(name, "") for name in told["X-Amz-SignedHeaders"].split(";")}
    copy = AWSRequest(request.method, url, headers=signed, data=b"")
    copy.context["timestamp"] = told["X-Amz-Date"]
    _, _, region, service, _ = told["X-Amz-Credential"].split("/")
    kind = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
    auth = kind(Credentials(call.access_key, secret), service, region)
    text = auth.string_to_sign(copy, auth.canonical_request(copy))
    made = datetime.strptime(told["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if datetime.now(UTC) > made + timedelta(seconds=int(told["X-Amz-Expires"])):
        raise Refused("AccessDenied", "Request has expired", 403)
    return hmac.compare_digest(auth.signature(text, copy), told["X-Amz-Signature"])


def _unknown_key(call: Call) -> Refused:
    if call.service == "ec2":
        return Refused("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    if call.service == "s3":
        return Refused("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403)
    if call.service in ("iam", "sts"):
        return Refused("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
    return Refused("UnrecognizedClientException", "The security token included in the request is invalid.", 400)


def _wrong_signature(call: Call) -> Refused:
    if call.service == "ec2":
        return Refused("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    text = "The request signature we calculated does not match the signature you provided."
    return Refused("SignatureDoesNotMatch", text, 403)


def _ended(call: Call) -> Refused:
    if call.service == "ec2":
        return Refused("RequestExpired", "Request has expired.", 400)
    if call.service in ("iam", "sts", "s3", "efs"):
        return Refused("ExpiredToken", "The security token included in the request is expired", 403)
    return Refused("ExpiredTokenException", "The security token included in the request is expired", 400)


def until(seconds: int) -> datetime:
    """Return when a session of so many seconds ends, by our clock: clients compare it with theirs."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
