"""The workload: shoppers who place orders, pay some, cancel some, and look at what they see.

A seed fixes what is in every basket, how it is sent, and what becomes of it. Only when its turn
comes depends on the run: baskets are handed out between the faults of the nemesis, so that each
fault meets about as many of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, Protocol

import aiohttp

from chaos.kit.clients import Client
from chaos.kit.history import History, Op
from chaos.real.clients import Where, connected
from system.kit.http.headers import CONSISTENCY_TOKEN

SHOPPERS = 64
USERS = 8
PRODUCTS = 6
"""The first is the hot one."""
HOT = 0.6
PLENTY = 1_000_000
WANTED_OF_HOT = 0.8
"""So much of what is wanted of the hot product is there: the last orders get none."""
QUANTITY_MAX = 3
BURST_MAX = 12
SEEN_S = 60.0
"""How long a shopper looks for what it has written."""


@dataclass(frozen=True, slots=True)
class Basket:
    """One order to be placed: what is in it, how it is sent, what becomes of it."""

    number: int
    user: int
    lines: tuple[tuple[int, int], ...]
    """Product and quantity, both by their place in the world."""
    keyed: bool
    impatient: bool
    """Sent twice at once, with one key: who double-clicks."""
    leaves: bool
    """Does not wait for the answer: who closes the tab."""
    then: str

    @property
    def unit_price(self) -> Decimal:
        """No other basket's: so that an order tells which request it came from."""
        return Decimal(self.number + 1).scaleb(-2)


THEN = {
    "nothing": 8,
    "pay": 5,
    "cancel": 5,
    "pay and cancel": 2,
    "pay, then delete": 1,
    "delete": 1,
    "process": 1,
}


def baskets(seed: int, count: int) -> list[Basket]:
    random = Random(f"baskets {seed}")
    return [_basket(number, random) for number in range(count)]


def _basket(number: int, random: Random) -> Basket:
    cold = random.sample(range(1, PRODUCTS), random.randint(0, 2))
    chosen = ([0] if random.random() < HOT else []) + cold or [1]
    keyed = random.random() < 0.6
    (then,) = random.choices(list(THEN), list(THEN.values()))
    return Basket(
        number,
        random.randrange(USERS),
        tuple((product, random.randint(1, QUANTITY_MAX)) for product in chosen),
        keyed=keyed,
        impatient=keyed and random.random() < 0.1,
        leaves=not keyed and random.random() < 0.05,
        then=then,
    )


def hot_stock(wanted: Sequence[Basket]) -> int:
    """Too little for all of them."""
    of_hot = sum(
        quantity for basket in wanted for product, quantity in basket.lines if product == 0
    )
    return int(of_hot * WANTED_OF_HOT)


@dataclass
class World:
    """The users and products that orders are about; the ids by place."""

    users: list[int] = field(default_factory=list)
    products: list[int] = field(default_factory=list)

    @staticmethod
    async def made(client: Client, stocks: Sequence[int]) -> World:
        """Register and offer them. Raises CannotBegin."""
        world = World()
        for number in range(USERS):
            user = {"name": f"Shopper {number}", "email": f"shopper-{number}@example.com"}
            world.users.append(_id(await client.write("POST", "/users", user, key=f"u{number}")))
        for number, stock in enumerate(stocks):
            product = {"name": f"Thing {number}", "price": Decimal("9.90"), "stock": stock}
            world.products.append(
                _id(await client.write("POST", "/products", product, key=f"p{number}"))
            )
        return world


class CannotBegin(Exception):
    """The system does not take the first requests, with nothing disturbed yet."""


def _id(op: Op) -> int:
    if not op.ok:
        raise CannotBegin(f"{op}: {op.answer.decode(errors='replace')}")
    return int(op.json["id"])


