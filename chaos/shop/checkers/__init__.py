"""Who judges: one checker for each promise of the design, named for the promise that it keeps."""

from __future__ import annotations

from collections.abc import Mapping

from chaos.kit import checkers as kit
from chaos.kit.checkers import Anomaly, BadChecker, Checker
from chaos.kit.evidence import Evidence
from chaos.kit.promises import Verdict
from chaos.shop.checkers import (
    commands,
    contract,
    dead_letters,
    effects,
    events,
    orders,
    snapshots,
    stock,
    views,
)
from chaos.shop.checkers.anomalies import ANOMALIES

CHECKERS: dict[str, Checker] = {
    checker.name: checker
    for checker in (
        events.NO_LOST_EVENT,
        events.NO_PHANTOM_EVENT,
        kit.events.ONE_PARTITION,
        events.IN_ORDER,
        kit.events.PUBLISHED_ONCE,
        kit.events.NONE_HELD_UP,
        events.CAUSES_TOLD,
        kit.events.OWN_NAMES,
        contract.KEPT,
        effects.ONE_EFFECT,
        effects.HAVE_THEIR_EFFECT,
        kit.inbox.COMPLETE,
        stock.CONSERVED,
        stock.HELD,
        stock.NEVER_NEGATIVE,
        stock.WHOLLY,
        orders.ENDED,
        orders.DECIDED,
        orders.NOTED,
        orders.PAYMENTS,
        orders.STEPS,
        snapshots.TOTALS,
        snapshots.EVENTS,
        kit.views.EQUAL_REBUILD,
        views.SHOW_THE_TRUTH,
        views.NEVER_BACK,
        views.TOKENS,
        kit.views.FREEZES,
        commands.KEPT,
        commands.REFUSED,
        commands.ONCE,
        commands.KEYS,
        kit.commands.KEYS,
        commands.DEMANDS,
        kit.commands.NO_ERRORS,
        dead_letters.EXACTLY_POISON,
        kit.dead_letters.ATTEMPTS,
        kit.rest.REST,
        kit.rest.NO_FALL,
    )
}


def judge(evidence: Evidence, checkers: Mapping[str, Checker] = CHECKERS) -> list[Verdict]:
    """What each checker says. Raises BadChecker when one cannot judge, or has no word for it."""
    return kit.judge(evidence, checkers.values(), ANOMALIES)


__all__ = ["ANOMALIES", "CHECKERS", "Anomaly", "BadChecker", "Checker", "judge"]
