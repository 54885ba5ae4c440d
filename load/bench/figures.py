"""The figures of the shop, each beside its limit.

Backlogs are made before the clock starts, and progress is read off the log's own client, so that
nothing asks the stores while they are measured. A rate counts from the first batch on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from statistics import quantiles
from uuid import uuid4

import aiohttp
from sqlalchemy import text

from load.bench import ground as grounds
from load.bench.ground import PLENTY, PRODUCTS, Ground, Limit, cpu_s, environment, resident_mib
from load.bench.size import Size
from load.bench.watched import Progress, WatchedLog
from load.kit.figures import Better, Figure, Measure, Measured, Sample
from load.kit.raw_http import closed_loop, post
from load.limits import bare
from scenarios.harness.namespace import Place
from scenarios.harness.servers.roles import RoleProcess, roles
from system.kit import process
from system.kit.lifespan import Lifespan
from system.kit.parts import Parts
from system.kit.roles import Blueprint, build
from system.kit.values import dumps, loads
from system.roles import ROLES
from system.settings import Settings
from system.table import SHOP

SPECS = {spec.name: spec for spec in ROLES}
IN_PROCESS = Settings().model_copy(update={"port": 0})
SEEN_S = 30.0
EVERYTHING = "everything together, 64 clients"
NO_STORE = "bare aiohttp, no store"
LOOK_S = 0.002
WATCHED_A_SECOND = 10
"""No more orders are looked for in the views, or looking is what is measured."""


# --- POST /orders -----------------------------------------------------------------------------


@asynccontextmanager
async def placing(ground: Ground, size: Size) -> AsyncIterator[list[Figure]]:
    """POST /orders, order-api alone, beside a service that does less and less."""
    async with AsyncExitStack() as opened:
        own = await opened.enter_async_context(_api(ground))
        beside = {
            how: await opened.enter_async_context(_limit(ground, how))
            for how in ("nostore", "transaction", "shared")
        }

        def arms(clients: int) -> Mapping[str, Measure]:
            return {
                "system": _closed(own, clients, size.seconds),
                "bare shared transactions": _closed(beside["shared"], clients, size.seconds),
                "a bare transaction each": _closed(beside["transaction"], clients, size.seconds),
                NO_STORE: _closed(beside["nostore"], clients, size.seconds),
            }

        yield [
            Figure(f"POST /orders, {clients} clients", "orders/s", Better.MORE, arms(clients))
            for clients in size.clients
        ]


@asynccontextmanager
async def _api(ground: Ground) -> AsyncIterator[RoleProcess]:
    async with ground.place() as place:
        settings = place.within(ground.settings, instance="bench")
        process = RoleProcess(SPECS["order-api"], environment(settings), free_port=True)
        await process.start()
        try:
            yield process
        finally:
            await process.stop()


@asynccontextmanager
async def _limit(ground: Ground, how: str) -> AsyncIterator[Limit]:
    async with ground.place() as place:
        settings = place.within(ground.settings, instance="bench")
        process = Limit(how, environment(settings))
        await process.start()
        try:
            yield process
        finally:
            await process.stop()


def order_request(product: int) -> bytes:
    item = {"product_id": product, "quantity": 1}
    return post("/orders", dumps({"user_id": 1, "items": [item]}))


def _closed(process: RoleProcess | Limit, clients: int, seconds: float) -> Measure:
    requests = [order_request(number % PRODUCTS + 1) for number in range(clients)]

    async def measure() -> Sample:
        await closed_loop(process.port, requests, seconds / 4)
        used = cpu_s(process.pid)
        load = await closed_loop(process.port, requests, seconds)
        return Sample(
            load.rate,
            {
                "p50 ms": load.percentile(50) * 1000,
                "p99 ms": load.percentile(99) * 1000,
                "CPU ms an order": (cpu_s(process.pid) - used) * 1000 / len(load.took_s),
            },
        )

    return measure


# --- backlogs ---------------------------------------------------------------------------------


@dataclass
class Backlogs:
    """A place of its own for the system and for the limit, and orders nobody has had before."""

    own: Place
    limit: Place
    ground: Ground
    numbers: Counter[str] = field(default_factory=Counter)
    """Those that each place has had."""

    def first(self, place: Place, events: int) -> int:
        """The first of so many numbers that this place has not had."""
        self.numbers[place.prefix] += events
        return self.numbers[place.prefix] - events + 1

    @asynccontextmanager
    async def parts(self, place: Place) -> AsyncIterator[Parts]:
        async with place.parts(self.ground.settings, instance="bench") as parts:
            yield parts


Fill = Callable[[Parts, int, int], Awaitable[None]]
"""Puts so many events there, whose numbers begin with the first."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Work that waits for a role, and how it is seen that it is done."""

    name: str
    fill: Fill
    role: str
    limit: Callable[[Place, int, bare.Note], Awaitable[None]]
    services: Sequence[str] | None = None
    """Of the role, by name; None: all of it."""
    published: str | None = None
    """The topic in which each event has one to show for it; None: offsets are committed."""

    async def drained(
        self,
        made: Backlogs,
        events: int,
        meanwhile: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> Progress:
        """Fill it, and let the role work it off, within `meanwhile`."""
        progress = Progress(events)
        async with made.parts(made.own) as parts:
            await self.fill(parts, made.first(made.own, events), events)
            watched = _watching(parts, progress, self.published)
            with meanwhile():
                async with running(self.role, watched, self.services):
                    await progress.wait()
        return progress

    def own(self, made: Backlogs, events: int) -> Measure:
        async def measure() -> Sample:
            return Sample((await self.drained(made, events)).rate)

        return measure

    def bare(self, made: Backlogs, events: int) -> Measure:
        """A loop of `load.limits.bare` on the same backlog."""

        async def measure() -> Sample:
            async with made.parts(made.limit) as parts:
                await self.fill(parts, made.first(made.limit, events), events)
            progress = Progress(events)
            await self.limit(made.limit, events, progress.note)
            return Sample(progress.rate)

        return measure


async def _placed(parts: Parts, first: int, events: int) -> None:
    placed = [grounds.placed(number) for number in range(first, first + events)]
    await grounds.publish(parts, placed)


async def _reserved(parts: Parts, first: int, events: int) -> None:
    await grounds.fill_orders(parts, first, events)
    reserved = [grounds.reserved(number) for number in range(first, first + events)]
    await grounds.publish(parts, reserved)


RELAY = Backlog(
    "relay",
    grounds.fill_outbox,
    "order-consumer",
    bare.relay,
    services=("order-relay",),
    published="order.created",
)
RESERVATION = Backlog(
    "reservation, with its relay",
    _placed,
    "product-consumer",
    bare.reserve,
    published="stock.reserved",
)
NOTES = Backlog(
    "notes of reservations",
    _reserved,
    "order-consumer",
    bare.note_reservations,
    services=("order-consumer",),
)
PROJECTIONS = Backlog("projections", _placed, "query-consumer", bare.project)
BACKLOGS = (RELAY, RESERVATION, NOTES, PROJECTIONS)


@asynccontextmanager
async def backlogs(ground: Ground, size: Size) -> AsyncIterator[list[Figure]]:
    """Relay, reservation, notes, projections: each on a backlog made beforehand."""
    async with AsyncExitStack() as opened:
        figures = []
        for backlog in BACKLOGS:
            own = await opened.enter_async_context(ground.place())
            limit = await opened.enter_async_context(ground.place())
            made = Backlogs(own, limit, ground)
            arms = {
                "system": backlog.own(made, size.events),
                "bare loop": backlog.bare(made, size.events),
            }
            figures.append(Figure(backlog.name, "events/s", Better.MORE, arms))
        yield figures


def _watching(parts: Parts, progress: Progress, published: str | None) -> Parts:
    def log(client: str) -> WatchedLog:
        return WatchedLog(parts.log(client), progress, published)

    return replace(parts, log=log)


@asynccontextmanager
async def running(
    name: str, parts: Parts, services: Sequence[str] | None = None
) -> AsyncIterator[str]:
    """One role in this process, or some of its services by name; the URL of its API."""
    lifespan = Lifespan()
    role = build(name, parts, Blueprint(SHOP, IN_PROCESS), lifespan)
    if services is not None:
        kept = [each for each in role.services if each.name in services or each is role.http]
        assert len(kept) == len(services) + 1, f"{name} has no {services}"
        role = replace(role, services=tuple(kept))
    run = asyncio.create_task(process.run([role], lifespan))
    listens = asyncio.create_task(role.http.listening.wait())
    await asyncio.wait((run, listens), return_when=asyncio.FIRST_COMPLETED)
    try:
        if run.done():
            await run
        yield f"http://127.0.0.1:{role.http.port}"
    finally:
        listens.cancel()
        lifespan.stopping.set()
        await run


# --- rebuild ----------------------------------------------------------------------------------


@asynccontextmanager
async def rebuilding(ground: Ground, size: Size) -> AsyncIterator[list[Figure]]:
    """A rebuild of views over a log of so many events, from asking for it to the switch."""
    async with AsyncExitStack() as opened:
        own = await opened.enter_async_context(ground.place())
        limit = await opened.enter_async_context(ground.place())
        made = Backlogs(own, limit, ground)
        async with made.parts(own) as parts:
            await _placed(parts, made.first(own, size.events), size.events)
        arms = {
            "system": _rebuild(made, size.events),
            "bare loop": PROJECTIONS.bare(made, size.events),
        }
        yield [Figure("rebuild", "events/s", Better.MORE, arms)]


def _rebuild(made: Backlogs, events: int) -> Measure:
    async def measure() -> Sample:
        async with made.parts(made.own) as parts, running("query-consumer", parts) as url:
            old = await _live(parts, after=0)
            began = asyncio.get_running_loop().time()
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{url}/admin/rebuild") as answer,
            ):
                answer.raise_for_status()
            await _live(parts, after=old)
            return Sample(events / (asyncio.get_running_loop().time() - began))

    return measure


