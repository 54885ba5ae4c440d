"""Who judges: one checker for each promise of the design, named for the promise that it keeps."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from chaos.kit.checkers.checker import Anomaly, Checker
from chaos.kit.evidence import Evidence
from chaos.shop.checkers import (
    commands,
    contract,
    effects,
    events,
    letters,
    orders,
    rest,
    stock,
    views,
)
from chaos.shop.checkers.anomalies import ANOMALIES

CHECKERS: dict[str, Checker] = {
    checker.name: checker
    for checker in (
        events.NO_LOST_EVENT,
        events.NO_PHANTOM_EVENT,
        events.PER_KEY_ORDER,
        events.FEW_REPEATS,
        events.NONE_HELD_UP,
        events.CAUSES_TOLD,
        events.OWN_NAMES,
        contract.KEPT,
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
        views.FREEZES,
        commands.KEPT,
        commands.ONCE,
        commands.KEYS,
        commands.DEMANDS,
        commands.NO_ERRORS,
        letters.EXACTLY_POISON,
        letters.ATTEMPTS,
        rest.REST,
        rest.NO_FALL,
    )
}


class BadChecker(Exception):
    """A checker fell over. The text is one line that says which, and why."""


def judge(evidence: Evidence, checkers: Mapping[str, Checker] = CHECKERS) -> Iterator[Anomaly]:
    """What each checker finds. Raises BadChecker when one cannot judge, or has no word for it."""
    for checker in checkers.values():
        try:
            for found in checker.check(evidence):
                if found.name not in ANOMALIES:
                    raise LookupError(
                        f"chaos/shop/checkers/anomalies.py does not explain {found.name!r}"
                    )
                yield replace(found, checker=checker.name)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise BadChecker(
                f"{checker.name} fell over at {Path(place.filename).name}:{place.lineno}:"
                f" {type(error).__name__}: {error}"
            ) from error


__all__ = ["ANOMALIES", "CHECKERS", "Anomaly", "BadChecker", "Checker", "judge"]
