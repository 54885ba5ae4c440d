"""Messages that nobody can read, a handler with a bug, and an operator who replays what was parked."""

from __future__ import annotations

import asyncio

from chaos.kit.clients import Client
from chaos.kit.simulated.parts import Cluster
from chaos.kit.simulated.workload import Workload
from chaos.shop.workloads.given import CLOCK, place
from chaos.shop.workloads.points import MENDED_AT_S, MINDED_METHOD, PROGRAMS
from chaos.shop.workloads.processes import PROCESSES
from system.kit.ports.log import Message, header_name

STRANGE = (
    (header_name(b"\xff\xfe"), b"\xff"),
    ("correlation-id", b"a" * 1_000 + b"@"),
    ("dead-letter-digest", b"sha256 of nothing"),
)
"""Headers that say nothing to us, and that a letter has to keep all the same."""
POISON = (
    Message("order.created", b"7", b"\xff not JSON at all", STRANGE),
    Message("stock.rejected", b"8", b'{"order_id": 8}', (("\u00e9", b""), *STRANGE)),
    Message("order.paid", b"9", b'{"order_id": 9, "version": 1}', ()),
)
METHODS = ("card", MINDED_METHOD, "cash")


async def poison(cluster: Cluster) -> None:
    """What a broken producer of somebody else puts into the topics."""
    await asyncio.sleep(0.1)
    for message in POISON:
        await cluster.deliver(message)
        await asyncio.sleep(0.05)


async def buys(client: Client) -> None:
    """One pays for several orders at once: they share batches, one of them the bug's."""
    ids = await asyncio.gather(
        *(place(client, 500 + number, (CLOCK, 1)) for number in range(len(METHODS)))
    )
    await asyncio.gather(
        *(
            client.write("POST", f"/orders/{id}/pay", {"payment_method": method})
            for id, method in zip(ids, METHODS, strict=True)
            if id is not None
        )
    )


async def operates(client: Client) -> None:
    """Replays what the mended handlers can handle now; the poison stays."""
    await asyncio.sleep(max(0.0, MENDED_AT_S + 0.2 - client.time_s))
    for role in PROGRAMS:
        for _ in range(2):
            page = await client.operate(role, "GET", "/admin/dead-letters")
            ids = [
                letter["id"]
                for letter in page.json["dead_letters"]
                if letter["error_type"] != "Poison"
            ]
            if ids:
                await client.operate(role, "POST", "/admin/dead-letters/replay", {"ids": ids})
            await client.pause(0.3, 0.5)


DEAD_LETTERS = Workload(
    "dead-letters",
    "Poison in three topics, a handler with a bug, dead letters replayed once it is mended.",
    {"buyer": buys, "operator": operates},
    processes=PROCESSES,
    inject=poison,
)
