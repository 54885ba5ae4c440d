"""The shopkeeper: every act occurs, one after the other, and each change is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from chaos.kit.clients import Client, Reply, Request, Roles
from chaos.kit.history import History, Op
from chaos.kit.systems import api_by_name
from chaos.real import shopkeeper
from chaos.real.shopkeeper import ON_DISPLAY, REBUILD, RESTOCKED, Shopkeeper
from chaos.real.shoppers import PRODUCTS, World
from system.kit.http.headers import CONSISTENCY_TOKEN

WORLD = World(products=[100 + place for place in range(PRODUCTS + 1)])


class Deaf:
    """A transport that sends nothing, and answers each PUT with a token of its own."""

    def __init__(self) -> None:
        self.sent = 0

    async def send(self, request: Request, _: float) -> Reply:
        self.sent += 1
        headers = {CONSISTENCY_TOKEN: f"token {self.sent}"} if request.method == "PUT" else {}
        return Reply(200, headers=headers)


@pytest.fixture
async def asked(monkeypatch: pytest.MonkeyPatch) -> list[Op]:
    monkeypatch.setattr(shopkeeper, "PAUSE_S", (0.0, 0.0))
    history, roles = History(), Roles("query-api", api_by_name)
    client = Client("one", roles, Deaf(), history, Random(1), lambda _: iter(()))
    turns: Iterator[bool] = iter([False] * 200 + [True])
    await Shopkeeper(WORLD, client).keep(lambda: next(turns))
    return history.ops


async def test_it_sets_prices_and_stock_and_has_the_views_rebuilt(asked: list[Op]) -> None:
    changed = {(op.path, *op.body) for op in asked if op.method == "PUT"}
    rebuilds = {(op.role, op.path) for op in asked if op.method == "POST"}

    assert {path for path, field in changed if field == "price"} == {
        f"/products/{id}" for id in WORLD.products[:PRODUCTS]
    }
    assert {path for path, field in changed if field == "stock"} == {
        f"/products/{WORLD.products[place]}" for place in (ON_DISPLAY, RESTOCKED)
    }
    assert rebuilds == {("query-consumer", REBUILD)}


async def test_no_value_is_set_twice_so_the_last_one_can_be_told(asked: list[Op]) -> None:
    values = [op.body[field] for op in asked if op.method == "PUT" for field in op.body]

    assert len(values) == len(set(values))


async def test_it_looks_at_its_shelves_after_each_change(asked: list[Op]) -> None:
    for number, op in enumerate(asked):
        if op.method == "PUT":
            look = asked[number + 1]
            assert (look.method, look.path) == ("GET", "/products")
            assert look.token == op.headers[CONSISTENCY_TOKEN]
