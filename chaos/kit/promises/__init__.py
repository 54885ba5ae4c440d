"""Promises, each written once: whatever the source of the evidence, the same function judges it.

`catalog.py` names them, `checker.py` says what a checker is and gives the verdicts, and the other
modules judge, by functions over neutral facts. They know neither a system nor what it is built on.
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
    Promise,
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
    "Promise",
    "Sight",
    "Verdict",
    "anomalies_of",
    "counted",
    "judge",
    "names",
]
