"""Who judges: one checker for each promise of the design, named for the promise that it keeps."""

from __future__ import annotations

from chaos.checkers.checker import Anomaly, Checker

CHECKERS: dict[str, Checker] = {}

__all__ = ["CHECKERS", "Anomaly", "Checker"]
