"""How long the system took to go on, as its clients saw it."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.kit.history import Op
from chaos.real.nemesis import Injected


def visible_again(history: Sequence[Op], injected: Sequence[Injected]) -> list[float]:
    """For each fault: from the repair until all orders were seen that had been placed meanwhile.

    Of the clients that looked; a fault during which nobody placed an order says nothing.
    """
    placed: dict[str, float] = {}
    seen: dict[str, float] = {}
    for op in history:
        if op.ok and op.method == "POST" and op.path == "/orders":
            placed.setdefault(op.client, op.ended_s)
        elif op.ok and op.role == "query-api":
            seen.setdefault(op.client, op.ended_s)
    times = []
    for one in injected:
        waited = [
            max(0.0, seen[client] - one.repaired_s)
            for client, placed_s in placed.items()
            if client in seen and one.began_s <= placed_s <= one.repaired_s
        ]
        times += [max(waited)] if waited else []
    return times
