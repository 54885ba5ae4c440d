"""Every way in which a promise of the shop can be seen broken, those of the kit first."""

from __future__ import annotations

from chaos.kit import checkers as kit

ANOMALIES: dict[str, str] = {
    **kit.ANOMALIES,
    # contract
    "broken contract": "A message in a topic is not as docs/asyncapi.md says.",
    # effects
    "double effect": "An event was handled twice by a handler that has no guard but the inbox.",
    "missing effect": "An event had no effect, though its consumer is past it, or replayed it.",
    "half effect": "A handler's first step was committed without its second.",
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
    # readers
    "went back": "A reader saw an older version after a newer one.",
    "vanished": "A reader saw something, and later did not, though nobody had deleted it.",
    "token of another write": "A write answered a token that names a version it has not left.",
    "own write unseen": "A reader with a consistency token was shown an older state than it asked for.",
    # commands
    "acknowledged and lost": "A command was answered with success, and its effect is not there.",
    "refused and done": "A command was answered with a refusal, and its effect is there.",
    "done twice": "One command has had its effect twice.",
    "changed unseen": "Something was changed that was not as the client had demanded it to be.",
}
