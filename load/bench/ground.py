"""What is measured on: the servers, a place of its own for each arm, and what is put there first."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from aiohttp import ClientSession, ClientTimeout
from sqlalchemy import insert, text

from scenarios.delivery.bench import CAUSE, message
from scenarios.harness.namespace import Place, places
from scenarios.harness.servers import DocumentDB, LocalServers
from scenarios.harness.servers.common import ANSWER_S, HOST, Server
from system.events import (
    Name,
    Order,
    OrderCreated,
    OrderItem,
    OrderStatus,
    ReservationState,
    StockReserved,
)
from system.kit import process, stacks
from system.kit.delivery import outbox
from system.kit.events import Event
from system.kit.lifespan import Lifespan
from system.kit.parts import Parts
from system.orders.store import orders
from system.products.store import products, stock
from system.roles import ROLES
from system.settings import Settings, load_settings
from system.table import SHOP
from system.users.store import users

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)
PRODUCTS = 20
PLENTY = 10**9
ROWS_AT_ONCE = 1_000
ROLE_NAMES = tuple(spec.name for spec in ROLES)


class NotDurable(Exception):
    """A server may forget what it has acknowledged: a figure of it means nothing."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The servers of one run."""

    settings: Settings
    local: LocalServers | None

    @property
    def product(self) -> str:
        """The servers by name."""
        if self.local is None:
            return "those at MYSQL_DSN, KAFKA_BROKERS and MONGO_URI"
        servers = (self.local.kafka, self.local.sql, self.local.mongo)
        return ", ".join(server.product for server in servers)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """Databases and topics of their own, with tables, topics, a user and products."""
        async with places.place(self.settings, None) as place:
            async with place.parts(self.settings, instance="seed") as parts:
                await process.prepared(ROLES, parts, Lifespan())
                await seed(parts)
            yield place

    async def durability(self) -> Mapping[str, str]:
        """What the servers say of their promises. Raises NotDurable."""
        said: dict[str, str] = {}
        async with stacks.servers(self.settings, SHOP.all_topics) as parts, parts.work() as unit:
            for name in ("innodb_flush_log_at_trx_commit", "sync_binlog", "log_bin"):
                found = await unit.sql.execute(text(f"SHOW VARIABLES LIKE '{name}'"))
                row = found.one_or_none()
                said[name] = str(row[1]) if row else "?"
        if self.local is not None and isinstance(self.local.mongo, DocumentDB):
            for name in ("fsync", "synchronous_commit"):
                said[f"postgres {name}"] = await self.local.mongo.postgres.run(f"SHOW {name}")
        forgets = [
            f"{name} = {value}"
            for name, value in said.items()
            if value not in DURABLE.get(name, {value})
        ]
        if said.get("log_bin") != "ON":
            forgets = [each for each in forgets if not each.startswith("sync_binlog")]
        if forgets:
            raise NotDurable(f"the servers may forget what they acknowledged: {', '.join(forgets)}")
        return said


DURABLE = {
    "innodb_flush_log_at_trx_commit": {"1"},
    "sync_binlog": {"1"},
    "postgres fsync": {"on"},
    "postgres synchronous_commit": {"on"},
}


@asynccontextmanager
async def ground(stack: str, database: str, views: str | None) -> AsyncIterator[Ground]:
    """The servers at the addresses of the environment, or those that this starts."""
    if stack == "addresses":
        yield Ground(load_settings(None), None)
        return
    async with LocalServers(database=database, views=views) as servers:
        yield Ground(Settings.model_validate(servers.environment()), servers)


# --- what is there before ---------------------------------------------------------------------


async def seed(parts: Parts) -> None:
    """One user, and products of which there is plenty; their ids begin at 1."""
    stamps = {"created_at": AT, "updated_at": AT, "version": 1}
    async with parts.work() as unit:
        await unit.sql.execute(
            insert(users), [{"id": 1, "name": "Ada", "email": "ada@example.com", **stamps}]
        )
        for number in range(1, PRODUCTS + 1):
            product = {"id": number, "name": f"Product {number}", "price": Decimal("19.99")}
            await unit.sql.execute(insert(products), [product | stamps])
            await unit.sql.execute(
                insert(stock), [{"product_id": number, "on_hand": PLENTY, "version": 1}]
            )


