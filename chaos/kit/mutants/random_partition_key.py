"""Messages are spread over the partitions, whatever their key."""

from __future__ import annotations

from itertools import count
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.adapters.embedded import log as log_embedded


def _in_turn(reached: Reached, _: Any) -> Any:
    turns = count()

    def partition_number(_: bytes, partitions: int) -> int:
        reached()
        return next(turns) % partitions

    return partition_number


MUTANT = Mutant(
    bug="Partitions are chosen in turn: two events of one key have no order any more.",
    breaks=("one_partition_per_key",),
    switched_in=attribute(log_embedded, "partition_number", _in_turn),
)
