"""The simulated stack: processes of roles on one database, one log and one view store.

Everything of the system is the real thing, from the routes to the SQL. What is replaced is what a
machine gives: clock, ids and chance, the connection to the database, the way of a request.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import UUID

import structlog
from aiohttp import web, web_app
from sqlalchemy.ext.asyncio import AsyncEngine

from chaos.kit.evidence import Freeze
from chaos.kit.points import FaultyLog, FaultyViewStore
from chaos.kit.simulated.faults import CALL_S, PAUSE_S, RESTART_S, Faults, HopsOf
from chaos.kit.simulated.loop import Incarnation, SimulatedLoop, State
from chaos.kit.simulated.sqlite_inline import Database, File, SimulatedConnection
from chaos.kit.systems import api_by_name, group_of_views
from system.kit.adapters.embedded.log import EmbeddedBroker, EmbeddedLog
from system.kit.adapters.embedded.views import EmbeddedViewStore
from system.kit.adapters.sql.sqlite_inline import WriteLock
from system.kit.adapters.sql.work import SqlWork, sqlite_engine
from system.kit.delivery import outbox
from system.kit.errors import Unavailable
from system.kit.events import PARTITIONS, Cause, Event
from system.kit.lifespan import Lifespan
from system.kit.metrics import Metrics
from system.kit.parts import Commits, Parts
from system.kit.ports.log import Message, Partition
from system.kit.ports.partitioner import partition_number
from system.kit.ports.views import Generations
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.roles import Blueprint, Role, build
from system.kit.settings import KitSettings
from system.kit.table import System
from system.kit.timing import Timing

EPOCH = datetime(2026, 1, 31, 8, tzinfo=UTC)
GHOST_S = 5.0
"""So long does a server keep a silent client's transaction: shorter here than MySQL's 30 s."""
FAILURES_MAX = 10
"""Processes that end by themselves so often are not started again: they would do so for ever."""
STOP_S = 10.0
"""The bound on ending when asked to."""
SETTINGS = KitSettings(outbox_poll_interval_s=2.0, retry_delays_s=(0.2, 0.4, 0.8, 1.6, 3.2))
"""In virtual time nobody waits for a poll: rare ones leave the time to the schedules.

As many tries as a system has, after a fifth of its pauses: with fewer, two faults that are shorter
than all tries used them up, and a message that could be handled was given up.
"""
TIMING = Timing(
    consumer_poll_s=0.5,
    relay_page=2,  # a few events are several pages of an outbox
    relay_pause_min_s=0.3,
    relay_measure_s=60.0,
    build_watch_s=0.15,
)


class SimulatedWorld:
    """A process's clock, ids and chance: all of them follow from the seed."""

    def __init__(self, seed: str, loop: SimulatedLoop, started_at: datetime) -> None:
        self.random = Random(seed)
        self.jumped_s = 0.0
        self._loop = loop
        self._started_at = started_at

    def now(self) -> datetime:
        return self._started_at + timedelta(seconds=self._loop.time() + self.jumped_s)

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)


@dataclass(frozen=True, slots=True)
class Given:
    """A world in which something has happened already: where a schedule starts."""

    database: bytes
    messages: tuple[Message, ...] = ()
    started_at: datetime = EPOCH


class Engines:
    """SQLAlchemy's engines, kept warm between schedules: one for each process name.

    What is compiled stays; the pool is new for each incarnation.
    """

    def __init__(self) -> None:
        self._engines: dict[str, AsyncEngine] = {}
        self._connect: dict[str, Callable[[], SimulatedConnection]] = {}

    def engine(self, process: str, connect: Callable[[], SimulatedConnection]) -> AsyncEngine:
        self._connect[process] = connect
        if process not in self._engines:
            self._engines[process] = sqlite_engine(
                Path("simulated"),
                durable=False,
                pool_size=SETTINGS.sql_pool_size,
                connect=lambda *_, **__: self._connect[process](),
            )
        engine = self._engines[process]
        engine.sync_engine.dispose(close=False)  # a new pool
        return engine

    def forget(self) -> None:
        """Let go of the last run's connections."""
        self._connect.clear()
        for engine in self._engines.values():
            engine.sync_engine.dispose(close=False)


