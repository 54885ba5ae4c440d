"""Every way in which a promise of the shop can be seen broken, those of the kit first."""

from __future__ import annotations

from chaos.kit import checkers as kit

ANOMALIES: dict[str, str] = {
    **kit.ANOMALIES,
    # contract
    "broken contract": "A message in a topic is not as docs/asyncapi.md says.",
    # effects
    "half effect": "A handler's first step was committed without its second.",
    # stock
    "broken chain": "An event's stock does not follow from the stock of the version before it.",
    "needless rejection": "An order was rejected for a product of which enough was left.",
    # orders
    "stale note": "An order's note of its reservation is not what the stock has decided.",
    "reason overwritten": "An order was canceled for one reason and later shows another.",
    "money kept": "A paid order ended, and nothing says that the money is due back.",
    "refund for nothing": "A refund is due for an order that was never paid.",
    "payment forgotten": "An order's payment was told, and the order does not know of it.",
    # snapshots
    "wrong total": "An order's total is not the sum of its items.",
    "untrue event": "A field of an event is not what the write side had, or what other events say.",
    # readers
    "token of another write": "A write answered a token that names a version it has not left.",
    # commands
    "changed unseen": "Something was changed that was not as the client had demanded it to be.",
}
