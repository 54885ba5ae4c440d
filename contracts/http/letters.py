"""Dead letters on demand: parked as a consumer would, so that operations have some to work on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import structlog

from contracts.http.things import TIMEOUT_S
from scenarios.harness.stack import Stack
from scenarios.http.toy import World
from system.kit.delivery.dead_letters import DeadLetters, dead_letter_id
from system.kit.delivery.failures import Failure
from system.kit.errors import Poison
from system.kit.metrics import Metrics
from system.kit.ports.log import Record
from system.table import SHOP

TOPIC = "order.created"


async def letter_maker(stack: Stack) -> Callable[[str], str]:
    """Makes letters of a consumer, from another thread than the stack's loop."""
    offsets = count(1_000_000)  # of messages that never lay there
    loop = asyncio.get_running_loop()
    product = await stack.given.product()
    await stack.given.order({product.id: 1})
    await stack.settled()
    (record, *_) = await stack.records(TOPIC)

    def make(consumer: str) -> str:
        parked = replace(record, offset=next(offsets))
        asyncio.run_coroutine_threadsafe(_park(stack, consumer, parked), loop).result(TIMEOUT_S)
        place = record.partition
        return dead_letter_id(place.topic, place.number, parked.offset, consumer)

    return make


async def _park(stack: Stack, consumer: str, record: Record) -> None:
    letters = DeadLetters(
        consumer, SHOP.topics, stack.log, World(), Metrics(), structlog.get_logger()
    )
    now = datetime.now(UTC)
    await letters.park(record, Failure(Poison("made for this"), 1, now, now))
