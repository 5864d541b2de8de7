"""Every error that leaves Groundwork, sorted by what the reader should do.

::

    GroundworkError
    +-- UserError           change what was asked
    |   +-- BadInput        a field is wrong: named, before anything is made
    |   +-- NameTaken       the name belongs to something else
    |   |   +-- RoleExists  a role of that name that is not ours
    |   +-- NotFound        there is no such thing
    |   +-- WrongState      not in this state
    |   +-- SourceRefused   the program's source cannot be had as asked
    |       +-- SourceUnreachable  retryable
    |   +-- RequirementsRefused  the program's packages cannot be had as asked
    |       +-- IndexUnreachable  retryable
    +-- ProviderError       the place where clusters stand
    |   +-- CredentialsInvalid  it does not know us: nothing was seen, nothing was done
    |   +-- AccessDenied    it knows us, and does not allow this
    |   +-- QuotaExceeded
    |   +-- NoCapacity
    |   +-- Throttled       retryable
    |   +-- RequestRefused  it takes what was asked for nonsense
    |   +-- Conflict        something of that name or token is there already
    |   +-- StillInUse      retryable: something else holds on to it
    |   +-- PlaceUnreachable  retryable
    |   +-- PlaceFailed     retryable: a failure of its own
    +-- RemoteError         a node did not do what it was told
    |   +-- NodeUnreachable retryable
    |   |   +-- NodeDown    the place itself says so: asking again does not help
    |   +-- HostKeyChanged
    |   +-- CommandFailed
    |   +-- VerificationFailed
    +-- JobError            the job's own end
    |   +-- ProgramFailed
    |   +-- JobCancelled
    |   +-- JobLost         not the program: what ran it
    |       +-- NodeLost
    +-- TimedOut

A message is one line: where, what happened, what to try.
"""


class GroundworkError(Exception):
    """What went wrong, in one line: where, what, what to try.

    Args:
        what: What happened, without a full stop.
        where: The field, node, URL or thing it happened to.
        advice: What the reader can try.
    """

    retryable = False

    def __init__(self, what: str, *, where: str = "", advice: str = "") -> None:
        self.what = what
        self.where = where
        self.advice = advice
        line = f"{where}: {what}" if where else what
        super().__init__(f"{line}. {advice}" if advice else line)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the three parts: Prefect keeps failed states pickled."""
        return _again, (type(self), self.what, self.where, self.advice)


def _again(kind: type[GroundworkError], what: str, where: str, advice: str) -> GroundworkError:
    return kind(what, where=where, advice=advice)


class UserError(GroundworkError):
    """What was asked cannot be done; asking again the same way will not help."""


class BadInput(UserError):
    """A field is wrong. ``where`` names it. Nothing was made."""


class NameTaken(UserError):
    """The name belongs to something else. Nothing was made."""


class RoleExists(NameTaken):
    """A role of that name is there, and not one that we made for this account. It was left as it is."""


class NotFound(UserError):
    """There is no such thing."""


class WrongState(UserError):
    """The thing exists, but not in a state that allows this."""


class SourceRefused(UserError):
    """The program's source cannot be had as asked: repository, reference, folder or credentials."""


class SourceUnreachable(SourceRefused):
    """The server of the program's source does not answer as it should; the same call may pass later."""

    retryable = True


class RequirementsRefused(UserError):
    """The packages that a program's source asks for cannot be had as asked."""


class IndexUnreachable(RequirementsRefused):
    """The package index does not answer as it should; the same call may pass later."""

    retryable = True


class ProviderError(GroundworkError):
    """The place where clusters stand refused or failed."""


class CredentialsInvalid(ProviderError):
    """The place does not know us, or no longer. What is there was not seen: an empty answer is another thing."""


class AccessDenied(ProviderError):
    """The credentials do not allow this."""


class QuotaExceeded(ProviderError):
    """A limit of the account is reached."""


class NoCapacity(ProviderError):
    """The place has no room for this now."""


class Throttled(ProviderError):
    """Asked too often; the same call may pass later."""

    retryable = True


class RequestRefused(ProviderError):
    """The place takes what was asked for nonsense; asking again the same way will not help."""


class Conflict(ProviderError):
    """Something is in the way: a thing of that name, a change under way, a token used for something else."""


class StillInUse(ProviderError):
    """Something else holds on to it; the same call may pass when that is gone."""

    retryable = True


class PlaceUnreachable(ProviderError):
    """The place does not answer: whether the call was done is not known."""

    retryable = True


class PlaceFailed(ProviderError):
    """The place failed by itself; the same call may pass later."""

    retryable = True


class RemoteError(GroundworkError):
    """A node did not do what it was told."""


class NodeUnreachable(RemoteError):
    """A node does not answer over SSH."""

    retryable = True


class NodeDown(NodeUnreachable):
    """A node is down, as the place where it stands says: asking again does not help."""

    retryable = False


class HostKeyChanged(RemoteError):
    """A node shows another host key than the one we made for it; nothing was sent to it."""


class CommandFailed(RemoteError):
    """A command of ours ended with a code other than 0 on a node."""


class VerificationFailed(RemoteError):
    """A cluster does not do what a running cluster must."""


class JobError(GroundworkError):
    """The job ended, and not well."""


class ProgramFailed(JobError):
    """The program ended with a code other than 0."""


class JobCancelled(JobError):
    """Somebody cancelled the job."""


class JobLost(JobError):
    """What ran the program failed, not the program."""


class NodeLost(JobLost):
    """A node was lost while the job ran."""


class TimedOut(GroundworkError):
    """A time limit was reached."""
