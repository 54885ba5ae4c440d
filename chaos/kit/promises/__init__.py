"""Promises, each written once: whatever the source of the evidence, the same function judges it.

`checker.py` says what a checker is and gives the verdicts; the other modules hold the promises, as
functions over neutral facts. They know neither a system nor what it is built on.
"""

from chaos.kit.promises.checker import (
    KEPT,
    Anomaly,
    BadChecker,
    CannotJudge,
    Cases,
    Check,
    Checker,
    Outcome,
    Verdict,
    anomalies_of,
    counted,
    judge,
)
from chaos.kit.promises.sight import ALL, NOTHING, Blind, Sight, names

__all__ = [
    "ALL",
    "KEPT",
    "NOTHING",
    "Anomaly",
    "BadChecker",
    "Blind",
    "CannotJudge",
    "Cases",
    "Check",
    "Checker",
    "Outcome",
    "Sight",
    "Verdict",
    "anomalies_of",
    "counted",
    "judge",
    "names",
]
