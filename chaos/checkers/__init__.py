"""Who judges: one checker for each promise of the design, named for the promise that it keeps."""

from __future__ import annotations

from chaos.checkers import commands, effects, events, letters, orders, rest, stock, views
from chaos.checkers.anomalies import ANOMALIES
from chaos.checkers.checker import Anomaly, Checker

CHECKERS: dict[str, Checker] = {
    checker.name: checker
    for checker in (
        events.NO_LOST_EVENT,
        events.NO_PHANTOM_EVENT,
        events.PER_KEY_ORDER,
        events.FEW_REPEATS,
        events.CAUSES_TOLD,
        effects.SINGLE_EFFECT,
        effects.INBOX_COMPLETE,
        stock.STOCK_CONSERVED,
        stock.NO_OVERSELL,
        orders.AGREE,
        orders.NOTED,
        orders.PAYMENTS,
        orders.STEPS,
        views.EQUAL_REBUILD,
        views.SHOW_THE_TRUTH,
        views.NEVER_BACK,
        views.TOKENS,
        commands.KEPT,
        commands.ONCE,
        commands.KEYS,
        commands.NO_ERRORS,
        letters.EXACTLY_POISON,
        letters.ATTEMPTS,
        rest.REST,
        rest.NO_FALL,
    )
}

__all__ = ["ANOMALIES", "CHECKERS", "Anomaly", "Checker"]
