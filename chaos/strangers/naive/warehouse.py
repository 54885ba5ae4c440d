"""The warehouse: sets aside what was purchased, if there is enough of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from chaos.strangers.naive.service import Json, Service, done, refused


class NotEnough(Exception):
    """An item of which less is on hand than is wanted."""


class Warehouse(Service):
    tables: ClassVar[Sequence[str]] = (
        """items (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100) NOT NULL,
           on_hand INT NOT NULL)""",
        "processed (message VARCHAR(36) PRIMARY KEY)",
    )
    hears = "purchases"

    def routes(self) -> list[Route]:
        return [
            Route("/v1/items", self.add, methods=["POST"]),
            Route("/v1/items/{id:int}", self.show),
        ]

    async def add(self, request: Request) -> JSONResponse:
        item = await request.json()
        id = await self.run(
            "INSERT INTO items (name, on_hand) VALUES (%s, %s)", item["name"], item["on_hand"]
        )
        return done({"id": id, **item}, 201)

    async def show(self, request: Request) -> JSONResponse:
        rows = await self.rows("SELECT * FROM items WHERE id = %s", request.path_params["id"])
        return done(rows[0]) if rows else refused("no such item", 404)

    async def handle(self, message: Json) -> None:
        # BUG cancel that releases nothing: nobody handles `purchase_abandoned`.
        if message["type"] != "purchase_placed":
            return
        # BUG check, act, mark, each by itself: what dies in between is done again.
        if await self.rows("SELECT * FROM processed WHERE message = %s", message["id"]):
            return
        told = {key: message[key] for key in ("purchase", "lines")}
        try:
            await self.take(message)
            await self.send("stock", {"type": "stock_reserved", **told})
        except NotEnough:
            await self.send("stock", {"type": "stock_refused", **told})
        await self.run("INSERT INTO processed VALUES (%s)", message["id"])

    async def take(self, message: Json) -> None:
        """Raises NotEnough; then nothing was taken."""
        async with self.transaction() as sql:
            for line in sorted(message["lines"], key=lambda line: line["item"]):
                await sql.execute(
                    "UPDATE items SET on_hand = on_hand - %s WHERE id = %s AND on_hand >= %s",
                    (line["count"], line["item"], line["count"]),
                )
                if not sql.rowcount:
                    raise NotEnough
