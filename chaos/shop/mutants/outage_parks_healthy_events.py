"""A store that is away counts as a failure of the message in hand."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attributes
from system.kit import errors
from system.kit.delivery.failures import Failure
from system.kit.delivery.middleware import retried


class _Never(Exception):
    """Nobody raises this: so nothing is an outage."""


def _unknown(_: Reached, __: Any) -> Any:
    return _Never


def _counted(reached: Reached, _: Any) -> Any:
    class Counted:
        @staticmethod
        def after(before: Failure | None, error: Exception, at: Any) -> Failure:
            if isinstance(error, errors.Unavailable):
                reached()
            return Failure.after(before, error, at)

    return Counted


MUTANT = Mutant(
    bug="An outage longer than the retries sends every event of that time to the dead letters.",
    breaks=("dead_letters_are_the_poison",),
    workloads=("orders",),
    switched_in=attributes(
        (retried, "Unavailable", _unknown),
        (retried, "TimedOut", _unknown),
        (retried, "Failure", _counted),
    ),
    timed_faults=("outage@sql:0.06:9", "outage@views:0.06:9"),
)
