"""Liveness: once faults are healed, the system comes to rest by itself."""

from __future__ import annotations

from chaos.kit.checkers.checker import Checker
from chaos.kit.promises import rest

REST = Checker(
    "quiescence_reached",
    "After the last fault every outbox gets empty, every lag zero, every process ready.",
    lambda evidence: rest.rest_is_reached(evidence.missing),
)
NO_FALL = Checker(
    "no_process_fails",
    "No fault of a store ends a process, and none is stuck when it is to end.",
    lambda evidence: rest.no_process_falls(evidence.failures, evidence.disturbances),
)