async def _live(parts: Parts, *, after: int) -> int:
    """Wait for a live generation later than that one."""
    async with asyncio.timeout(SEEN_S * 4):
        while True:
            live = (await parts.views.generations()).live
            if live is not None and live > after:
                return live
            await asyncio.sleep(0.02)


# --- all roles --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Running:
    """The eight roles, each as a process of its own, and a client."""

    processes: Mapping[str, RoleProcess]
    session: aiohttp.ClientSession
    user: int = 0
    products: Sequence[int] = ()

    async def made(self) -> Running:
        """The same, with a user and products that are there, and have plenty."""
        email = f"{uuid4().hex}@example.com"
        user, _ = await self._post("user-api", "/users", {"name": "Ada", "email": email})
        product = {"name": "Product", "price": Decimal("19.99"), "stock": PLENTY}
        made = [await self._post("product-api", "/products", product) for _ in range(PRODUCTS)]
        return replace(self, user=user, products=[id for id, _ in made])

    async def place(self, index: int) -> tuple[int, str]:
        """Place an order of one item: its id and its token."""
        return await self._post("order-api", "/orders", self.order(index))

    def order(self, index: int) -> Mapping[str, object]:
        product = self.products[index % len(self.products)]
        return {"user_id": self.user, "items": [{"product_id": product, "quantity": 1}]}

    async def _post(self, role: str, path: str, body: object) -> tuple[int, str]:
        headers = {"Content-Type": "application/json"}
        url = self.processes[role].url + path
        async with self.session.post(url, data=dumps(body), headers=headers) as answer:
            said = await answer.read()
            assert answer.status == 201, said
            return int(loads(said)["id"]), answer.headers["Consistency-Token"]

    async def until_shown(self, order: int, *, reserved: bool = False) -> None:
        """Look for an order in the views until it is there."""
        url = f"{self.processes['query-api'].url}/orders/{order}"
        async with asyncio.timeout(SEEN_S):
            while True:
                async with self.session.get(url) as answer:
                    said = await answer.read()
                    if answer.status == 200 and (
                        not reserved or loads(said)["reservation"] != "pending"
                    ):
                        return
                await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def whole_system(ground: Ground, size: Size) -> AsyncIterator[list[Figure]]:
    """From order to view at fixed rates, the token, everything together: eight processes."""
    settings = ground.settings
    async with AsyncExitStack() as opened:
        processes = await opened.enter_async_context(roles(environment(settings), free_ports=True))
        connector = aiohttp.TCPConnector(limit=0)
        session = await opened.enter_async_context(aiohttp.ClientSession(connector=connector))
        running_system = await Running(processes, session).made()
        for _ in range(10):
            await running_system.until_shown((await running_system.place(1))[0], reserved=True)
        limit = await opened.enter_async_context(_pipeline(ground))
        visible = [
            Figure(
                f"order → view at {rate}/s",
                "ms, p50",
                Better.LESS,
                {
                    "system": _arriving(running_system, rate, size.orders_watched),
                    "bare pipeline": limit(rate, size.orders_watched),
                },
            )
            for rate in size.rates
        ]
        yield [
            *visible,
            Figure(
                "consistency token, from visible to answered",
                "ms, p50",
                Better.LESS,
                {
                    "system": _token(running_system, size.orders_watched),
                    "a read without a token": _read(running_system, size.orders_watched),
                },
            ),
            Figure(
                EVERYTHING,
                "orders/s",
                Better.MORE,
                {"system": _everything(running_system, size.seconds * 3)},
            ),
        ]


