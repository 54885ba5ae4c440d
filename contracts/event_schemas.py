"""Where the JSON Schema of every event type lies, in every version it ever had: `contracts/events/`."""

from __future__ import annotations

from pathlib import Path

from contracts.kit.schemas import Archive, MessageType
from system.events import EVENTS

ROOT = Path(__file__).parents[1]
ARCHIVE = Archive(
    ROOT / "contracts" / "events", base="https://event-driven-kit.example/contracts/events/"
)
"""`$id` names a schema and nothing more: no tool has to fetch it, and none could."""
EVENT_TYPES = tuple(
    MessageType(event.type, event.schema_version, event, event.oldest_reader, event.upcasts)
    for event in EVENTS
)
