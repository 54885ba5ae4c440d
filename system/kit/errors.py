"""Every failure has a kind, and what to do with it follows from that alone.

    Refused                     a request is answered with a problem (RFC 9457), which the class is
        DomainError             the facts do not allow it: each domain has its own
        NotFound, Invalid, …    what no domain has to know
    Conflict                    another was faster: roll back all, again at once
        UniqueViolation, LockWaitTimeout, StoreBusy
    ReferenceViolation          a foreign key points nowhere, or is pointed to
    Unavailable                 a store is away: wait for as long as it lasts
        TimedOut, OutcomeUnknown, Frozen
    Misconfigured               no waiting helps
    Poison                      no retry helps: a dead letter at once
    Fenced                      another owns it now: drop what is in hand
    Stopping                    the process was asked to stop

Everything that is none of these is *anything else*: five retries, then a dead letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from types import MappingProxyType
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request: `body/lines/0/amount`, and why."""

    place: str
    reason: str


class Refused(Exception):
    """A request is answered with a problem, and has changed nothing.

    A class that has a `status` is a problem of its own. Its name in kebab case is the last part of
    its type, and its docstring is its meaning:

        class NameTaken(DomainError):       /problems/name-taken
            status = 409
            title = "The name is taken"

    A class without one refuses with its parent's problem. Raises TypeError for a name that is taken.
    """

    status: ClassVar[int]
    title: ClassVar[str]
    name: ClassVar[str]
    retry_after_s: ClassVar[int | None] = None
    """Sent along where trying again soon is safe."""
    meaning: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "status" not in cls.__dict__:
            return
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()
        if cls.name in _problems:
            raise TypeError(f"{cls.name} is the name of {_problems[cls.name]}")
        cls.meaning = " ".join(cleandoc(cls.__doc__ or cls.title).split())
        _problems[cls.name] = cls

    def __init__(
        self,
        detail: str | None = None,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.detail = detail or self.meaning
        self.errors = tuple(errors)
        waits = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        self.headers = {**waits, **headers}
        super().__init__(f"{self.name}: {self.detail}")


_problems: dict[str, type[Refused]] = {}


def problems() -> Mapping[str, type[Refused]]:
    """All that this system can refuse with, by name: the kit's, and those of its domains."""
    return {
        each.name: each for each in sorted(_problems.values(), key=lambda it: (it.status, it.name))
    }


class DomainError(Refused):
    """A command asks for what the facts do not allow. It changes nothing."""


class MalformedRequest(Refused):
    """Its first line or its headers are not HTTP."""

    status = 400
    title = "The request cannot be parsed"


class MalformedJson(Refused):
    """The body is empty, not UTF-8, not JSON, names a member twice or is nested absurdly."""

    status = 400
    title = "The body is not JSON"


class MalformedToken(Refused):
    """Send a Consistency-Token exactly as a write has answered it, or none."""

    status = 400
    title = "The Consistency-Token cannot be read"


class Unauthorized(Refused):
    """Operations need `Authorization: Bearer TOKEN` with the token that was set."""

    status = 401
    title = "A token is needed"


class Forbidden(Refused):
    """Without a token, operations are open to the machine itself alone."""

    status = 403
    title = "Not from here"


class NotFound(Refused):
    """The path is unknown, or the resource was never there, is gone or not yet visible."""

    status = 404
    title = "There is nothing here"


class MethodNotAllowed(Refused):
    """The header Allow names those that it has."""

    status = 405
    title = "The path has no such method"


class RequestTimeout(Refused):
    """Send the whole request within its bound."""

    status = 408
    title = "The request did not arrive in time"


class StillReferred(Refused):
    """Another resource refers to it. Nothing was changed."""

    status = 409
    title = "Something still refers to it"


class RequestInProgress(Refused):
    """A request with this Idempotency-Key has no answer yet. Ask again for its answer."""

    status = 409
    title = "The first request is still running"
    retry_after_s = 1


class RebuildInProgress(Refused):
    """Views are being rebuilt; one rebuild runs at a time."""

    status = 409
    title = "A rebuild is running"


class PreconditionFailed(Refused):
    """Its ETag is not one that If-Match names, or one that If-None-Match does.

    Nothing was changed: look again.
    """

    status = 412
    title = "The resource is not as the request takes it to be"


class BodyTooLarge(Refused):
    """A body may hold 1 MiB at most."""

    status = 413
    title = "The body is too large"


class UriTooLong(Refused):
    """The first line may have about 8,000 bytes at most."""

    status = 414
    title = "The URI is too long"


class UnsupportedMediaType(Refused):
    """Send `Content-Type: application/json` in UTF-8, without a content coding."""

    status = 415
    title = "The media type is not JSON"


class ExpectationFailed(Refused):
    """`Expect` may say `100-continue` alone."""

    status = 417
    title = "The expectation is not known"


class Invalid(Refused):
    """It can be read, but breaks rules. `errors` lists each place with its reason."""

    status = 422
    title = "The request is not valid"


class KeyReused(Refused):
    """A key stands for one request. Take a new key for a new request."""

    status = 422
    title = "The Idempotency-Key was used for another body"

    def __init__(self) -> None:
        super().__init__(errors=[Fault("header/Idempotency-Key", "came with another body before")])


class HeadTooLarge(Refused):
    """A header may have about 8,000 bytes, and there may be 128 of them."""

    status = 431
    title = "The headers are too large"


class Internal(Refused):
    """The fault is the server's. Its log holds more under the correlation id."""

    status = 500
    title = "Something is broken here"


class MethodNotImplemented(Refused):
    """This is no method of HTTP that is known here."""

    status = 501
    title = "The method is not known"


class CodingNotImplemented(Refused):
    """`Transfer-Encoding` may say `chunked` alone."""

    status = 501
    title = "The transfer coding is not known"


class StoreUnavailable(Refused):
    """Nothing was changed. Try again."""

    status = 503
    title = "A store cannot be reached"
    name = "unavailable"
    retry_after_s = 1


class Overloaded(Refused):
    """The queue is full. Nothing was changed. Try again."""

    status = 503
    title = "Too many requests are waiting"
    retry_after_s = 1


class OutcomeNotKnown(Refused):
    """The command was done wholly or not at all, and which of them could not be learned in time.

    Look before you repeat it, or repeat it with the same Idempotency-Key.
    """

    status = 503
    title = "The outcome is unknown"
    name = "outcome-unknown"


class ViewBehind(Refused):
    """What the Consistency-Token asks for is not visible yet. Try again."""

    status = 503
    title = "The view is behind"
    retry_after_s = 1


class NotReady(Refused):
    """`errors` lists what is waited for."""

    status = 503
    title = "Not ready yet"
    retry_after_s = 1


class TooManyConnections(Refused):
    """There is no place for one more. Nothing was changed. Try again."""

    status = 503
    title = "Too many connections are busy"
    retry_after_s = 1


class VersionNotSupported(Refused):
    """Send HTTP/1.1 or HTTP/1.0."""

    status = 505
    title = "The version of HTTP is not known"


# --- of stores and the broker ---------------------------------------------------------------------


class Conflict(Exception):
    """Someone else was faster (deadlock, lock wait, busy): roll back all, again at once."""


CONFLICTS_MAX = 20
"""So many conflicts in a row are tried again; one more counts as a failure."""
JITTER_S = (0.001, 0.050)
"""The pause before the next try, at random between these."""


class UniqueViolation(Conflict):
    """A unique key is taken. A lost race, unless the caller knows a better word for it."""


class LockWaitTimeout(Conflict):
    """Another transaction held a lock for too long. Only the statement was undone: roll back."""


class StoreBusy(Conflict):
    """The store's one lock for all writers was not free in time: that says nothing of a row."""


class ReferenceViolation(Exception):
    """A foreign key points to a row that is not there, or still points to one to be deleted."""


class Unavailable(Exception):
    """A store or the broker cannot be reached: wait for as long as it lasts, never park."""


class Misconfigured(Exception):
    """A server refuses what was set: no waiting helps. The text is one line with the setting."""


class TimedOut(Unavailable):
    """A bound was reached. The store may be away, or this one request too much for it."""


class OutcomeUnknown(Unavailable):
    """COMMIT was sent and its answer was lost: the transaction is wholly there, or not at all."""


class Frozen(Unavailable):
    """This generation of views takes no more puts for now: a switch is under way.

    An Unavailable, so that `waits_for_stores` waits until it is over.
    """


class Poison(Exception):
    """No retry can help: park at once."""


class Fenced(Exception):
    """Someone else holds the lease or the partition now: drop what is in hand."""


class Stopping(Exception):
    """The process was asked to stop: leave what is not finished, it is repeated later."""


def invalid(place: str, reason: str) -> Refused:
    """The refusal of one place of a request."""
    return Invalid(errors=[Fault(place, reason)])


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The errors in a group, and in the groups inside it."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error