def _arriving(made: Running, rate: int, watched: int) -> Measure:
    """Orders arrive at a constant rate, whatever the answers take; some are watched."""

    async def order_after(seconds: float, index: int, watch: bool) -> float | None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(seconds)
        began = loop.time()
        id, _ = await made.place(index)
        if not watch:
            return None
        await made.until_shown(id)
        return loop.time() - began

    async def measure() -> Sample:
        every = max(1, rate // WATCHED_A_SECOND)
        orders = [
            order_after(index / rate, index, index % every == 0) for index in range(watched * every)
        ]
        took = [each for each in await asyncio.gather(*orders) if each is not None]
        return _times(took)

    return measure


def _times(took_s: Sequence[float]) -> Sample:
    cuts = quantiles(took_s, n=100)
    return Sample(cuts[49] * 1000, {"p99 ms": cuts[98] * 1000})


@asynccontextmanager
async def _pipeline(ground: Ground) -> AsyncIterator[Callable[[int, int], Measure]]:
    """Commit, produce, consume, put, with nothing between: the least that such a path takes."""
    async with ground.place() as place, bare.pipeline(place) as through:

        def of(rate: int, watched: int) -> Measure:
            async def order_after(seconds: float) -> float:
                loop = asyncio.get_running_loop()
                await asyncio.sleep(seconds)
                began = loop.time()
                await through()
                return loop.time() - began

            async def measure() -> Sample:
                return _times(
                    await asyncio.gather(*(order_after(index / rate) for index in range(watched)))
                )

            return measure

        yield of


def _token(made: Running, watched: int) -> Measure:
    """Two readers of the same order: one looks all the time, one has sent the token.

    Who looks sees an order up to a look late, so a shorter time than that cannot be told.
    """

    async def once(index: int) -> float:
        loop = asyncio.get_running_loop()
        id, token = await made.place(index)
        url = f"{made.processes['query-api'].url}/orders/{id}"

        async def answered() -> float:
            async with made.session.get(url, headers={"Consistency-Token": token}) as answer:
                await answer.read()
                assert answer.status == 200, answer.status
                return loop.time()

        async def visible() -> float:
            await made.until_shown(id)
            return loop.time()

        answered_at, visible_at = await asyncio.gather(answered(), visible())
        return max(LOOK_S, answered_at - visible_at)

    async def measure() -> Sample:
        return _times([await once(index) for index in range(watched)])

    return measure


def _read(made: Running, watched: int) -> Measure:
    """What any read takes, of an order that is there."""

    async def measure() -> Sample:
        loop = asyncio.get_running_loop()
        id, _ = await made.place(0)
        await made.until_shown(id)
        url = f"{made.processes['query-api'].url}/orders/{id}"
        took = []
        for _ in range(watched):
            began = loop.time()
            async with made.session.get(url) as answer:
                await answer.read()
            took.append(loop.time() - began)
        return _times(took)

    return measure


def _everything(made: Running, seconds: float) -> Measure:
    """Orders a second that are placed, reserved, noted and shown: the drain counts, too."""

    async def measure() -> Sample:
        loop = asyncio.get_running_loop()
        began = loop.time()
        requests = [post("/orders", dumps(made.order(index))) for index in range(64)]
        load = await closed_loop(made.processes["order-api"].port, requests, seconds)
        last = [(await made.place(index))[0] for index in range(PRODUCTS)]
        for id in last:
            await made.until_shown(id, reserved=True)
        took_s = loop.time() - began
        return Sample(
            (len(load.took_s) + len(last)) / took_s,
            {"accepted orders/s": load.rate, "drain s": took_s - load.within_s},
        )

    return measure


# --- a role -----------------------------------------------------------------------------------


@asynccontextmanager
async def one_role(ground: Ground, _: Size) -> AsyncIterator[list[Figure]]:
    """How long a role takes until it is ready, and how much memory it has by then."""
    async with ground.place() as place:
        variables = environment(place.within(ground.settings, instance="bench"))

        def started(make: Callable[[], RoleProcess | Limit]) -> Measure:
            async def measure() -> Sample:
                process = make()
                loop = asyncio.get_running_loop()
                began = loop.time()
                await process.start()
                try:
                    return Sample(loop.time() - began, {"memory MiB": resident_mib(process.pid)})
                finally:
                    await process.stop()

            return measure

        beside = started(partial(Limit, "shared", variables))
        yield [
            Figure(
                f"start of {name}",
                "s",
                Better.LESS,
                {
                    "system": started(partial(RoleProcess, SPECS[name], variables, free_port=True)),
                    "bare aiohttp with a pool": beside,
                },
            )
            for name in ("order-api", "order-consumer")
        ]


# --- the same with history --------------------------------------------------------------------

DOUBLED = {
    "outbox": (
        "INSERT INTO outbox (aggregate, lane, event_type, message_key, payload, headers,"
        " created_at, processed_at) SELECT aggregate, lane, event_type, message_key, payload,"
        " headers, created_at, NOW(6) FROM outbox LIMIT {rows}"
    ),
    "processed_events": (
        "INSERT INTO processed_events (event_id, service_name, processed_at) SELECT UUID(),"
        " service_name, NOW(6) FROM processed_events LIMIT {rows}"
    ),
    "orders": (
        "INSERT INTO orders (user_id, status, paid, total_amount, refund_due, reservation,"
        " reservation_version, version, created_at, updated_at) SELECT user_id, status, paid,"
        " total_amount, refund_due, reservation, reservation_version, version, created_at,"
        " updated_at FROM orders LIMIT {rows}"
    ),
}


async def age(parts: Parts, rows: int) -> None:
    """So many old rows in each table that grows: sent events, handled ids, orders."""
    async with parts.work() as unit:
        await unit.sql.execute(
            text(
                "INSERT INTO processed_events (event_id, service_name, processed_at)"
                " VALUES (UUID(), 'product-consumer', NOW(6))"
            )
        )
    await grounds.fill_orders(parts, 10_000_000, 1)
    await grounds.fill_outbox(parts, 10_000_000, 1)
    async with parts.work() as unit:
        await unit.sql.execute(text("UPDATE outbox SET processed_at = NOW(6)"))
    for statement in DOUBLED.values():
        there = 1
        while there < rows:
            more = min(there, rows - there, 20_000)
            async with parts.work() as unit:
                await unit.sql.execute(text(statement.format(rows=more)))
            there += more


@asynccontextmanager
async def aged(ground: Ground, size: Size) -> AsyncIterator[list[Figure]]:
    """The hot figures beside themselves: with a hundred times the history, and fresh."""
    if not size.history:
        yield []
        return
    async with AsyncExitStack() as opened:
        figures = []
        for backlog in (RELAY, RESERVATION):
            old = await opened.enter_async_context(ground.place())
            fresh = await opened.enter_async_context(ground.place())
            async with old.parts(ground.settings, instance="age") as parts:
                await age(parts, size.history)
            figures.append(
                Figure(
                    f"{backlog.name}, {size.history:,} old rows",
                    "events/s",
                    Better.MORE,
                    {
                        "system": backlog.own(Backlogs(old, fresh, ground), size.events),
                        "fresh": backlog.own(Backlogs(fresh, old, ground), size.events),
                    },
                )
            )
        yield figures


def in_series(found: Sequence[Measured]) -> list[str]:
    """What all parts together could do if they took turns on one machine: 1 / Σ (1 / rate).

    An order is placed, relayed twice (placed, reserved), reserved, noted, and shown by two events.
    """
    rate = {figure.name: figure.value(figure.own) for figure in found}
    parts = {"POST /orders, 64 clients": 1, RELAY.name: 1, RESERVATION.name: 1, NOTES.name: 1}
    parts[PROJECTIONS.name] = 2
    if not rate.keys() >= {*parts, EVERYTHING}:
        return []
    together = 1 / sum(times / rate[part] for part, times in parts.items())
    reached = rate[EVERYTHING] / together
    return [f"everything together is {reached:.0%} of {together:,.0f} orders/s, its parts in turn"]


GENERATOR_LEAST = 1.5


def too_slow(found: Sequence[Measured]) -> list[str]:
    """Why a closed loop says nothing: the service that does least was hardly any faster.

    Were the generator what limits, all arms would be alike.
    """
    return [
        f"{figure.name}: the generator reached only {figure.value(NO_STORE):,.0f} {figure.unit}"
        for figure in found
        if NO_STORE in figure.samples
        and figure.value(NO_STORE) < GENERATOR_LEAST * figure.value(figure.own)
    ]
