"""What all uses of aiokafka share: its errors in the port's kinds, bounds, and ways to give up.

aiokafka retries for as long as a broker is away, and its `stop` waits for that too. So every call
has a bound here, and a client that reached one is discarded: stopped, and after a second cut off.
It has no public way to be cut off. Where its private parts are touched, the reason stands there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, Protocol, TypeVar

from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    InvalidSessionTimeoutError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from system.kit.errors import Fenced, Misconfigured, TimedOut, Unavailable

START_S = 5.0
STOP_S = 1.0
CUT_OFF_S = 0.5
ROUNDS = 5
RETRY_S = 0.1

Consumer = Any  # aiokafka ships no types
Producer = Any
Admin = Any

_OUT_OF_GROUP = (
    CommitFailedError,
    IllegalStateError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)


@asynccontextmanager
async def bounded(what: str, bound_s: float | None) -> AsyncIterator[None]:
    """Hold a call to its bound, and say its errors in the port's kinds.

    A client that is cut off cancels what others still wait for in it, and they did not ask for that:

        1. A and B look for topics in one producer.  2. A's bound is over: the producer is cut off.
        3. B's wait is canceled, its task is not. Taken for its end, it would end without a word.
    """
    try:
        async with asyncio.timeout(bound_s):
            yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Unavailable(f"{what}: its client was cut off") from None
    except TimeoutError:
        raise TimedOut(f"{what}: Kafka did not answer in time") from None
    except _OUT_OF_GROUP as error:
        raise Fenced(f"{what}: {error!r}") from error
    except InvalidSessionTimeoutError as error:
        raise Misconfigured(
            "Kafka refuses the session's time: set KAFKA_SESSION_TIMEOUT to one between the"
            " broker's group.min.session.timeout.ms (6s by default) and its maximum"
        ) from error
    except (KafkaError, OSError) as error:
        raise Unavailable(f"{what}: {error!r}") from error


class Client(Protocol):
    async def start(self) -> None: ...


C = TypeVar("C", bound=Client)
T = TypeVar("T")


class Background:
    """Tasks that only `close` waits for."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._tasks)


class Kept(Generic[C]):
    """A client that is started when it is needed, and anew after it was discarded."""

    def __init__(self, make: Callable[[], C], close: Callable[[C], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._client: C | None = None
        self._starting: asyncio.Task[C] | None = None
        self._background = Background()

    async def get(self) -> C:
        """Raises Unavailable. All that ask meanwhile share one start, and its failure."""
        if self._client is not None:
            return self._client
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(seen)
        return await asyncio.shield(self._starting)

    async def _start(self) -> C:
        client = self._make()
        try:
            async with bounded("connecting", START_S):
                await client.start()
        except BaseException:
            self._background.add(self._closed(client))
            raise
        else:
            self._client = client
            return client
        finally:
            self._starting = None

    def discard(self, client: C) -> None:
        """Close this client in the background, once, and let the next `get` make another."""
        if self._client is client:
            self._client = None
            self._background.add(self._closed(client))

    async def _closed(self, client: C) -> None:
        await self._close(client)

    async def close(self) -> None:
        if self._starting is not None:
            with suppress(Unavailable):
                await asyncio.shield(self._starting)
        if self._client is not None:
            self.discard(self._client)
        await self._background.close()


def seen(task: asyncio.Future[Any]) -> None:
    """Look at a task's failure, so that it is no complaint when all who waited have given up."""
    if not task.cancelled():
        task.exception()


async def close_admin(admin: Admin) -> None:
    await _within(CUT_OFF_S, admin.close())


async def close_producer(producer: Producer) -> None:
    """Let it send what it has if that works within its bound; else it is cut off."""
    # `stop` alone would wait for batches that an absent leader never acknowledges, in a task
    # of its own that could not be ended.
    if await _within(STOP_S, producer.flush()) and await _within(CUT_OFF_S, producer.stop()):
        return
    producer._closed = True  # noqa: SLF001 (or it says when it is deleted that it was not closed)
    sender = producer._sender.sender_task  # noqa: SLF001
    await _cut_off(producer.client, [sender] if sender is not None else [])


async def close_consumer(consumer: Consumer) -> None:
    """Stop it if that works within its bound; else end the tasks of its parts."""
    tasks = _tasks_of(consumer)
    for task in tasks:  # `stop` passes by one that has failed already
        task.add_done_callback(seen)
    if await _within(STOP_S, consumer.stop()):
        return
    # `stop` ends one part after the other, so those behind the one that hangs are still there.
    await _cut_off(consumer._client, tasks)  # noqa: SLF001


def _tasks_of(consumer: Consumer) -> list[asyncio.Task[None]]:
    coordinator, fetcher = consumer._coordinator, consumer._fetcher  # noqa: SLF001
    tasks = []
    if coordinator is not None:
        tasks += [
            getattr(coordinator, name, None)
            for name in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task")
        ]
    if fetcher is not None:
        tasks += [fetcher._fetch_task, *fetcher._pending_tasks]  # noqa: SLF001
    return [task for task in tasks if task is not None]


def see_commits(consumer: Consumer) -> None:
    """Look at the failure of each commit, also when the caller has given up.

    aiokafka shields a commit from that, and then no task waits for it any more.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    commit = coordinator._do_commit_offsets  # noqa: SLF001

    def seen_commit(*arguments: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(commit(*arguments))
        task.add_done_callback(seen)
        return task

    coordinator._do_commit_offsets = seen_commit  # noqa: SLF001


async def _cut_off(client: Any, tasks: Collection[asyncio.Task[None]]) -> None:
    """End these tasks and close the connections under their requests."""
    going_on = set(tasks)
    for task in going_on:
        task.cancel()
    await _within(CUT_OFF_S, client.close())
    for _ in range(ROUNDS):
        if not going_on:
            return
        # A request that failed wants fresh metadata, which a closed client never fetches.
        if (update := client._md_update_fut) is not None:  # noqa: SLF001
            update.cancel()
        _, going_on = await asyncio.wait(going_on, timeout=CUT_OFF_S / ROUNDS)


async def _within(bound_s: float, ending: Coroutine[Any, Any, None]) -> bool:
    """Whether it ended well, and in time."""
    # In a task of its own: aiokafka lets the cancellation of its own tasks escape from `stop`,
    # where it could not be told from ours.
    task = asyncio.create_task(ending)
    task.add_done_callback(seen)  # also when it is done too late
    try:
        await asyncio.wait((task,), timeout=bound_s)
    finally:
        task.cancel()
    await asyncio.wait((task,), timeout=CUT_OFF_S)
    if not task.done() or task.cancelled():
        return False
    if (error := task.exception()) is not None and not isinstance(error, KafkaError | OSError):
        raise error
    return error is None
