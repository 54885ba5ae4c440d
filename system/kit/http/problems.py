"""Problem details, RFC 9457: what a refusal looks like on the wire. `kit/errors.py` has the kinds."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel

from system.kit import errors
from system.kit.errors import Fault, Refused
from system.kit.values import dumps

MEDIA_TYPE = "application/problem+json"


def refusal_of(error: Exception) -> Refused | None:
    """What a failure of the stores means to a client; None for a fault of our own."""
    match error:
        case Refused():
            return error
        case errors.OutcomeUnknown():
            return errors.OutcomeNotKnown()
        case errors.Unavailable() | errors.Conflict() | errors.Stopping():
            return errors.StoreUnavailable()
        case errors.ReferenceViolation():
            return errors.StillReferred()
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
        title=refused.title,
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
