"""Promises of the kit, judged on the evidence of any system that is built on it.

A system lists them beside its own, and adds to one by `Checker.also` what only it can know.
"""

from __future__ import annotations

from chaos.kit.checkers import commands, dead_letters, events, inbox, rest, views
from chaos.kit.checkers.anomalies import ANOMALIES
from chaos.kit.checkers.checker import Check, Checker, judge
from chaos.kit.promises import KEPT, Anomaly, BadChecker

CHECKERS: tuple[Checker, ...] = (
    events.NO_LOST_EVENT,
    events.NO_PHANTOM_EVENT,
    events.ONE_PARTITION,
    events.IN_ORDER,
    events.PUBLISHED_ONCE,
    events.NONE_HELD_UP,
    events.CAUSES_TOLD,
    events.OWN_NAMES,
    inbox.COMPLETE,
    views.EQUAL_REBUILD,
    views.FREEZES,
    commands.KEYS,
    commands.NO_ERRORS,
    dead_letters.EXACTLY_POISON,
    dead_letters.ATTEMPTS,
    rest.REST,
    rest.NO_FALL,
)
"""All of them, for a system that adds nothing."""

__all__ = [
    "ANOMALIES",
    "CHECKERS",
    "KEPT",
    "Anomaly",
    "BadChecker",
    "Check",
    "Checker",
    "commands",
    "dead_letters",
    "events",
    "inbox",
    "judge",
    "rest",
    "views",
]
