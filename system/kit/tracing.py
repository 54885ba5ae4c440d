"""W3C trace context, https://www.w3.org/TR/trace-context/: one `traceparent` along the whole way.

No tracer is at work here. A tracer of yours finds the context in the HTTP requests, in the events'
headers and in the logs.
"""

from __future__ import annotations

import re
from random import Random
from uuid import UUID

PATTERN = "^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]$"
"""Of what form ours are: the version known here, and no flag but `sampled`."""
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})"
    r"-(?P<trace>(?!0{32})[0-9a-f]{32})"
    r"-(?P<span>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)
_SAMPLED = 0x01


def root(random: Random) -> str:
    """Begin a trace."""
    return f"00-{_id(random, 128)}-{_id(random, 64)}-{_SAMPLED:02x}"


def child(traceparent: str | None, random: Random) -> str:
    """Continue the caller's trace; a missing or invalid one begins a new trace, as the W3C asks."""
    parent = _parsed(traceparent)
    if parent is None:
        return root(random)
    return f"00-{parent['trace']}-{_id(random, 64)}-{_flags(parent)}"


def carried(traceparent: str | None, story: UUID, event: UUID) -> str:
    """What an event's own header says, in our form; else the trace of the story that it belongs to.

    Whatever follows from an event of elsewhere has a context that is valid, and the same each time.
    """
    parent = _parsed(traceparent)
    if parent is None:
        return f"00-{story.int or 1:032x}-{event.int >> 64 or 1:016x}-{_SAMPLED:02x}"
    return f"00-{parent['trace']}-{parent['span']}-{_flags(parent)}"


def trace_id(traceparent: str | None) -> str | None:
    """The id that all spans of a trace share, for the logs. None if there is no valid context."""
    parent = _parsed(traceparent)
    return parent["trace"] if parent else None


def _parsed(traceparent: str | None) -> re.Match[str] | None:
    """Later versions may append fields to the ones known; version 00 has exactly these."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return match if match and not (match["version"] == "00" and match["more"]) else None


def _flags(parent: re.Match[str]) -> str:
    """A flag that is not understood must not go on."""
    return f"{int(parent['flags'], 16) & _SAMPLED:02x}"


def _id(random: Random, bits: int) -> str:
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"  # all zeros means none