class WatchedViewStore(EmbeddedViewStore):
    """Notes what was there each time that views were frozen."""

    def __init__(self, broker: EmbeddedBroker, system: System) -> None:
        super().__init__()
        self.frozen: list[Freeze] = []
        self._broker = broker
        self._system = system

    async def freeze(self, number: int, seconds: float) -> str:
        freeze = await super().freeze(number, seconds)
        building = (await self.generations()).building
        if building is not None:
            records = sum(map(self._broker.end, self._broker.partitions(self._system.topics)))
            built = self._broker.committed(group_of_views(self._system, building))
            self.frozen.append(Freeze(building, records, sum(built.values())))
        return freeze


class StallingLog(EmbeddedLog):
    """A log of which single partitions may take nothing: that is known only after a while."""

    def __init__(self, broker: EmbeddedBroker, client_id: str, faults: Faults) -> None:
        super().__init__(broker, client_id)
        self._faults = faults

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        stalled = [
            self._faults.is_stalled(
                Partition(message.topic, partition_number(message.key, PARTITIONS))
            )
            for message in messages
        ]
        if not any(stalled):
            return await super().publish(messages)
        others = [message for message, waits in zip(messages, stalled, strict=True) if not waits]
        outcomes = iter(await super().publish(others))
        await asyncio.sleep(CALL_S)
        away = Unavailable("its partition takes nothing")
        return [away if waits else next(outcomes) for waits in stalled]


@dataclass(frozen=True, slots=True)
class Stores:
    """What all processes share."""

    database: Database
    broker: EmbeddedBroker
    views: WatchedViewStore


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Process:
    """One incarnation of a process of the cluster, with what it is made of."""

    name: str
    roles: tuple[str, ...]
    incarnation: Incarnation
    hops: HopsOf
    world: SimulatedWorld
    lifespan: Lifespan = field(default_factory=Lifespan)
    made: list[Role] = field(default_factory=list)
    handlers: dict[str, Handler] = field(default_factory=dict)
    running: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        return self.incarnation.state is State.RUNNING and not self.lifespan.stopping.is_set()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a cluster is made of and how it is built."""

    seed: str
    """Chance, and so every id: different in each run whose ids might meet."""
    processes: Mapping[str, tuple[str, ...]]
    """Each with its roles."""
    blueprint: Blueprint
    parts: Callable[[Parts], Parts] = lambda parts: parts
    """What a mutant makes of a process's parts."""
    started_at: datetime = EPOCH
    api_of: Callable[[str], str] = api_by_name
    """The API of the write side that serves a path."""