class Counter:
    """Hands the baskets out, in bursts, as the run lets them go."""

    def __init__(self, wanted: Sequence[Basket], seed: int) -> None:
        self._queue: asyncio.Queue[Basket | None] = asyncio.Queue()
        self._waiting = list(reversed(wanted))
        self._random = Random(f"bursts {seed}")

    async def hand_out(self, count: int, within_s: float) -> None:
        """Let so many go, spread over that time."""
        while count > 0 and self._waiting:
            burst = min(count, self._random.randint(1, BURST_MAX), len(self._waiting))
            for _ in range(burst):
                self._queue.put_nowait(self._waiting.pop())
            await asyncio.sleep(within_s * burst / count)
            within_s -= within_s * burst / count
            count -= burst

    def close(self) -> None:
        for _ in range(SHOPPERS):
            self._queue.put_nowait(None)

    async def next(self) -> Basket | None:
        return await self._queue.get()


class Baskets(Protocol):
    """Where shoppers get their baskets."""

    async def next(self) -> Basket | None:
        """The next one; None when there are no more."""
        ...


class Shopper:
    """Takes one basket after the other."""

    def __init__(
        self,
        world: World,
        where: Where,
        session: aiohttp.ClientSession,
        history: History,
        may_write: asyncio.Event | None = None,
    ) -> None:
        self._world = world
        self._where = where
        self._session = session
        self._history = history
        self._may_write = may_write

    async def shop(self, counter: Baskets, done: Callable[[Basket, bool], None]) -> None:
        while (basket := await counter.next()) is not None:
            # a client per basket: what it may see later depends on what it alone has seen
            client = connected(
                f"basket-{basket.number}",
                self._where,
                self._session,
                self._history,
                Random(f"basket {basket.number}"),
                self._may_write,
            )
            order = await self._place(client, basket)
            done(basket, order is not None)
            if order is not None:
                await self._go_on(client, basket, order)

    async def _place(self, client: Client, basket: Basket) -> Op | None:
        key = f"basket-{basket.number}" if basket.keyed else None
        body = {
            "user_id": self._world.users[basket.user],
            "items": [
                {
                    "product_id": self._world.products[product],
                    "quantity": quantity,
                    "unit_price": basket.unit_price,
                }
                for product, quantity in basket.lines
            ],
        }
        if basket.leaves:
            hurry_s = client.random.uniform(0.001, 0.02)
            op = await client.ask("order-api", "POST", "/orders", body, patience_s=hurry_s)
            return op if op.ok else None
        times = 2 if basket.impatient else 1
        ops = await asyncio.gather(
            *(client.write("POST", "/orders", body, key=key) for _ in range(times))
        )
        return next((op for op in ops if op.ok), None)

    async def _go_on(self, client: Client, basket: Basket, placed: Op) -> None:
        path = f"/orders/{placed.json['id']}"
        key = f"then-{basket.number}" if basket.keyed else None
        pay: dict[str, Any] = {"payment_method": "card"}
        cancel: dict[str, Any] = {"reason": f"basket {basket.number} is not wanted"}
        last = placed
        match basket.then:
            case "pay":
                last = await client.write("POST", f"{path}/pay", pay, key=key)
            case "cancel":
                last = await client.write("POST", f"{path}/cancel", cancel, key=key)
            case "pay and cancel":  # at once: one of them wins, or stock decides first
                await asyncio.gather(
                    client.write("POST", f"{path}/pay", pay, key=key),
                    client.write("POST", f"{path}/cancel", cancel, key=key),
                )
            case "pay, then delete":
                await client.write("POST", f"{path}/pay", pay, key=key)
                last = await client.write("DELETE", path)
            case "delete":
                last = await client.write("DELETE", path)
            case "process":
                last = await client.write("PUT", path, {"status": "PROCESSING"})
            case _:
                pass
        if last.ok and last.method != "DELETE":
            await self._see(client, path, last.headers.get(CONSISTENCY_TOKEN))

    async def _see(self, client: Client, path: str, token: str | None) -> None:
        """Look until it is there, as a reader who has just written."""
        ends_at = asyncio.get_running_loop().time() + SEEN_S
        while asyncio.get_running_loop().time() < ends_at:
            if (await client.read(path, token=token)).ok:
                await client.read(path)  # and once more: it may not go back
                return
            await asyncio.sleep(client.random.uniform(0.1, 0.5))
