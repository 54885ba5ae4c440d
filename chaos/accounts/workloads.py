"""Two stories about accounts. Each payment has an amount of its own, by which it is known again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from chaos.kit.clients import Client
from chaos.kit.history import Op
from chaos.kit.simulated.workload import Script, Workload

ADA, BOB = 1, 2
"""Two accounts, opened before a story begins."""
PROCESSES: Mapping[str, tuple[str, ...]] = {
    "accounts": ("account-api", "account-consumer"),
    "views": ("view-api", "view-consumer"),
}
TWINS: Mapping[str, tuple[str, ...]] = {
    "api": ("account-api",),
    "accounts": ("account-consumer",),
    "accounts-2": ("account-consumer",),
    "views": ("view-api", "view-consumer"),
}
"""Two that relay one outbox and share the partitions of a group."""


async def pay(client: Client, account: int, amount: int, key: str | None = None) -> Op:
    path = f"/accounts/{account}/payments"
    return await client.write("POST", path, {"amount": amount}, key=key)


async def _set_up(client: Client) -> None:
    for amount in (1, 2):
        await client.write("POST", "/accounts", {"amount": amount})


def pays(account: int, *amounts: int) -> Script:
    """One payment after the other, and a look at what came of it."""

    async def paying(client: Client) -> None:
        for amount in amounts:
            await pay(client, account, amount)
            await client.pause(0.0, 0.1)
        await client.see(f"/accounts/{account}")

    return paying


async def sends_twice(client: Client) -> None:
    """The same payment twice at once, and once more later; then another under the used key."""
    await asyncio.gather(*(pay(client, ADA, 121, key="121") for _ in range(2)))
    await pay(client, ADA, 121, key="121")
    await pay(client, ADA, 122, key="121")


async def opens(client: Client) -> None:
    op = await client.write("POST", "/accounts", {"amount": 131}, key="131")
    if op.ok:
        await pay(client, op.json["id"], 32)
    await client.read("/accounts")


SETTING_UP = Workload("setting-up", "Two accounts.", {"setup": _set_up}, PROCESSES)
PAYMENTS = Workload(
    "payments",
    "Payments into one account by several at once; keys used again; another account opened.",
    {"ada": pays(ADA, 101, 12, 113), "impatient": sends_twice, "newcomer": opens},
    PROCESSES,
    begins_at_once=True,
)
SHARED = Workload(
    "shared",
    "Two consumers relay one outbox and share the work of giving points.",
    {"ada": pays(ADA, 141, 142, 143), "bob": pays(BOB, 151, 52, 153)},
    TWINS,
    begins_at_once=True,
)
WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in (PAYMENTS, SHARED)}
