"""The ways in which a promise of the kit can be seen broken: those of all sources, and its own.

A checker names what it finds by these; `python -m chaos` explains a finding by them.
"""

from __future__ import annotations

from chaos.kit.promises import anomalies as promises

ANOMALIES: dict[str, str] = {
    **promises.ANOMALIES,
    # events
    "lost event": "A row of the outbox is marked as sent, and its event is not in the log.",
    "silent change": "The write model has a version that no event in the log tells of.",
    "silent end": "Something is gone from the write model, and no event says that it was deleted.",
    "garbled event": "The log has other bytes for an event than its transaction stored.",
    "forked version": "Two different events tell of the same version of the same thing.",
    "outbox out of order": "A later version of something has a lower outbox id than an earlier one.",
    "held up": "An event was published late, behind those of a partition that took nothing.",
    "orphan": "An event names a cause that is not in the log, or that is not about the same thing.",
    "torn thread": "An event has another correlation id than the event that it follows from.",
    "another's name": "What was done for one request was done under the correlation id of another.",
    # the inbox
    "forgotten id": "An event is not in a consumer's inbox: not handled, or it would be again.",
    # views
    "stale view": "A view shows an older version than the log holds.",
    "frozen in vain": "Views were frozen again, for others that had not come to where they had to.",
    # commands
    "two answers": "Two requests with one Idempotency-Key were answered differently.",
    "key taken over": "A request with a used Idempotency-Key and another body was accepted.",
    "internal error": "A request was answered with 500: the system did not know what happened.",
    "turned away": "A client got no answer although nothing was out of order.",
    # dead letters
    "poison retried": "A message that no retry can help was tried more than once.",
    "gave up early": "A message was parked before its retries were used up.",
}
