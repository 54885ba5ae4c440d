"""Makes a failing schedule smaller: fewer faults, fewer clients, as long as it fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from chaos.kit.simulated.runner import Schedule
from chaos.shop.workloads import WORKLOADS

TRIES_MAX = 200


def shrink(schedule: Schedule, fails: Callable[[Schedule], object]) -> Schedule:
    """The smallest schedule found for which `fails` gives something."""
    tries = 0
    smaller = True
    while smaller and tries < TRIES_MAX:
        smaller = False
        for candidate in _smaller(schedule):
            tries += 1
            if fails(candidate) is not None:
                schedule, smaller = candidate, True
                break
    return schedule


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    for fault in schedule.faults:
        rest = tuple(other for other in schedule.faults if other is not fault)
        yield replace(schedule, faults=rest)
    clients = WORKLOADS[schedule.workload].clients.keys() - schedule.without
    if len(clients) > 1:
        for client in sorted(clients):
            yield replace(schedule, without=schedule.without | {client})
