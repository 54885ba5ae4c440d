"""Values of stores as JSON, and back: what JSON does not know has a tag.

{"id": 7, "at": {"$time": "2026-11-27T08:00:00"}, "payload": {"$bytes": "eyJ9"}}
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

Plain = Any  # JSON values

TIME, DECIMAL = "$time", "$decimal"
TEXT, BYTES = "$utf8", "$bytes"
"""Bytes that can be read as text are kept so that a person can read them, too."""


def dumps(value: object) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


def loads(text: str) -> Any:  # whatever was dumped
    return json.loads(text, object_hook=_back)


def plain(value: object) -> Plain:
    """Raises TypeError for what it has no tag for, and for a mapping that looks like a tag."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return {TIME: value.isoformat()}
        case bytes():
            return _readable(value)
        case Decimal():
            return {DECIMAL: str(value)}
        case Mapping():
            if any(not isinstance(key, str) or key.startswith("$") for key in value):
                raise TypeError(f"a mapping with these keys cannot be kept: {list(value)}")
            return {key: plain(each) for key, each in value.items()}
        case Sequence():
            return [plain(each) for each in value]
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be kept")


def _readable(value: bytes) -> dict[str, str]:
    try:
        return {TEXT: value.decode()}
    except UnicodeDecodeError:
        return {BYTES: b64encode(value).decode()}


def _back(value: dict[str, Any]) -> Any:
    match value:
        case {"$time": str(text)}:
            return datetime.fromisoformat(text)
        case {"$utf8": str(text)}:
            return text.encode()
        case {"$bytes": str(text)}:
            return b64decode(text)
        case {"$decimal": str(text)}:
            return Decimal(text)
    return value
