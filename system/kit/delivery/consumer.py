"""The consumer: reads topics in a group and hands each partition's records to its own lane.

The poll loop never processes, so membership is kept whatever a handler waits for. It drains
everything into one lane per partition and names lanes over 1,000 records as full. A lane that
waits for seconds, or an hour, holds up no other; messages behind it in its own partition wait, as
the order of their keys wants.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from system.kit.delivery.middleware import Batch, Step
from system.kit.delivery.patience import Outage
from system.kit.errors import Fenced, Stopping, Unavailable
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger
from system.kit.metrics import Metrics
from system.kit.ports.log import Log, Partition, Record, Subscription
from system.kit.timing import TIMING, Timing

BATCH_MAX = 100
"""Larger ones hold their locks for longer than another transaction waits with rows in hand."""
FULL_AT = 1_000
FULL_AT_BYTES = 16 * 1024 * 1024
"""A record that another program wrote may be as large as a whole batch unpacks to."""
HEADER_BYTES = 100
"""About what the objects of a header take beside its name and value."""
REVOKE_S = 4.0
MEASURE_S = 1.0

Chain = Callable[[Lifespan], Step]
"""Builds the steps of one lane; its waits end with the lane's life."""


class Lane:
    """The queue of one partition; one batch in hand at a time."""

    def __init__(self, chain: Chain, batch_max: int = BATCH_MAX) -> None:
        self.lifespan = Lifespan()
        self._batch_max = batch_max
        self.queue: deque[Record] = deque()
        self._bytes = 0
        self.done: int | None = None
        """The offset after the last record whose effect is committed."""
        self._step = chain(self.lifespan)
        self._filled = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    @property
    def is_full(self) -> bool:
        return len(self.queue) >= FULL_AT or self._bytes >= FULL_AT_BYTES

    def extend(self, records: Sequence[Record]) -> None:
        self.queue.extend(records)
        self._bytes += sum(map(_size, records))
        self._filled.set()

    def ask_to_stop(self) -> None:
        """End its waits, and let it finish the batch in hand."""
        self.lifespan.stopping.set()
        self._filled.set()

    async def _run(self) -> None:
        with suppress(Stopping, Fenced):  # what is in hand is repeated, by us or by the next owner
            while not self.lifespan.stopping.is_set():
                if not self.queue:
                    self._filled.clear()
                    await self._filled.wait()
                    continue
                size = min(self._batch_max, len(self.queue))
                records = tuple(self.queue[index] for index in range(size))
                await self._step(Batch(records))
                for _ in records:
                    self._bytes -= _size(self.queue.popleft())
                self.done = records[-1].offset + 1


def _size(record: Record) -> int:
    """In memory. Headers count: a record may have nothing else, and thousands of them."""
    message = record.message
    headers = sum(len(name) + len(value) + HEADER_BYTES for name, value in message.headers)
    return len(message.key) + len(message.value) + headers


class Consumer:
    """One member of a group, with one lane per partition it was given."""

    def __init__(
        self,
        name: str,
        group: str,
        chains: Mapping[str, Chain],
        *,
        log: Log,
        metrics: Metrics,
        logger: Logger,
        batch_max: int = BATCH_MAX,
        timing: Timing = TIMING,
    ) -> None:
        self.name = name
        self.group = group
        self._timing = timing
        self._chains = chains
        self._log = log
        self._metrics = metrics
        self._logger = logger
        self._batch_max = batch_max
        self._outage = Outage(logger, "the log is away", group=group)
        self._uncommitted = Outage(logger, "offsets not committed yet", group=group)
        self._lanes: dict[Partition, Lane] = {}
        self._committed: dict[Partition, int] = {}
        self._subscription: Subscription | None = None

    async def run(self, lifespan: Lifespan) -> None:
        with suppress(Stopping):
            while not lifespan.stopping.is_set():
                try:
                    await self._take_part(lifespan)
                except Unavailable as away:
                    lifespan.unready(self.name)
                    self._outage.goes_on(away)
                    await lifespan.sleep(0.5)
        self._metrics.no_lag(self.group, self._chains)

    async def _take_part(self, lifespan: Lifespan) -> None:
        topics = self._chains.keys()
        async with self._log.subscribe(self.group, topics, self._revoked) as subscription:
            self._subscription = subscription
            measuring = asyncio.create_task(self._measure_often(subscription))
            try:
                await self._poll_until_stopped(subscription, lifespan)
            finally:
                measuring.cancel()

    async def _poll_until_stopped(self, subscription: Subscription, lifespan: Lifespan) -> None:
        while not lifespan.stopping.is_set():
            full = [place for place, lane in self._lanes.items() if lane.is_full]
            polled = await subscription.poll(full=full, timeout_s=self._timing.consumer_poll_s)
            lifespan.ready(self.name)
            self._outage.is_over()
            for partition, records in polled.items():
                self._lane(partition).extend(records)
            self._raise_if_broken()
            await self._commit()

    def _lane(self, partition: Partition) -> Lane:
        if partition not in self._lanes:
            self._lanes[partition] = Lane(self._chains[partition.topic], self._batch_max)
        return self._lanes[partition]

    async def _revoked(self, partitions: frozenset[Partition]) -> None:
        """Let lanes finish what is in hand, note how far they came, and forget them."""
        lanes = {place: lane for place, lane in self._lanes.items() if place in partitions}
        for lane in lanes.values():
            lane.ask_to_stop()
        tasks = [lane.task for lane in lanes.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=REVOKE_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=1.0)
        self._raise_if_broken()
        await self._commit()
        for place in lanes:
            del self._lanes[place]
            self._committed.pop(place, None)

    async def _commit(self) -> None:
        """Commit the offsets of what is done: always after the effects."""
        news = {
            place: lane.done
            for place, lane in self._lanes.items()
            if lane.done is not None and lane.done != self._committed.get(place)
        }
        if not news or self._subscription is None:
            return
        try:
            await self._subscription.commit(news)
        except (Fenced, Unavailable) as error:
            # of what was lost the effects are in and the inbox knows them: the new owner skips it
            self._uncommitted.goes_on(error)
        else:
            self._uncommitted.is_over()
            self._committed |= news

    def _raise_if_broken(self) -> None:
        """A lane never fails for a message's sake; if one did, the process must not go on."""
        for lane in self._lanes.values():
            if lane.task.done() and not lane.task.cancelled() and (broken := lane.task.exception()):
                raise broken

    async def _measure_often(self, subscription: Subscription) -> None:
        """Show the lag, apart from the poll loop: asking for it may take long, or fail."""
        while True:
            with suppress(Unavailable):  # what cannot be measured now is measured next time
                await self._measure(subscription)
            await asyncio.sleep(MEASURE_S)

    async def _measure(self, subscription: Subscription) -> None:
        waiting = dict.fromkeys(self._chains, 0)
        for partition, unread in (await subscription.lag()).items():
            waiting[partition.topic] += unread
        for partition, lane in self._lanes.items():
            waiting[partition.topic] += len(lane.queue)
        for topic, records in waiting.items():
            self._metrics.lag(self.group, topic, records)
