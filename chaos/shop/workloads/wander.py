"""Orders that take whatever step comes next: cells of the transition table that no story visits."""

from __future__ import annotations

from chaos.kit.clients import Client
from chaos.kit.simulated.workload import Script, Workload
from chaos.shop.workloads.given import CLOCK, place
from chaos.shop.workloads.processes import PROCESSES

STEPS = 5


def wanders(marker: int) -> Script:
    """Place an order, and try one step after the other, allowed or not."""

    async def wandering(client: Client) -> None:
        id = await place(client, marker, (CLOCK, 2))
        if id is None:
            return
        for _ in range(STEPS):
            await client.pause(0.0, client.random.choice((0.02, 0.3)))
            await _step(client, f"/orders/{id}")

    return wandering


async def _step(client: Client, path: str) -> None:
    match client.random.choice(("pay", "pay", "work", "work", "cancel", "delete")):
        case "pay":
            await client.write("POST", f"{path}/pay", {"payment_method": "card"})
        case "work":
            await client.write("PUT", path, {"status": "PROCESSING"})
        case "cancel":
            await client.write("POST", f"{path}/cancel", {"reason": "no more"})
        case "delete":
            await client.write("DELETE", path)


WANDER = Workload(
    "wander",
    "Orders that are paid, worked on, canceled and deleted in any order, allowed or not.",
    {"one": wanders(801), "other": wanders(802)},
    processes=PROCESSES,
)
