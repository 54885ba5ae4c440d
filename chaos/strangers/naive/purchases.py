"""Purchases: taken over HTTP, confirmed by what the warehouse tells."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from typing import Any, ClassVar

import aiohttp
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from chaos.strangers.naive.service import Json, Service, done, refused

log = logging.getLogger("naive")

Lines = list[dict[str, Any]]  # item, count, price


class Purchases(Service):
    tables: ClassVar[Sequence[str]] = (
        """purchases (id INT AUTO_INCREMENT PRIMARY KEY, state VARCHAR(20) NOT NULL,
           content JSON NOT NULL, total BIGINT NOT NULL DEFAULT 0)""",
    )
    hears = "stock"

    def routes(self) -> list[Route]:
        return [
            Route("/v1/purchases", self.place, methods=["POST"]),
            Route("/v1/purchases/{id:int}", self.show),
            Route("/v1/purchases/{id:int}/abandon", self.abandon, methods=["POST"]),
        ]

    async def place(self, request: Request) -> JSONResponse:
        lines: Lines = (await request.json())["lines"]
        async with aiohttp.ClientSession(os.environ["WAREHOUSE"]) as warehouse:
            for line in lines:
                async with warehouse.get(f"/v1/items/{line['item']}") as answer:
                    if answer.status != 200:
                        return refused("no such item", 422)
        return done({"id": await self.store(lines)}, 201)

    async def store(self, lines: Lines) -> int:
        # BUG total never computed: its column has a default, so that nobody notices.
        id = await self.run(
            "INSERT INTO purchases (state, content) VALUES ('PLACED', %s)", json.dumps(lines)
        )
        # BUG two commits instead of one: a crash here, and the warehouse never hears of it.
        await self.send("purchases", {"type": "purchase_placed", "purchase": id, "lines": lines})
        return id

    async def show(self, request: Request) -> JSONResponse:
        rows = await self.rows("SELECT * FROM purchases WHERE id = %s", request.path_params["id"])
        if not rows:
            return refused("no such purchase", 404)
        (row,) = rows
        return done({**row, "content": json.loads(row["content"])})

    async def abandon(self, request: Request) -> JSONResponse:
        id = request.path_params["id"]
        if not await self.end(id):
            return refused("no such purchase, or its end is behind it", 409)
        return done({"id": id})

    async def end(self, id: int) -> bool:
        async with self.transaction() as sql:
            await sql.execute(
                "UPDATE purchases SET state = 'ABANDONED'"
                " WHERE id = %s AND state IN ('PLACED', 'CONFIRMED')",
                (id,),
            )
            is_ended = bool(sql.rowcount)
        if is_ended:
            await self.send("purchases", {"type": "purchase_abandoned", "purchase": id})
        return is_ended

    async def consume(self) -> None:
        """BUG offset before effect: what fails now, or dies, is never seen again."""
        async for record in self._consumer:
            await self.commit()
            try:
                await self.handle(json.loads(record.value))
            except Exception:
                log.exception("could not handle %s", record.value)

    async def handle(self, message: Json) -> None:
        states = {"stock_reserved": "CONFIRMED", "stock_refused": "REFUSED"}
        if message["type"] in states:
            await self.run(
                "UPDATE purchases SET state = %s WHERE id = %s AND state = 'PLACED'",
                states[message["type"]],
                message["purchase"],
            )
