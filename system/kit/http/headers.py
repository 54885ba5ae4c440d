"""The headers of our own, and what they may hold."""

from __future__ import annotations

CORRELATION_ID = "X-Correlation-Id"
"""Goes with everything that follows from a request: answer, logs, events."""
CONSISTENCY_TOKEN = "Consistency-Token"  # noqa: S105 - a header's name
"""Answered by writes; asks reads to show at least that much."""
IDEMPOTENCY_KEY = "Idempotency-Key"
"""Makes a request safe to repeat."""
ETAG = "ETag"
"""Names the state of a resource, by the versions of all that its body shows."""
IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"

KEY_PATTERN = "^[!-~]([ -~]{0,198}[!-~])?$"
"""1 to 200 printable ASCII characters; HTTP strips blanks around them."""
UUID_PATTERN = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
