"""One HTTP request at a time, by the standard library alone: for setting up and for judging.

It runs in Locust's process, where gevent makes its waits give way, as in the judge's, where there
is no gevent.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from system.kit.values import dumps, loads

TIMEOUT_S = 15.0
Json = Any  # JSON as it came


class NoAnswer(Exception):
    """No answer came. The text is one line that says from where, and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    @property
    def json(self) -> Json:
        """Numbers with a point are Decimal. Raises ValueError."""
        return loads(self.content)


def ask(
    url: str,
    method: str = "GET",
    body: Json = None,
    *,
    params: Mapping[str, object] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """Raises NoAnswer."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    query = f"?{urlencode(params)}" if params else ""
    sent = None if body is None else dumps(body)
    headers = {} if sent is None else {"Content-Type": "application/json"}
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
        with closing(connection):
            connection.request(method, (parts.path or "/") + query, sent, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NoAnswer(f"no answer from {parts.scheme}://{parts.netloc}: {reason}") from error
