"""Liveness: once faults are healed, the system comes to rest by itself."""

from __future__ import annotations

from chaos.kit.checkers.checker import Checker
from chaos.kit.promises import catalog, rest

REST = Checker(
    catalog.REST_IS_REACHED,
    lambda evidence: rest.rest_is_reached(evidence.missing),
)
NO_FALL = Checker(
    catalog.NO_PROCESS_FALLS,
    lambda evidence: rest.no_process_falls(evidence.failures, evidence.disturbances),
)
