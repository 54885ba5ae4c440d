"""Keeps `contracts/events/`: the JSON Schema of every event type, in every version it ever had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from contracts.kit.schemas import Archive, MessageType, text_of
from system.events import EVENTS

ROOT = Path(__file__).parents[1]
ARCHIVE = Archive(
    ROOT / "contracts" / "events", base="https://event-driven-kit.example/contracts/events/"
)
"""`$id` names a schema and nothing more: no tool has to fetch it, and none could."""
EVENT_TYPES = tuple(MessageType(event.type, event.schema_version, event) for event in EVENTS)


def files() -> Mapping[str, str]:
    """The schema of each event's present version, under its path."""
    return {
        str(ARCHIVE.path(event.name, event.version).relative_to(ROOT)): text_of(
            ARCHIVE.generated(event)
        )
        for event in EVENT_TYPES
    }
