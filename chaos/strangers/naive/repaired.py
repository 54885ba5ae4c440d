"""The same shop, repaired: what was wrong is overridden, one method for each bug, or two."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from aiomysql import DictCursor

from chaos.strangers.naive.purchases import Lines, Purchases
from chaos.strangers.naive.service import Json, Service, new_id
from chaos.strangers.naive.warehouse import NotEnough, Warehouse

log = logging.getLogger("naive")

OUTBOX = """outbox_of_{} (id BIGINT AUTO_INCREMENT PRIMARY KEY, topic VARCHAR(50) NOT NULL,
            event JSON NOT NULL)"""
PAGE = 100


class Outbox(Service):
    """Events are rows of the transaction that they tell of; a relay sends them in their order.

    There is one process of each service, so that there is one relay.
    """

    outbox: str

    def key(self, event: Json) -> bytes:
        return str(event["purchase"]).encode()

    async def emit(self, sql: DictCursor, topic: str, event: Json) -> None:
        await sql.execute(
            f"INSERT INTO {self.outbox} (topic, event) VALUES (%s, %s)",  # noqa: S608
            (topic, json.dumps({"id": new_id(), **event})),
        )

    def background(self) -> list[Any]:  # coroutines
        return [*super().background(), self.relay()]

    async def relay(self) -> None:
        while True:
            try:
                sent = await self._send_page()
            except Exception:
                log.exception("again in a moment")
                sent = 0
            await asyncio.sleep(0 if sent == PAGE else 0.05)

    async def _send_page(self) -> int:
        """Send one by one, so that a failure stops all that come after it."""
        rows = await self.rows(f"SELECT * FROM {self.outbox} ORDER BY id LIMIT {PAGE}")  # noqa: S608
        for row in rows:
            event = json.loads(row["event"])
            value = json.dumps(event).encode()
            await self._producer.send_and_wait(row["topic"], value, key=self.key(event))
            await self.run(f"DELETE FROM {self.outbox} WHERE id = %s", row["id"])  # noqa: S608
        return len(rows)


class RepairedPurchases(Outbox, Purchases):
    outbox = "outbox_of_purchases"
    tables = (*Purchases.tables, OUTBOX.format("purchases"))

    async def store(self, lines: Lines) -> int:
        total = sum(line["count"] * line["price"] for line in lines)
        async with self.transaction() as sql:
            await sql.execute(
                "INSERT INTO purchases (state, content, total) VALUES ('PLACED', %s, %s)",
                (json.dumps(lines), total),
            )
            id = int(sql.lastrowid)
            event = {"type": "purchase_placed", "purchase": id, "lines": lines}
            await self.emit(sql, "purchases", event)
        return id

    async def end(self, id: int) -> bool:
        async with self.transaction() as sql:
            await sql.execute(
                "UPDATE purchases SET state = 'ABANDONED'"
                " WHERE id = %s AND state IN ('PLACED', 'CONFIRMED')",
                (id,),
            )
            is_ended = bool(sql.rowcount)
            if is_ended:
                event = {"type": "purchase_abandoned", "purchase": id}
                await self.emit(sql, "purchases", event)
        return is_ended

    consume = Service.consume


class RepairedWarehouse(Outbox, Warehouse):
    outbox = "outbox_of_warehouse"
    tables = (
        *Warehouse.tables,
        OUTBOX.format("warehouse"),
        "set_aside (purchase INT PRIMARY KEY, content JSON NOT NULL)",
    )

    async def handle(self, message: Json) -> None:
        """The mark, the effect and the event are one transaction."""
        try:
            await self._settle(message, is_refused=False)
        except NotEnough:
            await self._settle(message, is_refused=True)

    async def _settle(self, message: Json, *, is_refused: bool) -> None:
        async with self.transaction() as sql:
            await sql.execute("INSERT IGNORE INTO processed VALUES (%s)", (message["id"],))
            if not sql.rowcount:
                return
            if message["type"] == "purchase_abandoned":
                await self._release(sql, message["purchase"])
            elif is_refused:
                await self.emit(sql, "stock", _told("stock_refused", message))
            else:
                await self._take(sql, message)

    async def _take(self, sql: DictCursor, message: Json) -> None:
        for line in sorted(message["lines"], key=lambda line: line["item"]):
            await sql.execute(
                "UPDATE items SET on_hand = on_hand - %s WHERE id = %s AND on_hand >= %s",
                (line["count"], line["item"], line["count"]),
            )
            if not sql.rowcount:
                raise NotEnough
        await sql.execute(
            "INSERT INTO set_aside VALUES (%s, %s)",
            (message["purchase"], json.dumps(message["lines"])),
        )
        await self.emit(sql, "stock", _told("stock_reserved", message))

    async def _release(self, sql: DictCursor, purchase: int) -> None:
        await sql.execute("SELECT content FROM set_aside WHERE purchase = %s", (purchase,))
        row = await sql.fetchone()
        if row is None:
            return
        lines = json.loads(row["content"])
        for line in sorted(lines, key=lambda line: line["item"]):
            await sql.execute(
                "UPDATE items SET on_hand = on_hand + %s WHERE id = %s",
                (line["count"], line["item"]),
            )
        await sql.execute("DELETE FROM set_aside WHERE purchase = %s", (purchase,))
        told = {"type": "stock_released", "purchase": purchase, "lines": lines}
        await self.emit(sql, "stock", told)


def _told(type: str, message: Json) -> Json:
    return {"type": type, "purchase": message["purchase"], "lines": message["lines"]}