class Cluster:
    """All processes of one run: starts, kills, pauses and restarts them."""

    def __init__(self, plan: Plan, stores: Stores, faults: Faults, engines: Engines) -> None:
        self.stores = stores
        self.processes: dict[str, Process] = {}
        self.failures: list[str] = []
        """Processes that ended by themselves, with the reason."""
        self.restarts = 0
        self.put_in: set[Message] = set()
        self.emitted_under: list[tuple[str, str]] = []
        """Of each event: the correlation id that its process would have logged, and its own."""
        """What no process sent."""
        self._plan = plan
        self._faults = faults
        self._engines = engines
        self._healing: set[asyncio.Task[None]] = set()
        faults.crashed = self.crash
        faults.paused = self.pause

    @property
    def is_lost(self) -> bool:
        """Whether there is no point in waiting for rest."""
        return len(self.failures) >= FAILURES_MAX

    @property
    def is_whole(self) -> bool:
        """Whether every process is up and no fault is left to heal."""
        return not self._healing and all(process.is_up for process in self.processes.values())

    async def start(self) -> None:
        for name in self._plan.processes:
            await self._start(name, 1)

    async def deliver(self, message: Message) -> None:
        """Put a message into the log that no process sent."""
        self.put_in.add(message)
        await self.stores.broker.publish([message])

    @property
    def system(self) -> System:
        return self._plan.blueprint.system

    def api_of(self, path: str) -> str:
        """The API of the write side that serves a path."""
        return self._plan.api_of(path)

    def process_of(self, role: str) -> Process:
        for process in self.processes.values():
            if role in process.roles:
                return process
        raise LookupError(f"no process of this workload is a {role}: {', '.join(self.processes)}")

    async def _start(self, name: str, number: int, jumped_s: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop), "simulated processes run on the simulated loop"
        world = SimulatedWorld(f"{self._plan.seed}/{name}/{number}", loop, self._plan.started_at)
        world.jumped_s = jumped_s
        process = Process(
            name,
            self._plan.processes[name],
            Incarnation(loop, name, number),
            HopsOf(self._faults, name),
            world,
        )
        self.processes[name] = process
        process.incarnation.call(self._build, process)
        for role in process.made:
            runner = web.AppRunner(role.http.application)
            await runner.setup()
            assert runner.server is not None, "a runner that is set up has its server"
            process.handlers[role.name] = runner.server.request_handler
        process.running = process.incarnation.task(_serve(process))
        process.running.add_done_callback(lambda task: self._ended(process, task))

    def _build(self, process: Process) -> None:
        parts = self._plan.parts(self._parts(process))
        blueprint = replace(
            self._plan.blueprint, metrics=lambda: _METRICS, timing=TIMING, with_pages=False
        )
        process.made = [build(name, parts, blueprint, process.lifespan) for name in process.roles]

    def _parts(self, process: Process) -> Parts:
        stores, faults, commits = self.stores, self._faults, Commits()
        name = process.name
        twin = name[name.find("-") :] if "-" in name else ""  # its static membership is its own
        lock = WriteLock()
        engine = self._engines.engine(name, lambda: stores.database.connect(process.hops, lock))
        work = SqlWork(
            engine, process.world, timeout_s=SETTINGS.sql_timeout_s, committed=commits.notify
        )
        return Parts(
            work=_overheard(work, self.emitted_under),
            probe=work.probe,
            writable=work.writable,
            log=lambda role: FaultyLog(
                StallingLog(stores.broker, role + twin, faults), faults, name
            ),
            view_store=cache(lambda: FaultyViewStore(stores.views, faults, name)),
            world=process.world,
            commits=commits,
            connections_in_use=work.connections_in_use,
        )

    def _ended(self, process: Process, task: asyncio.Task[None]) -> None:
        """Note when a process ends by itself, and start it again, as whoever runs it would."""
        error = None if task.cancelled() else task.exception()
        if error is None and process.lifespan.stopping.is_set():
            return
        self.failures.append(f"{process.name}: {_reason(error)}")
        if not self.is_lost:
            self.crash(process.incarnation)
        elif process.incarnation.state is not State.DEAD:
            self._kill(process)

    def crash(self, incarnation: Incarnation) -> None:
        """Kill a process at once, and start it again a moment later."""
        process = self.processes[incarnation.name]
        if process.incarnation is not incarnation or incarnation.state is State.DEAD:
            return
        self._kill(process)
        self._heal(self._restart(process))

    def _kill(self, process: Process) -> None:
        process.incarnation.kill()
        self.stores.database.drop(process.hops)

    async def _restart(self, process: Process) -> None:
        await asyncio.sleep(RESTART_S)
        self.restarts += 1
        await self._start(process.name, process.incarnation.number + 1, process.world.jumped_s)

    def pause(self, incarnation: Incarnation) -> None:
        """Stop a process as a stalled machine does; its open transactions end after a while."""
        process = self.processes[incarnation.name]
        open_then = self.stores.database.in_transaction(process.hops)
        incarnation.pause()
        self._heal(self._end_pause(incarnation, open_then))

    async def _end_pause(
        self, incarnation: Incarnation, open_then: Sequence[SimulatedConnection]
    ) -> None:
        await asyncio.sleep(GHOST_S)
        for connection in open_then:
            connection.stop()
        await asyncio.sleep(PAUSE_S - GHOST_S)
        incarnation.go_on()

    def stop(self, name: str) -> None:
        """Ask a process to stop, as SIGTERM does, and start it again once it has."""
        process = self.processes[name]
        if process.is_up:
            self._heal(self._stop(process))

    async def _stop(self, process: Process) -> None:
        assert process.running is not None, "a process that is up runs"
        process.incarnation.call(process.lifespan.stopping.set)
        ends = {process.running, process.incarnation.died}
        await asyncio.wait(ends, timeout=STOP_S, return_when=asyncio.FIRST_COMPLETED)
        if process.incarnation.state is State.DEAD:
            return  # killed meanwhile, and started again by that
        if not process.running.done() and process.incarnation.state is State.RUNNING:
            self.failures.append(f"{process.name}: had not stopped after {STOP_S:g} s")
        self._kill(process)
        await self._restart(process)

    def _heal(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what ends a fault, outside of all processes."""
        outside = contextvars.Context()  # whoever was hit may be dead by then
        task = outside.run(asyncio.ensure_future, work)
        self._healing.add(task)
        task.add_done_callback(self._healed, context=outside)

    def _healed(self, task: asyncio.Task[None]) -> None:
        self._healing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error  # the simulation itself is broken


def _overheard(work: UnitOfWorkFactory, emitted_under: list[tuple[str, str]]) -> UnitOfWorkFactory:
    """Transactions that note in whose name each event is emitted, if in anybody's."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[UnitOfWork]:
        async with work() as unit:
            emit = unit.emit

            def overheard(event: Event, *, because: Cause) -> None:
                name = structlog.contextvars.get_contextvars().get("correlation_id")
                if name is not None:
                    emitted_under.append((str(name), str(because.correlation_id)))
                emit(event, because=because)

            unit.emit = overheard  # type: ignore[method-assign]  # of this one transaction
            yield unit

    return opened


async def _serve(process: Process) -> None:
    """What `system.kit.process.run` does, without sockets."""
    async with asyncio.TaskGroup() as group:
        for role in process.made:
            for service in role.services:
                if service is role.http:
                    process.lifespan.ready(service.name)
                else:
                    group.create_task(
                        service.run(process.lifespan), name=f"{process.name} {service.name}"
                    )
        group.create_task(_until_stopped(process.lifespan))


async def _until_stopped(lifespan: Lifespan) -> None:
    await lifespan.stopping.wait()


def _reason(error: BaseException | None) -> str:
    """What a process died of: the innermost cause, not the groups around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return "ended unasked" if error is None else f"{type(error).__name__}: {error}"


class _Metrics(Metrics):
    """Of all processes: to make them anew would take longer than most runs."""

    def pool(self, in_use: Callable[[], int]) -> None:
        """Leave it out: it would keep each process alive."""


_METRICS = _Metrics()


@contextmanager
def lean() -> Iterator[None]:
    """Leave out lines of the log, and aiohttp's cache of middlewares: it keeps applications alive."""
    uncached = web_app._build_middlewares  # noqa: SLF001 - the cache has no switch
    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    before = structlog.get_config()
    structlog.configure(wrapper_class=silent, cache_logger_on_first_use=False)
    heard = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with patch.object(web_app, "_cached_build_middleware", uncached):
            yield
    finally:
        logging.disable(heard)
        structlog.configure(**before)


def stores(system: System, given: Given, file: File, loop: SimulatedLoop) -> Stores:
    """The stores as a schedule finds them."""
    file.fill(given.database)
    started_ms = int(given.started_at.timestamp() * 1000)
    broker = EmbeddedBroker(
        partitions=PARTITIONS, now_ms=lambda: started_ms + int(loop.time() * 1000)
    )
    return Stores(Database(file), broker, WatchedViewStore(broker, system))


async def fill(stores: Stores, system: System, given: Given, *, with_views: bool) -> None:
    """Put in what was told before; and what it shows, unless the views are to be built first."""
    broker = stores.broker
    await broker.ensure(system.all_topics)
    await broker.publish(given.messages)
    if not with_views:
        return
    shown, events = system.projections, system.events
    await stores.views.generation(1).put(
        [
            put
            for message in given.messages
            for projection in shown[message.topic]
            for put in projection(outbox.decode(message, events).event)
        ]
    )
    await stores.views.switch(Generations(), Generations(1, None, 1))
    broker.group(group_of_views(system, 1)).committed.update(
        {place: broker.end(place) for place in broker.partitions(system.topics)}
    )
