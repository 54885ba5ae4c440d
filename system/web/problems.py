"""Every way to say no: RFC 9457 problem details, from one table.

An API raises `Refused` with a name of the table. The web rooms answer with its problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from pydantic import BaseModel

from system.ports import errors
from system.values import dumps

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of refusal. `retry_after_s` is sent along where trying again soon is safe."""

    status: int
    title: str
    meaning: str
    retry_after_s: int | None = None


PROBLEMS: Mapping[str, Problem] = MappingProxyType(
    {
        "malformed-request": Problem(
            400, "The request cannot be parsed", "Its first line or its headers are not HTTP."
        ),
        "malformed-json": Problem(
            400,
            "The body is not JSON",
            "The body is empty, not UTF-8, not JSON, names a member twice or is nested absurdly.",
        ),
        "malformed-token": Problem(
            400,
            "The Consistency-Token cannot be read",
            "Send a Consistency-Token exactly as a write has answered it, or none.",
        ),
        "unauthorized": Problem(
            401,
            "A token is needed",
            "Operations need `Authorization: Bearer TOKEN` with the token that was set.",
        ),
        "forbidden": Problem(
            403,
            "Not from here",
            "Without a token, operations are open to the machine itself alone.",
        ),
        "not-found": Problem(
            404,
            "There is nothing here",
            "The path is unknown, or the resource was never there, is gone or not yet visible.",
        ),
        "method-not-allowed": Problem(
            405, "The path has no such method", "The header Allow names those that it has."
        ),
        "request-timeout": Problem(
            408, "The request did not arrive in time", "Send the whole request within its bound."
        ),
        "email-taken": Problem(
            409, "The email is taken", "Another user has this email. Nothing was changed."
        ),
        "transition-forbidden": Problem(
            409,
            "The order's state forbids it",
            "No such step leads on from the order's present state. Nothing was changed.",
        ),
        "still-referred": Problem(
            409,
            "Something still refers to it",
            "An order refers to this user or product. Nothing was changed.",
        ),
        "request-in-progress": Problem(
            409,
            "The first request is still running",
            "A request with this Idempotency-Key has no answer yet. Ask again for its answer.",
            retry_after_s=1,
        ),
        "rebuild-in-progress": Problem(
            409,
            "A rebuild is running",
            "Views are being rebuilt; one rebuild runs at a time.",
        ),
        "precondition-failed": Problem(
            412,
            "The resource is not as the request takes it to be",
            "Its ETag is not one that If-Match names, or one that If-None-Match does. "
            "Nothing was changed: look again.",
        ),
        "body-too-large": Problem(413, "The body is too large", "A body may hold 1 MiB at most."),
        "uri-too-long": Problem(
            414, "The URI is too long", "The first line may have about 8,000 bytes at most."
        ),
        "unsupported-media-type": Problem(
            415,
            "The media type is not JSON",
            "Send `Content-Type: application/json` in UTF-8, without a content coding.",
        ),
        "expectation-failed": Problem(
            417, "The expectation is not known", "`Expect` may say `100-continue` alone."
        ),
        "invalid": Problem(
            422,
            "The request is not valid",
            "It can be read, but breaks rules. `errors` lists each place with its reason.",
        ),
        "unknown-user": Problem(
            422, "The user does not exist", "No user has this id. Nothing was changed."
        ),
        "unknown-product": Problem(
            422, "A product does not exist", "No product has this id. Nothing was changed."
        ),
        "key-reused": Problem(
            422,
            "The Idempotency-Key was used for another body",
            "A key stands for one request. Take a new key for a new request.",
        ),
        "head-too-large": Problem(
            431,
            "The headers are too large",
            "A header may have about 8,000 bytes, and there may be 128 of them.",
        ),
        "internal": Problem(
            500,
            "Something is broken here",
            "The fault is the server's. Its log holds more under the correlation id.",
        ),
        "method-not-implemented": Problem(
            501, "The method is not known", "This is no method of HTTP that is known here."
        ),
        "coding-not-implemented": Problem(
            501, "The transfer coding is not known", "`Transfer-Encoding` may say `chunked` alone."
        ),
        "unavailable": Problem(
            503,
            "A store cannot be reached",
            "Nothing was changed. Try again.",
            retry_after_s=1,
        ),
        "overloaded": Problem(
            503,
            "Too many requests are waiting",
            "The queue is full. Nothing was changed. Try again.",
            retry_after_s=1,
        ),
        "outcome-unknown": Problem(
            503,
            "The outcome is unknown",
            "The command was done wholly or not at all, and which of them could not be learned in "
            "time. Look before you repeat it, or repeat it with the same Idempotency-Key.",
        ),
        "view-behind": Problem(
            503,
            "The view is behind",
            "What the Consistency-Token asks for is not visible yet. Try again.",
            retry_after_s=1,
        ),
        "not-ready": Problem(
            503,
            "Not ready yet",
            "`errors` lists what is waited for.",
            retry_after_s=1,
        ),
        "too-many-connections": Problem(
            503,
            "Too many connections are busy",
            "There is no place for one more. Nothing was changed. Try again.",
            retry_after_s=1,
        ),
        "version-not-supported": Problem(
            505, "The version of HTTP is not known", "Send HTTP/1.1 or HTTP/1.0."
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request: `body/items/0/quantity`, and why."""

    place: str
    reason: str


class Refused(Exception):
    """A request is answered with a problem of the table, not with a success."""

    def __init__(
        self,
        name: str,
        detail: str | None = None,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.problem = PROBLEMS[name]
        self.detail = detail or self.problem.meaning
        self.errors = tuple(errors)
        retry_after_s = self.problem.retry_after_s
        waits = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        self.headers = {**waits, **headers}
        super().__init__(f"{name}: {self.detail}")

    @property
    def status(self) -> int:
        return self.problem.status


def invalid(place: str, reason: str) -> Refused:
    """The refusal of one place of a request."""
    return Refused("invalid", errors=[Fault(place, reason)])


def refusal_of(error: Exception) -> Refused | None:
    """What a failure of the stores means to a client; None for a fault of our own."""
    match error:
        case Refused():
            return error
        case errors.BrokenFact():
            faults = [Fault(place, reason) for place, reason in error.faults]
            return Refused(error.problem, str(error), faults)
        case errors.OutcomeUnknown():
            return Refused("outcome-unknown")
        case errors.Unavailable() | errors.Conflict() | errors.Stopping():
            return Refused("unavailable")
        case errors.ReferenceViolation():
            return Refused("still-referred")
        case _:
            return None


class ProblemBody(BaseModel):
    """Problem details, RFC 9457. `errors` is there where places of the request are at fault."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    correlation_id: UUID
    errors: tuple[Fault, ...] = ()


def problem_bytes(refused: Refused, *, instance: str, correlation_id: UUID) -> bytes:
    """The body of a refusal. `instance` is the path that was asked."""
    body = ProblemBody(
        type=f"/problems/{refused.name}",
        title=refused.problem.title,
        status=refused.status,
        detail=sendable(refused.detail),
        instance=sendable(instance),
        correlation_id=correlation_id,
        errors=tuple(Fault(sendable(e.place), sendable(e.reason)) for e in refused.errors),
    )
    return dumps(body.model_dump(exclude_defaults=True))


def sendable(text: str) -> str:
    """The text without lone surrogates, which headers can bring in and UTF-8 cannot carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
