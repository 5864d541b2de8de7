"""What AWS's own service models, as botocore ships them, say of a document or an error code."""

import functools

from botocore.model import OperationModel, ServiceModel, Shape
from botocore.session import get_session

from tests.worlds.aws.shapes import problems

__all__ = [
    "code_of",
    "error_shape",
    "is_query_compatible",
    "known_codes",
    "operation_model",
    "problems",
    "service_model",
    "unknown_code",
]

COMMON_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InternalFailure",
        "InvalidAction",
        "InvalidClientTokenId",
        "InvalidParameterCombination",
        "InvalidParameterValue",
        "MalformedQueryString",
        "MissingAuthenticationToken",
        "MissingParameter",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "ServiceUnavailable",
        "SignatureDoesNotMatch",
        "Throttling",
        "ThrottlingException",
        "UnrecognizedClientException",
        "ValidationError",
        "ValidationException",
    }
)
"""Every service may answer with these; their models do not list them ("Common Error Types" of each API reference)."""

S3_CODES = frozenset(
    {
        "AccessControlListNotSupported",
        "AccessDenied",
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "BucketNotEmpty",
        "EntityTooLarge",
        "EntityTooSmall",
        "ExpiredToken",
        "IllegalLocationConstraintException",
        "InternalError",
        "InvalidAccessKeyId",
        "InvalidArgument",
        "InvalidBucketName",
        "InvalidBucketState",
        "InvalidDigest",
        "InvalidLocationConstraint",
        "InvalidPart",
        "InvalidPartOrder",
        "InvalidRange",
        "InvalidRequest",
        "InvalidTag",
        "InvalidToken",
        "KeyTooLongError",
        "MalformedPolicy",
        "MalformedXML",
        "MethodNotAllowed",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchCORSConfiguration",
        "NoSuchKey",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchTagSet",
        "NoSuchUpload",
        "NoSuchVersion",
        "NotImplemented",
        "ObjectLockConfigurationNotFoundError",
        "OperationAborted",
        "OwnershipControlsNotFoundError",
        "PermanentRedirect",
        "PreconditionFailed",
        "RequestTimeTooSkewed",
        "ServerSideEncryptionConfigurationNotFoundError",
        "SignatureDoesNotMatch",
        "SlowDown",
        "TooManyBuckets",
    }
)
"""S3's codes ("Error responses" in its API reference): its model lists few of them, and few by operation."""


@functools.cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service, by boto3's name of it."""
    return get_session().get_service_model(service)


@functools.cache
def operation_model(service: str, operation: str) -> OperationModel:
    """Return botocore's model of an operation."""
    return service_model(service).operation_model(operation)


@functools.cache
def known_codes(service: str, operation: str) -> frozenset[str]:
    """Return the error codes that an operation may answer with; empty where the model lists none."""
    if service == "s3":
        return S3_CODES | {"404", "403", "412", "304"}  # an answer to HEAD has no body: its code is the status
    found = {code_of(shape) for shape in operation_model(service, operation).error_shapes}
    return frozenset(found | COMMON_CODES) if found else frozenset()


def unknown_code(service: str, operation: str, code: str) -> str:
    """Say that a service's model knows no such error of an operation; empty where it does, or lists no errors."""
    known = known_codes(service, operation)
    if not known or code in known:
        return ""
    return f"{service}:{operation} knows no error {code}, but {', '.join(sorted(known - COMMON_CODES))}"


def code_of(shape: Shape) -> str:
    """Return the code with which an error's shape goes over the wire: IAM's are not named as their shapes."""
    return str(shape.metadata.get("error", {}).get("code") or shape.name)


def error_shape(service: str, operation: str, code: str) -> Shape | None:
    """Return the shape of an error of an operation; None where the model does not list it."""
    shapes = operation_model(service, operation).error_shapes
    return next((shape for shape in shapes if code_of(shape) == code), None)


def status_of(shape: Shape | None) -> int:
    """Return the HTTP status that an error's shape tells; 0 where it tells none."""
    return int(shape.metadata.get("error", {}).get("httpStatusCode", 0)) if shape else 0


@functools.cache
def is_query_compatible(service: str) -> bool:
    """Tell whether a JSON service keeps its older query codes, in a header of their own (CloudWatch does)."""
    return "awsQueryCompatible" in service_model(service).metadata
