"""The ways in which a promise of the kit can be seen broken: a name, and what it means.

A checker names what it finds by these; `python -m chaos` explains a finding by them.
"""

from __future__ import annotations

ANOMALIES: dict[str, str] = {
    # events
    "lost event": "A row of the outbox is marked as sent, and its event is not in the log.",
    "silent change": "The write model has a version that no event in the log tells of.",
    "silent end": "Something is gone from the write model, and no event says that it was deleted.",
    "phantom event": "The log has an event that no committed transaction has told.",
    "garbled event": "The log has other bytes for an event than its transaction stored.",
    "forked version": "Two different events tell of the same version of the same thing.",
    "reordered events": "Two events of one topic and key entered the log in another order than told.",
    "scattered key": "Events of one topic and key lie in several partitions, which have no order.",
    "outbox out of order": "A later version of something has a lower outbox id than an earlier one.",
    "held up": "An event was published late, behind those of a partition that took nothing.",
    "too many repeats": "The log repeats more events than the faults of the run account for.",
    "orphan": "An event names a cause that is not in the log, or that is not about the same thing.",
    "torn thread": "An event has another correlation id than the event that it follows from.",
    "another's name": "What was done for one request was done under the correlation id of another.",
    # the inbox
    "forgotten id": "An event is not in a consumer's inbox: not handled, or it would be again.",
    # views
    "stale view": "A view shows an older version than the log holds.",
    "missing view": "The log tells of something that the views do not show.",
    "ghost in the views": "The views show what is gone, or what never was.",
    "view differs": "A view shows other values than the write model has.",
    "frozen in vain": "Views were frozen again, for others that had not come to where they had to.",
    # commands
    "two answers": "Two requests with one Idempotency-Key were answered differently.",
    "key taken over": "A request with a used Idempotency-Key and another body was accepted.",
    "internal error": "A request was answered with 500: the system did not know what happened.",
    "turned away": "A client got no answer although nothing was out of order.",
    # dead letters
    "healthy letter": "A message that can be handled lies among the dead letters.",
    "poison swallowed": "A message that nobody can read is neither handled nor a dead letter.",
    "letter altered": "A dead letter has not the bytes, key and headers of its message.",
    "poison retried": "A message that no retry can help was tried more than once.",
    "gave up early": "A message was parked before its retries were used up.",
    # liveness
    "no rest": "Faults were healed and input had stopped, and the system did not come to rest.",
    "fell over": "A process ended by itself, or did not end when it was asked to.",
}
