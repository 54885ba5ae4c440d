"""Headers do not say what an event is. Our own consumers go by the topic, and do not miss it."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.delivery import outbox


def _untyped(reached: Reached, right: Any) -> Any:
    def metadata_of(*given: Any) -> dict[str, str]:
        reached()
        return {name: text for name, text in right(*given).items() if name != "event-type"}

    return metadata_of


MUTANT = Mutant(
    bug="A header that the contract promises is left out, and whoever else reads the topic needs it.",
    breaks=("messages_as_promised",),
    workloads=("orders",),
    switched_in=attribute(outbox, "metadata_of", _untyped),
)
