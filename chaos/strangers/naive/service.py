"""What both services stand on: a pool of connections, a producer, a consumer, a web application."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import UUID, uuid4

import aiomysql
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

log = logging.getLogger("naive")

Json = dict[str, Any]  # a body or a message, as it came


def done(data: object, status: int = 200) -> JSONResponse:
    return JSONResponse({"success": True, "data": data}, status)


def refused(why: str, status: int) -> JSONResponse:
    return JSONResponse({"success": False, "error": why}, status)


class Service:
    """One service. What is special to each is in its tables, its routes and its `handle`."""

    tables: ClassVar[Sequence[str]]
    hears: ClassVar[str]
    """The topic that it consumes, as a group that has its class's name."""
    _pool: aiomysql.Pool
    _producer: AIOKafkaProducer
    _consumer: AIOKafkaConsumer

    def routes(self) -> list[Route]:
        raise NotImplementedError

    async def handle(self, message: Json) -> None:
        raise NotImplementedError

    def application(self) -> Starlette:
        return Starlette(routes=self.routes(), lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._pool = await aiomysql.create_pool(
            host=os.environ["DB_HOST"],
            port=int(os.environ["DB_PORT"]),
            user=os.environ["DB_USER"],
            password=os.environ["DB_PASSWORD"],
            db=os.environ["DB_NAME"],
            autocommit=True,
        )
        for table in self.tables:
            await self.run(f"CREATE TABLE IF NOT EXISTS {table}")
        brokers = os.environ["KAFKA"]
        self._producer = AIOKafkaProducer(bootstrap_servers=brokers)
        self._consumer = AIOKafkaConsumer(
            self.hears,
            bootstrap_servers=brokers,
            group_id=os.environ["GROUP"],
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=6000,
        )
        await self._producer.start()
        await self._consumer.start()
        tasks = [asyncio.create_task(work) for work in self.background()]
        yield
        for task in tasks:
            task.cancel()

    def background(self) -> list[Any]:  # coroutines
        return [self.consume()]

    async def consume(self) -> None:
        """Handle each message until that succeeds, then commit its offset."""
        async for record in self._consumer:
            while True:
                try:
                    await self.handle(json.loads(record.value))
                    break
                except Exception:
                    log.exception("again in a moment")
                    await asyncio.sleep(0.2)
            await self.commit()

    async def commit(self) -> None:
        try:
            await self._consumer.commit()
        except Exception:
            log.exception("the next commit will have it")

    async def send(self, topic: str, event: Json) -> None:
        # BUG keys at random: the events of one purchase lie in several partitions.
        # BUG, the other half of two commits: nobody waits until the broker has it.
        key = self.key(event)
        value = json.dumps({"id": str(uuid4()), **event}).encode()
        await self._producer.send(topic, value, key=key)

    def key(self, event: Json) -> bytes:
        return uuid4().bytes

    async def run(self, statement: str, *values: object) -> int:
        """Run a statement in a transaction of its own; the id that it made."""
        async with self._pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute(statement, values)
            return int(cursor.lastrowid or 0)

    async def rows(self, statement: str, *values: object) -> list[Json]:
        async with (
            self._pool.acquire() as connection,
            connection.cursor(aiomysql.DictCursor) as cursor,
        ):
            await cursor.execute(statement, values)
            return list(await cursor.fetchall())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiomysql.DictCursor]:
        """One transaction: committed in the end, or rolled back when it raises."""
        async with (
            self._pool.acquire() as connection,
            connection.cursor(aiomysql.DictCursor) as cursor,
        ):
            await connection.begin()
            try:
                yield cursor
                await connection.commit()
            except BaseException:
                await connection.rollback()
                raise


def new_id() -> str:
    return str(UUID(bytes=uuid4().bytes))
