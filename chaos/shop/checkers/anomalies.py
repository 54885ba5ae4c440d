"""Every way in which a promise can be seen broken: a name, and what it means.

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
    "orphan": "An event names a cause that is not in the log, or that is not about the same order.",
    "torn thread": "An event has another correlation id than the event that it follows from.",
    "another's name": "What was done for one request was done under the correlation id of another.",
    # contract
    "broken contract": "A message in a topic is not as docs/asyncapi.md says.",
    # effects
    "double effect": "An event was handled twice by a handler that has no guard but the inbox.",
    "missing effect": "An event had no effect, though its consumer is past it, or replayed it.",
    "half effect": "A handler's first step was committed without its second.",
    "forgotten id": "An event is not in a consumer's inbox: not handled, or it would be again.",
    # stock
    "stock made": "More is left of a product than was ever put on its shelf, less what orders hold.",
    "stock lost": "Less is left of a product than was put on its shelf, less what orders hold.",
    "broken chain": "An event's stock does not follow from the stock of the version before it.",
    "oversold": "The stock of a product went below zero.",
    "partial reservation": "An order's reservation is not exactly what the order wants.",
    "needless rejection": "An order was rejected for a product of which enough was left.",
    # orders
    "held for nobody": "An order that ended still holds stock.",
    "live without stock": "An order lives on, though it got no stock.",
    "undecided": "An order has no reservation at all: nobody ever decided about its stock.",
    "stale note": "An order's note of its reservation is not what the stock has decided.",
    "forbidden step": "An order took a step that the table of transitions does not have.",
    "reason overwritten": "An order was canceled for one reason and later shows another.",
    "money kept": "A paid order ended, and nothing says that the money is due back.",
    "refund for nothing": "A refund is due for an order that was never paid.",
    "payment forgotten": "An order's payment was told, and the order does not know of it.",
    # views
    "stale view": "A view shows an older version than the log holds.",
    "missing view": "The log tells of something that the views do not show.",
    "ghost in the views": "The views show what is gone, or what never was.",
    "view differs": "A view shows other values than the write model has.",
    "went back": "A reader saw an older version after a newer one.",
    "vanished": "A reader saw something, and later did not, though nobody had deleted it.",
    "turned away": "A reader got no answer although nothing was out of order.",
    "frozen in vain": "Views were frozen again, for others that had not come to where they had to.",
    "token of another write": "A write answered a token that names a version it has not left.",
    "own write unseen": "A reader with a consistency token was shown an older state than it asked for.",
    # commands
    "acknowledged and lost": "A command was answered with success, and its effect is not there.",
    "refused and done": "A command was answered with a refusal, and its effect is there.",
    "done twice": "One command has had its effect twice.",
    "two answers": "Two requests with one Idempotency-Key were answered differently.",
    "changed unseen": "Something was changed that was not as the client had demanded it to be.",
    "key taken over": "A request with a used Idempotency-Key and another body was accepted.",
    "internal error": "A request was answered with 500: the system did not know what happened.",
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
