"""What AWS's error codes mean, in which class of ours, and what to try.

The codes are those of the API references of EC2 ("Error codes for the Amazon EC2 API"), IAM, STS, S3 ("Error
responses"), EFS, KMS, SSM, Service Quotas and tagging; where AWS uses one code for two things, its words decide.
"""

from fnmatch import fnmatchcase
from typing import NamedTuple

from blocks import errors


class Meaning(NamedTuple):
    """A class of refusals: our error, what happened, what to try."""

    kind: type[errors.GroundworkError]
    what: str
    advice: str = ""


STRANGER = Meaning(
    errors.CredentialsInvalid,
    "AWS does not know these credentials",
    "Check the keys or the role, the clock of the Prefect worker's machine, and that the region is enabled in the "
    "account. What is there was not seen.",
)
ENDED = Meaning(
    errors.CredentialsInvalid,
    "the credentials ended",
    "Give the account, or the Prefect worker's identity, new ones, and check the clock of its machine.",
)
DENIED = Meaning(errors.AccessDenied, "not allowed")
FULL = Meaning(
    errors.QuotaExceeded,
    "a limit of the account is reached",
    "Remove what is not needed, or ask for more in the Service Quotas console.",
)
NO_ROOM = Meaning(
    errors.NoCapacity, "AWS has no room for this now", "Try another zone, another type or fewer nodes, or try later."
)
TOO_OFTEN = Meaning(errors.Throttled, "AWS was asked too often", "Try again in a minute.")
HELD = Meaning(
    errors.StillInUse, "something else still uses it", "Remove that first; what we remove ourselves may need minutes."
)
WRONG_STATE = Meaning(errors.WrongState, "it is not in a state that allows this", "Try again when it has changed.")
GONE = Meaning(errors.NotFound, "there is no such thing", "Check its name or id, the region and the account.")
IN_THE_WAY = Meaning(
    errors.Conflict, "something is in the way", "Choose another name, or let the change that is under way end."
)
NONSENSE = Meaning(errors.RequestRefused, "AWS refused what was asked", "Check the values that were given.")
BROKEN = Meaning(errors.PlaceFailed, "AWS failed", "Try again later; health.aws.amazon.com shows known failures.")
DAMAGED = Meaning(errors.PlaceFailed, "what came is not what is kept there", "Try again.")
UNKNOWN = Meaning(errors.ProviderError, "AWS refused", "AWS's words say more.")

ENDED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
"""Credentials that ended, or a clock that is wrong: renewing them may help."""

_BY_WORDS = (
    # EC2 says AuthFailure of an image or an address of somebody else's, too.
    ("AuthFailure", "ot authorized for", DENIED),
    ("AuthFailure", "do not have permission", DENIED),
    ("LimitExceeded", "ate exceeded", TOO_OFTEN),
    ("Unsupported", "not supported in your requested Availability Zone", NO_ROOM),
)
"""Code, part of AWS's words, meaning: looked at first."""

_BY_CODE = (
    (" ".join(ENDED_CODES), ENDED),
    (
        """AuthFailure InvalidClientTokenId UnrecognizedClient InvalidAccessKeyId InvalidToken SignatureDoesNotMatch
        InvalidSignature IncompleteSignature MissingAuthenticationToken RequestTimeTooSkewed
        AuthorizationHeaderMalformed""",
        STRANGER,
    ),
    (
        """UnauthorizedOperation Unauthorized AccessDenied* NotAuthorized Forbidden 401 403 OptInRequired
        SubscriptionRequired AllAccessDisabled AuthorizationError UnmodifiableEntity""",
        DENIED,
    ),
    (
        """Throttling Throttled *Throttled RequestLimitExceeded TooManyRequests SlowDown PriorRequestNotComplete
        ProvisionedThroughputExceeded BandwidthLimitExceeded 429""",
        TOO_OFTEN,
    ),
    (
        "Insufficient*Capacity* InsufficientFreeAddressesInSubnet SpotMaxPriceTooLow ReservationCapacityExceeded",
        NO_ROOM,
    ),
    ("*LimitExceeded *QuotaExceeded *CountExceeded TooMany*", FULL),
    ("DependencyViolation DependencyTimeout DeleteConflict *NotEmpty *InUse", HELD),
    (
        """Incorrect*State* *InvalidState Invalid*State Disabled InvalidAMIID.Unavailable OperationNotPermitted
        EntityTemporarilyUnmodifiable""",
        WRONG_STATE,
    ),
    ("*NotFound NoSuch* *.Unknown *DoesNotExist InvalidInstanceId 404", GONE),
    (
        """*AlreadyExists *Duplicate* *Conflict *AlreadyAssociated *AlreadyOwnedByYou ConcurrentModification
        IdempotentParameterMismatch Idempotency OperationAborted 409""",
        IN_THE_WAY,
    ),
    ("Internal* *Internal ServiceUnavailable Unavailable Service* RequestTimeout Backend 5??", BROKEN),
    (
        """Invalid* *Invalid Malformed* *Malformed *.OutOfRange Missing* Unknown* Validation* Unsupported*
        Unrecognized* DryRunOperation 400 405""",
        NONSENSE,
    ),
)
"""Codes (``*`` stands for any letters), meaning: the first that fits counts. A code's last "Exception" or "Fault"
need not be told: the same refusal comes with and without, as the service likes it."""

_FINAL = (errors.CredentialsInvalid, errors.AccessDenied, errors.QuotaExceeded, errors.NoCapacity)


def meaning_of(code: str, words: str = "", status: int = 400) -> Meaning:
    """Return what a refusal means; ``status`` is the answer's HTTP status."""
    bare = code.removesuffix("Exception").removesuffix("Fault")
    for known, telling, meaning in _BY_WORDS:
        if bare == known and telling in words:
            return meaning
    for patterns, meaning in _BY_CODE:
        if any(fnmatchcase(name, pattern) for pattern in patterns.split() for name in (code, bare)):
            return meaning
    return BROKEN if status >= 500 else UNKNOWN


def is_final(code: str, words: str) -> bool:
    """Tell whether a refusal stands however often the call is repeated: no credentials, permission, quota or room."""
    return bool(code) and issubclass(meaning_of(code, words).kind, _FINAL)


def may_be_done(code: str, words: str) -> bool:
    """Tell whether a call that was answered so may have been done: AWS failed by itself, nobody knows where."""
    return bool(code) and issubclass(meaning_of(code, words).kind, errors.PlaceFailed)
