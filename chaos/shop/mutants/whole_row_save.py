"""A change of a product's name saves the whole product, stock and all, as it was read before."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attributes
from system.kit.commands.group_commit import Commands
from system.kit.http.route import Answer
from system.kit.ports.work import UnitOfWork
from system.products import store
from system.products.api import PRODUCT, ProductApi
from system.products.model import Offered, UpdateProduct, update

_read: ContextVar[Any] = ContextVar("read", default=None)


def _reads_first(_: Reached, right: Any) -> Any:
    """As an object-relational mapper loads an entity: before the transaction that saves it."""

    def each(self: Any, act: Any) -> Any:
        run = right(self, act)

        async def reading(request: Any) -> Answer:
            if request.path.startswith("/products/"):
                async with self._work() as unit:
                    _read.set(await store.find(unit, request.id))
            answer: Answer = await run(request)
            return answer

        return reading

    return each


def _saves_all(reached: Reached, _: Any) -> Any:
    async def change(_: ProductApi, request: Any, unit: Any) -> Answer:
        body = request.body
        locked = PRODUCT.there(request, await store.lock(unit, request.id, with_stock=True))
        before = _read.get() or locked
        if before[1] != locked[1]:
            reached()
        command = UpdateProduct(body.name, body.price, body.stock)

        async def save(unit: UnitOfWork, offered: Offered) -> None:
            product, stock = offered
            await store.save(unit, product)
            await store.save_stock(unit, [stock])

        return await PRODUCT.save_changed(update(before, command, unit.now), request, unit, save)

    return change


MUTANT = Mutant(
    bug="A new price overwrites the stock that orders have taken meanwhile.",
    breaks=(
        "amounts_conserved",
        "amounts_are_held_by_things",
    ),
    workloads=("stock",),
    switched_in=attributes((Commands, "each", _reads_first), (ProductApi, "update", _saves_all)),
    timed_faults=("slow@sql:0:0.3",),
)
