"""The publishing half of the Kafka log: prefixes per partition, and a new producer after trouble.

An idempotent producer of aiokafka never lets a batch expire whose leader is known, and after any
batch that failed it goes on with sequence numbers that the broker refuses. So a batch that fails
or is late costs the producer: its partition's messages are failed and a new one is made. A batch
of the old one may still arrive. That is a repeat, and never a reordering: a relay that publishes again
begins with the first message that failed.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
)

from system.kit.adapters.kafka.clients import Kept, Producer, bounded, close_producer
from system.kit.adapters.kafka.records import SingleBatch
from system.kit.adapters.kafka.rules import MessageTooLarge, fits, too_large
from system.kit.errors import Poison, TimedOut, Unavailable
from system.kit.ports.log import Message, Partition, is_utf8
from system.kit.ports.partitioner import partition_number

BATCH_BYTES_MAX = 900_000
"""Under the broker's 1,048,588, which aiokafka does not check. A larger message goes alone."""
PARTITION_S = 5.0
REQUEST_S = 2.0
"""So that a request lost in a half-open connection is sent again within the partition's bound."""
TOPIC_S = 2.0

Outcome = Exception | None


class Publisher:
    """Publishes with one producer at a time."""

    def __init__(self, make: Callable[[], Producer]) -> None:
        self._producers: Kept[Producer] = Kept(make, close_producer)

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        if not messages:
            return []
        try:
            counts = await self._partition_counts({message.topic for message in messages})
        except Unavailable as error:
            return [error] * len(messages)
        outcomes: list[Outcome] = [None] * len(messages)
        placed: defaultdict[Partition, list[int]] = defaultdict(list)
        for index, message in enumerate(messages):
            if (count := counts[message.topic]) is None:
                outcomes[index] = Unavailable(f"there is no topic {message.topic}")
            else:
                place = Partition(message.topic, partition_number(message.key, count))
                placed[place].append(index)

        async def send(partition: Partition, indexes: Sequence[int]) -> None:
            sent = await self._send([messages[index] for index in indexes], partition)
            for index, outcome in zip(indexes, sent, strict=True):
                outcomes[index] = outcome

        await asyncio.gather(*(send(*part) for part in placed.items()))
        return outcomes

    async def _partition_counts(self, topics: Collection[str]) -> dict[str, int | None]:
        producer = await self._producers.get()

        async def count(topic: str) -> int | None:
            try:
                async with bounded(f"looking for topic {topic}", TOPIC_S):
                    return len(await producer.partitions_for(topic))
            except Unavailable:
                return None

        return dict(zip(topics, await asyncio.gather(*map(count, topics)), strict=True))

    async def _send(self, messages: Sequence[Message], partition: Partition) -> list[Outcome]:
        """Send one partition's messages within its bound; the outcome of each."""
        sending = _Sending(self._producers, partition, messages)
        failure: Exception | None = None
        try:
            async with bounded(f"publishing to {partition.topic}", PARTITION_S):
                await sending.run()
        except (Unavailable, Poison) as error:
            failure = error
        outcomes: list[Outcome] = [None] * sending.acked
        rest = len(messages) - sending.acked
        if failure is not None:
            outcomes += [failure, *[_after(failure)] * (rest - 1)]
        return outcomes

    async def close(self) -> None:
        await self._producers.close()


def _after(failure: Exception) -> Exception:
    if isinstance(failure, TimedOut):
        return failure
    return Unavailable("an earlier message of its partition was not stored")


class _Sending:
    """One partition's messages on their way: batch after batch, each only after the last's ack."""

    def __init__(
        self, producers: Kept[Producer], partition: Partition, messages: Sequence[Message]
    ) -> None:
        self.acked = 0
        self._producers = producers
        self._partition = partition
        self._messages = messages
        self._batch_count_max = len(messages)
        self._compress = False
        """Whether the next one was refused as it is."""

    async def run(self) -> None:
        while self.acked < len(self._messages):
            producer = await self._producers.get()
            batch, count = self._filled(producer)
            try:
                acknowledged = await producer.send_batch(
                    batch, self._partition.topic, partition=self._partition.number
                )
                await acknowledged
            except ProducerClosed:
                self._producers.discard(producer)  # another partition's trouble: nothing was sent
                continue
            except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
                self._producers.discard(producer)
                if self._compress:
                    raise MessageTooLarge(f"the broker refused it: {error!r}") from error
                self._compress = count == 1
                self._batch_count_max = max(1, count // 2)
                continue
            except (KafkaError, asyncio.CancelledError):  # canceled: its time is up
                self._producers.discard(producer)
                raise
            self.acked += count
            self._compress = False

    def _filled(self, producer: Producer) -> tuple[object, int]:
        """Put as many messages into a batch as it takes, at least one. Raises MessageTooLarge.

        One that its topic does not take as it is goes alone, compressed.
        """
        messages = self._messages[self.acked : self.acked + self._batch_count_max]
        if self._compress or not _is_plain(messages[0]):
            return _single(messages[0]), 1
        batch = producer.create_batch()
        count = 0
        for message in itertools.takewhile(_is_plain, messages):
            headers = list(message.headers)
            if not batch.append(
                key=message.key, value=message.value, timestamp=None, headers=headers
            ):
                break
            count += 1
        batch.close()
        return batch, count


def _is_plain(message: Message) -> bool:
    """Whether aiokafka can write it as it is, and its topic takes it so."""
    return fits(message) and all(is_utf8(name) for name, _ in message.headers)


def _single(message: Message) -> SingleBatch:
    if error := too_large(message, 0):
        raise error
    batch = SingleBatch(message)
    if error := too_large(message, batch.size()):
        raise error
    return batch
