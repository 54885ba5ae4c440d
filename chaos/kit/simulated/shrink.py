"""Makes a failing schedule smaller: fewer faults, fewer clients, as long as it fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from chaos.kit.simulated.runner import Schedule

TRIES_MAX = 200


def shrink(
    schedule: Schedule, clients: Collection[str], fails: Callable[[Schedule], object]
) -> Schedule:
    """The smallest schedule found, also of fewer clients, for which `fails` gives something."""
    tries = 0
    smaller = True
    while smaller and tries < TRIES_MAX:
        smaller = False
        for candidate in _smaller(schedule, clients):
            tries += 1
            if fails(candidate) is not None:
                schedule, smaller = candidate, True
                break
    return schedule


def _smaller(schedule: Schedule, clients: Collection[str]) -> Iterator[Schedule]:
    for fault in schedule.faults:
        rest = tuple(other for other in schedule.faults if other is not fault)
        yield replace(schedule, faults=rest)
    left = set(clients) - schedule.without
    if len(left) > 1:
        for client in sorted(left):
            yield replace(schedule, without=schedule.without | {client})