def placed(number: int) -> OrderCreated:
    """An order of one item, as its event tells it."""
    product = number % PRODUCTS + 1
    item = OrderItem(product_id=product, quantity=1, unit_price=Decimal("19.99"))
    return OrderCreated(
        event_id=UUID(int=number),
        occurred_at=AT,
        order_id=number,
        version=1,
        order=Order(
            id=number,
            user_id=1,
            status=OrderStatus.CREATED,
            paid=False,
            total_amount=Decimal("19.99"),
            items=(item,),
            payment_method=None,
            cancel_reason=None,
            refund_due=False,
            created_at=AT,
            updated_at=AT,
        ),
        user_name=Name(id=1, name="Ada", version=1),
        product_names=(Name(id=product, name=f"Product {product}", version=1),),
    )


def reserved(number: int) -> StockReserved:
    """That order's reservation."""
    return StockReserved(
        event_id=UUID(int=2**64 + number),
        occurred_at=AT,
        order_id=number,
        product_id=number % PRODUCTS + 1,
        quantity=1,
        stock=PLENTY - number,
        stock_version=number + 1,
        reservation=ReservationState.RESERVED,
        reservation_version=1,
    )


async def publish(parts: Parts, events: Sequence[Event]) -> None:
    """Put them into the log, all of them."""
    messages = [message(event) for event in events]
    results = await parts.log("seed").publish(messages)
    assert results == [None] * len(messages), next(error for error in results if error)


async def fill_outbox(parts: Parts, first: int, count: int) -> None:
    """Unsent rows of orders placed, in transactions of a thousand."""
    for begin in range(first, first + count, ROWS_AT_ONCE):
        numbers = range(begin, min(begin + ROWS_AT_ONCE, first + count))
        async with parts.work() as unit:
            await outbox.append(
                unit.sql, [outbox.row(placed(number), CAUSE, AT) for number in numbers]
            )


async def fill_orders(parts: Parts, first: int, count: int) -> None:
    """The orders themselves, for what notes their reservations."""
    for begin in range(first, first + count, ROWS_AT_ONCE):
        numbers = range(begin, min(begin + ROWS_AT_ONCE, first + count))
        async with parts.work() as unit:
            rows = [
                {
                    "id": number,
                    "user_id": 1,
                    "status": OrderStatus.CREATED.value,
                    "paid": False,
                    "total_amount": Decimal("19.99"),
                    "refund_due": False,
                    "reservation": ReservationState.PENDING.value,
                    "reservation_version": 0,
                    "version": 1,
                    "created_at": AT,
                    "updated_at": AT,
                }
                for number in numbers
            ]
            await unit.sql.execute(insert(orders), rows)


# --- processes --------------------------------------------------------------------------------


class Limit(Server):
    """A service of `load.limits`, as a process of its own."""

    product = "ready"

    def __init__(self, how: str, environment: Mapping[str, str]) -> None:
        super().__init__()
        self.name = f"limit-{how}"
        self._how = how
        self._environment = environment

    async def fetch(self) -> None:
        """It is here."""

    def _command(self, folder: Path) -> Sequence[str | Path]:
        return (sys.executable, "-m", "load.limits.orders", self._how)

    def _variables(self) -> Mapping[str, str]:
        return {**self._environment, "PORT": str(self.port)}

    async def _greet(self) -> None:
        async with (
            ClientSession(timeout=ClientTimeout(total=ANSWER_S)) as session,
            session.get(f"http://{HOST}:{self.port}/readyz") as answer,
        ):
            answer.raise_for_status()


def environment(settings: Settings) -> dict[str, str]:
    """What a process reads to work with these settings."""
    return {
        "MYSQL_DSN": _dsn(settings),
        "MONGO_URI": settings.mongo_uri.get_secret_value(),
        "KAFKA_BROKERS": ",".join(settings.kafka_brokers),
        "KAFKA_PREFIX": settings.kafka_prefix,
    }


def _dsn(settings: Settings) -> str:
    url = settings.mysql_url()
    return f"{url.username}:{url.password}@tcp({url.host}:{url.port})/{url.database}"


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used, in user and in system mode (Linux, proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Memory of a process that is resident, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)
