"""The parts of one process on a virtual clock: the real chain and relay, on the embedded stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from random import Random
from typing import Any, ParamSpec
from uuid import UUID

from sqlalchemy import Column, Integer, MetaData, Table, insert, select, update
from sqlalchemy.schema import CreateTable

from chaos.kit.virtual_time import run
from system.events import BY_TYPE, User, UserCreated
from system.kit import logs, stacks
from system.kit.chains import ChainParts, write_chain
from system.kit.delivery import outbox
from system.kit.delivery.dead_letters import DeadLetter, DeadLetters
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.delivery.middleware.handled import Handler, handled
from system.kit.events import Cause, Event
from system.kit.lifespan import Lifespan
from system.kit.metrics import Metrics
from system.kit.parts import Parts
from system.kit.ports.log import Log, Message, Record
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.ports.world import Now
from system.kit.steps import chain
from system.settings import Settings
from system.table import SHOP

EPOCH = datetime(2026, 1, 31, 8, tzinfo=UTC)
CONSUMER = "product-consumer"
CAUSE = Cause(UUID(int=1), None, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
RETRY_DELAYS_S = Settings().retry_delays_s
"""As they are when nobody sets them."""

P = ParamSpec("P")

counter = Table("counter", MetaData(), Column("count", Integer, nullable=False))


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on a clock of its own, where hours pass at once."""

    @wraps(test)
    def on_a_virtual_clock(*args: P.args, **kwargs: P.kwargs) -> None:
        run(test(*args, **kwargs))

    return on_a_virtual_clock


class VirtualWorld:
    """The wall clock follows the loop's; ids and chance are the same in every run."""

    def __init__(self) -> None:
        self.random = Random(1)

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)


@dataclass
class Bench:
    """What a test of the delivery works with."""

    parts: Parts
    letters: DeadLetters
    metrics: Metrics
    lifespan: Lifespan = field(default_factory=Lifespan)

    def chain(
        self,
        handler: Handler,
        *,
        consumer: str = CONSUMER,
        delays_s: Sequence[float] = RETRY_DELAYS_S,
        made_by: Callable[[ChainParts], list[Middleware]] = write_chain,
    ) -> Step:
        """The real chain around a handler."""
        made_of = ChainParts(
            consumer=consumer,
            parts=self.parts,
            retry_delays_s=delays_s,
            park=self.letters.park,
            metrics=self.metrics,
            logger=logs.logger(consumer),
            lifespan=self.lifespan,
            events=BY_TYPE,
        )
        return chain(made_by(made_of), handled(handler))

    async def open_letters(self) -> list[DeadLetter]:
        found = await self.letters.open(["user.created"])
        return [await self.letters.kept(letter) for letter in found]

    async def batch(self, *messages: Message) -> Batch:
        """Put messages of one key into the log, and take them as a lane would."""
        before = await self.parts.log("bench").ends([messages[0].topic])
        assert await self.parts.log("bench").publish(messages) == [None] * len(messages)
        return Batch(
            tuple(
                [
                    record
                    async for record in self.parts.log("bench").read(messages[0].topic)
                    if record.offset >= before[record.partition]
                ]
            )
        )

    async def records(self, topic: str) -> list[Record]:
        return [record async for record in self.parts.log("bench").read(topic)]

    # --- a counter in the write model, as an effect that can be seen ------------------------------

    async def begin_to_count(self) -> None:
        async with self.parts.work() as unit:
            await unit.sql.execute(CreateTable(counter))
            await unit.sql.execute(insert(counter).values(count=0))

    async def count(self) -> int:
        async with self.parts.work() as unit:
            return int((await unit.sql.execute(select(counter.c.count))).scalar_one())


async def count_all(batch: Sequence[Any], unit: UnitOfWork) -> None:
    """A handler that is a bare counter: nothing but the inbox guards it."""
    await unit.sql.execute(update(counter).values(count=counter.c.count + len(batch)))


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    async with stacks.embedded(Settings(), SHOP.all_topics) as real:
        world = VirtualWorld()
        parts = replace(real, world=world, work=_on_time(real.work, world))
        metrics = Metrics()
        letters = letters_of(CONSUMER, parts, parts.log(CONSUMER), metrics)
        yield Bench(parts, letters, metrics)


def letters_of(consumer: str, parts: Parts, log: Log, metrics: Metrics) -> DeadLetters:
    return DeadLetters(consumer, SHOP.topics, log, parts.world, metrics, logs.logger(consumer))


def _on_time(work: UnitOfWorkFactory, world: VirtualWorld) -> UnitOfWorkFactory:
    """Transactions that know no clock but the virtual one."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[UnitOfWork]:
        async with work() as unit:
            unit.now = Now.of(world)
            yield unit

    return opened


def registered(id: int = 7, *, number: int = 0) -> UserCreated:
    """An event that anything can be done with. `number` tells those of one user apart."""
    user = User(id=id, name="Ada", email="ada@example.com", created_at=EPOCH, updated_at=EPOCH)
    return UserCreated(
        event_id=UUID(int=id * 1_000 + number), occurred_at=EPOCH, user=user, version=1
    )


def message(event: Event) -> Message:
    """An event as its relay would send it."""
    return outbox.message(outbox.row(event, CAUSE, EPOCH))
