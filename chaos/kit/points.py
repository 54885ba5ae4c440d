"""Fault points: a hop before and after each call to a store, where a test can fault.

A call is two hops. An error at the *request* means that nothing happened; an error at the *reply*
means that it happened and its acknowledgement was lost. The wrappers stand around the ports, so
the system under test is the real one; what happens at a hop is the policy of whoever hits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import ParamSpec, Protocol, TypeVar

from system.kit.errors import OutcomeUnknown, Unavailable
from system.kit.parts import Parts
from system.kit.ports.log import Log, Message, Partition, Record, Revoked, Subscription
from system.kit.ports.views import Document, Fields, Generations, Put, Views, ViewStore
from system.kit.ports.work import Probe, UnitOfWork, UnitOfWorkFactory

P = ParamSpec("P")
T = TypeVar("T")


class Hop(StrEnum):
    REQUEST = "request"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class Point:
    """A place to fault: `log.publish` of `order-consumer-relay`, on its way back."""

    process: str
    call: str
    hop: Hop


class FaultPolicy(Protocol):
    """What happens at a hop: nothing, a pause, or an error that is raised."""

    async def at(self, point: Point) -> None: ...


def with_faults(parts: Parts, policy: FaultPolicy, process: str) -> Parts:
    """The parts of a process, with a fault point around each call to a store."""
    return replace(
        parts,
        work=faulty_work(parts.work, policy, process),
        probe=_faulty_probe(parts.probe, policy, process),
        writable=_faulty_probe(parts.writable, policy, process),
        log=lambda role: FaultyLog(parts.log(role), policy, role),
        view_store=cache(lambda: FaultyViewStore(parts.views, policy, process)),
    )


def faulty_work(work: UnitOfWorkFactory, policy: FaultPolicy, process: str) -> UnitOfWorkFactory:
    @asynccontextmanager
    async def opened() -> AsyncIterator[UnitOfWork]:
        await policy.at(Point(process, "sql.begin", Hop.REQUEST))
        async with work() as unit:
            yield unit
            await policy.at(Point(process, "sql.commit", Hop.REQUEST))
        try:
            await policy.at(Point(process, "sql.commit", Hop.REPLY))
        except Unavailable as lost:
            raise OutcomeUnknown(str(lost)) from lost

    return opened


def _faulty_probe(asked: Probe, policy: FaultPolicy, process: str) -> Probe:
    async def probe() -> None:
        await policy.at(Point(process, "sql.probe", Hop.REQUEST))
        await asked()

    return probe


async def _nothing() -> None:
    """Of a call whose answer comes bit by bit: it is hit as a whole, before."""


class _Around:
    """Runs a call between its two hops."""

    def __init__(self, policy: FaultPolicy, process: str) -> None:
        self._policy = policy
        self._process = process

    async def _call(
        self, name: str, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        await self._policy.at(Point(self._process, name, Hop.REQUEST))
        result = await call(*args, **kwargs)
        await self._policy.at(Point(self._process, name, Hop.REPLY))
        return result


class FaultyLog(_Around):
    def __init__(self, log: Log, policy: FaultPolicy, process: str) -> None:
        super().__init__(policy, process)
        self._log = log

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        """A lost acknowledgement fails every message: the caller cannot know better."""
        try:
            return await self._call("log.publish", self._log.publish, messages)
        except Unavailable as away:
            return [away] * len(messages)

    @asynccontextmanager
    async def subscribe(
        self, group: str, topics: Collection[str], revoked: Revoked
    ) -> AsyncIterator[Subscription]:
        await self._call("log.subscribe", _nothing)
        async with self._log.subscribe(group, topics, revoked) as subscription:
            yield FaultySubscription(subscription, self._policy, self._process)

    async def read(self, *topics: str, start: int = 0) -> AsyncIterator[Record]:
        await self._call("log.read", _nothing)
        async for record in self._log.read(*topics, start=start):
            yield record

    async def record(self, partition: Partition, offset: int) -> Record | None:
        return await self._call("log.read", self._log.record, partition, offset)

    async def committed(self, group: str) -> Mapping[Partition, int]:
        return await self._call("log.committed", self._log.committed, group)

    async def ends(self, topics: Collection[str]) -> Mapping[Partition, int]:
        return await self._call("log.ends", self._log.ends, topics)

    async def ensure(self, topics: Collection[str]) -> None:
        await self._log.ensure(topics)


class FaultySubscription(_Around):
    def __init__(self, subscription: Subscription, policy: FaultPolicy, process: str) -> None:
        super().__init__(policy, process)
        self._subscription = subscription

    async def poll(
        self, *, full: Collection[Partition], timeout_s: float
    ) -> Mapping[Partition, Sequence[Record]]:
        """Hit before the call alone: a client that has taken records does not lose them."""
        await self._policy.at(Point(self._process, "log.poll", Hop.REQUEST))
        return await self._subscription.poll(full=full, timeout_s=timeout_s)

    async def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        await self._call("log.commit", self._subscription.commit, next_offsets)

    async def seek(self, partition: Partition, offset: int) -> None:
        await self._subscription.seek(partition, offset)

    async def lag(self) -> Mapping[Partition, int]:
        return await self._subscription.lag()


class FaultyViewStore(_Around):
    def __init__(self, store: ViewStore, policy: FaultPolicy, process: str) -> None:
        super().__init__(policy, process)
        self._store = store

    def generation(self, number: int) -> Views:
        return FaultyViews(self._store.generation(number), self._policy, self._process)

    async def generations(self) -> Generations:
        return await self._call("views.generations", self._store.generations)

    async def switch(
        self, old: Generations, new: Generations, *, freeze: str | None = None
    ) -> bool:
        return await self._call("views.switch", self._store.switch, old, new, freeze=freeze)

    async def freeze(self, number: int, seconds: float) -> str:
        return await self._call("views.freeze", self._store.freeze, number, seconds)

    async def thaw(self, number: int, freeze: str) -> None:
        await self._call("views.thaw", self._store.thaw, number, freeze)

    async def clear(self, number: int) -> None:
        await self._call("views.clear", self._store.clear, number)

    async def ping(self) -> None:
        await self._call("views.ping", self._store.ping)


class FaultyViews(_Around):
    def __init__(self, views: Views, policy: FaultPolicy, process: str) -> None:
        super().__init__(policy, process)
        self._views = views

    async def put(self, puts: Sequence[Put]) -> None:
        await self._call("views.put", self._views.put, puts)

    async def get(self, view: str, keys: Collection[int]) -> Mapping[int, Document]:
        return await self._call("views.get", self._views.get, view, keys)

    async def page(
        self, view: str, *, after: int, limit: int, having: Collection[str], where: Fields
    ) -> Sequence[Document]:
        return await self._call(
            "views.page",
            self._views.page,
            view,
            after=after,
            limit=limit,
            having=having,
            where=where,
        )
