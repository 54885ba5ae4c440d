"""An event, and the envelope that it travels in.

The topic of an event is its type. Different types are different topics, so there is no order
between them: every reader must be right under any order and any repetition.
A version rises if and only if an event is emitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from system.kit.values import Time, Uuid

PARTITIONS = 3
"""Of each topic: so many consumers of a group can share it."""


class Part(BaseModel):
    """A piece of an event. Unknown fields are passed over, so that producers may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    @classmethod
    def defaults(cls) -> Mapping[str, Any]:  # each field of its own type
        """The fields that an older message lacks, and so a document that was made from one."""
        return {
            name: field.get_default(call_default_factory=True)
            for name, field in cls.model_fields.items()
            if not field.is_required()
        }


Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""Says a payload as the next version does. It is pure, and gives a new dictionary."""


class Event(Part):
    """A fact that happened."""

    type: ClassVar[str]
    aggregate: ClassVar[str]
    """Whose outbox rows these are."""
    key_field: ClassVar[str]
    schema_version: ClassVar[int] = 1
    """Of what is emitted. It rises with every change but of words; `docs/events.md` says how."""
    oldest_reader: ClassVar[int] = 1
    """The oldest version that a running consumer may still have as its own."""
    upcasts: ClassVar[Mapping[int, Upcast]] = {}
    """Steps from a version to the next, by the older one; where there is none, nothing changes."""

    event_id: Uuid
    occurred_at: Time

    @classmethod
    def upcast(cls, payload: Any, version: int) -> Any:  # the shape is for the model to check
        """Say a payload of an older version as the present one does; leave a newer one as it is."""
        steps = range(version, cls.schema_version) if isinstance(payload, dict) else ()
        for step in steps:
            if step in cls.upcasts:
                payload = cls.upcasts[step](payload)
        return payload

    @property
    def key(self) -> int:
        """Events of one type and key keep their order."""
        value = self
        for name in self.key_field.split("."):
            value = getattr(value, name)
        if not isinstance(value, int):
            raise TypeError(f"{self.type}: the key {self.key_field} is no number")
        return value


S = TypeVar("S")
E = TypeVar("E", bound=Event, covariant=True)

Decision = tuple[S, tuple[E, ...]]
"""The state from now on, and the events that say so; without events nothing has changed."""


REPLAY_FOR = "replay-for"
"""The header of a message that is sent once more: the one consumer that it is for."""


def dlq(topic: str) -> str:
    """Where the dead letters of a topic lie."""
    return f"{topic}.dlq"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something happens: the request or event behind it, and the trace it belongs to."""

    correlation_id: UUID
    """The same for everything that follows from one request."""
    causation_id: UUID | None
    """The event that led here; None for a request."""
    traceparent: str
    """W3C trace context."""


@dataclass(frozen=True, slots=True)
class Envelope(Generic[E]):
    """An event with its metadata, as sent."""

    event: E
    cause: Cause

    @property
    def consequence(self) -> Cause:
        """The cause of whatever is done because of this event."""
        return Cause(self.cause.correlation_id, self.event.event_id, self.cause.traceparent)
