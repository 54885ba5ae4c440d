"""Files of JSON lines, as roles log them and runs keep them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

Line = dict[str, Any]  # JSON


def json_lines(file: Iterable[str] | Iterable[bytes]) -> Iterator[Line]:
    """The JSON objects of an open file. What is none is passed over: roles may be killed in a line."""
    for text in file:
        try:
            line = json.loads(text)
        except ValueError:  # what a library prints, or half of a line of one that was killed
            continue
        if isinstance(line, dict):
            yield line


def logged_at(line: Line) -> datetime:
    return datetime.fromisoformat(line["timestamp"])
